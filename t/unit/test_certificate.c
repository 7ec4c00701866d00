/* SPDX-License-Identifier: MIT */
/*
 * Tests of a job's certificates (launcher/certificate/certificate.h): that both ends of TLS can
 * use them, that nobody else's pass, and who may read them.  Run by `make check`, as anybody.
 */
#include "launcher/certificate/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/fd.h"
#include "scratch.h"

struct job {
	X509 *ca, *cert;
	EVP_PKEY *key;
};

static BIO *pem_of(int dir, const char *name, char **data)
{
	size_t size;

	if (file_read(dir, name, 10000, data, &size) < 0)
		bail_out(name);
	return BIO_new_mem_buf(*data, (int) size);
}

static X509 *cert_of(int dir, const char *name)
{
	char *data = NULL;
	BIO *pem = pem_of(dir, name, &data);
	X509 *cert = PEM_read_bio_X509(pem, NULL, NULL, NULL);

	BIO_free(pem);
	free(data);
	return cert;
}

static void job_read(int dir, struct job *job)
{
	char *data = NULL;
	BIO *pem = pem_of(dir, CERTIFICATE_KEY, &data);

	job->key = PEM_read_bio_PrivateKey(pem, NULL, NULL, NULL);
	BIO_free(pem);
	free(data);
	job->ca = cert_of(dir, CERTIFICATE_CA);
	job->cert = cert_of(dir, CERTIFICATE_CERT);
}

static void job_clear(struct job *job)
{
	X509_free(job->ca);
	X509_free(job->cert);
	EVP_PKEY_free(job->key);
}

/* As a peer checks it that trusts ca alone; when: 0 is now.  X509_V_OK or what is wrong. */
static int checked(X509 *ca, X509 *cert, int purpose, time_t when)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();

	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(context, store, cert, NULL);
	X509_STORE_CTX_set_flags(context,
				 X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
	X509_STORE_CTX_set_purpose(context, purpose);
	if (when)
		X509_STORE_CTX_set_time(context, 0, when);
	int error =
		X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	return error;
}

static bool private(int dir, const char *name)
{
	struct stat status;

	return fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(status.st_mode) && (status.st_mode & 07777) == 0600;
}

static void certificates(int dir)
{
	const time_t year = 365L * 86400, now = time(NULL);
	struct reason reason;
	struct job job, other;

	mode_t before = umask(0);
	is_int(certificate_create(dir, &reason), 0, "the certificates of a job are made");
	umask(before);
	is_int(entries(dir), 3, "three files, nothing else");
	ok(private(dir, CERTIFICATE_CA) && private(dir, CERTIFICATE_CERT) &&
		   private(dir, CERTIFICATE_KEY),
	   "private, whatever the umask");
	job_read(dir, &job);
	ok(job.ca && job.cert && job.key, "they are read again");
	ok(EVP_PKEY_base_id(job.key) == EVP_PKEY_EC && EVP_PKEY_bits(job.key) == 256,
	   "the key is of a curve of 256 bits");
	is_int(X509_check_private_key(job.cert, job.key), 1, "the key is the certificate's");
	is_int(X509_check_private_key(job.ca, job.key), 0, "and not the CA's, which is gone");
	is_int(checked(job.ca, job.cert, X509_PURPOSE_SSL_SERVER, 0), X509_V_OK,
	       "a client takes it for a server's, however strict");
	is_int(checked(job.ca, job.cert, X509_PURPOSE_SSL_CLIENT, 0), X509_V_OK,
	       "a server takes it for a client's");
	is_int(checked(job.ca, job.cert, X509_PURPOSE_SSL_SERVER, now - 3600), X509_V_OK,
	       "on a node whose clock is behind");
	is_int(checked(job.ca, job.cert, X509_PURPOSE_SSL_SERVER, now + 5 * year), X509_V_OK,
	       "in a job that runs for years");
	is_int(checked(job.ca, job.cert, X509_PURPOSE_SSL_SERVER, now + 11 * year),
	       X509_V_ERR_CERT_HAS_EXPIRED, "but not for ever");
	is_int(X509_check_ca(job.ca), 1, "the CA is one");
	is_int(X509_check_ca(job.cert), 0, "the certificate is none");

	is_int(certificate_create(dir, &reason), 0, "those of another job, in their place");
	is_int(entries(dir), 3, "nothing else is left there");
	job_read(dir, &other);
	is_int(X509_check_private_key(job.cert, other.key), 0, "have another key");
	ok(ASN1_INTEGER_cmp(X509_get0_serialNumber(job.cert),
			    X509_get0_serialNumber(other.cert)) != 0,
	   "and another number");
	ok(checked(job.ca, other.cert, X509_PURPOSE_SSL_CLIENT, 0) != X509_V_OK,
	   "and do not pass for the first one's");
	job_clear(&job);
	job_clear(&other);
}

static void places(int scratch, int dir)
{
	struct reason reason;
	char *victim = NULL;

	/* Whatever lies in their place is replaced, not written into. */
	(void) file_replace(scratch, "victim", 0644, "victim", 6);
	unlinkat(dir, CERTIFICATE_KEY, 0);
	if (symlinkat("../victim", dir, CERTIFICATE_KEY) < 0)
		bail_out("symlinkat");
	is_int(certificate_create(dir, &reason), 0, "a link in the key's place");
	(void) file_read(scratch, "victim", 100, &victim, NULL);
	is_str(victim, "victim", "is not followed");
	ok(private(dir, CERTIFICATE_KEY), "and the key is a file of its own");
	free(victim);

	unlinkat(dir, CERTIFICATE_KEY, 0);
	mkdirat(dir, CERTIFICATE_KEY, 0700);
	fails_with(certificate_create(dir, &reason), EISDIR, "a directory in its place");
	is_str(reason.text, "writing key.pem: Is a directory", "says so");
}

int main(void)
{
	int scratch = scratch_open(), dir;

	mkdirat(scratch, "share", 0700);
	dir = openat(scratch, "share", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	certificates(dir);
	places(scratch, dir);
	close(dir);
	close(scratch);
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
