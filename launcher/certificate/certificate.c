/* SPDX-License-Identifier: MIT */
/* See certificate.h. */
#include "launcher/certificate/certificate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/fd.h"

/* One of the two, CA and certificate. */
struct kind {
	const char *common_name;
	/* As openssl.cnf has them. */
	const char *constraints, *usage, *extended_usage;
};

static const struct kind authority = {"CA of a spank-jupyter job", "critical,CA:TRUE,pathlen:0",
				      "critical,keyCertSign,cRLSign", NULL};
static const struct kind member = {"spank-jupyter job", "critical,CA:FALSE",
				   "critical,digitalSignature", "serverAuth,clientAuth"};

static int openssl_failed(const char *what, struct reason *reason)
{
	char text[256] = "no reason is given";
	unsigned long error = ERR_peek_last_error();

	if (error)
		ERR_error_string_n(error, text, sizeof(text));
	ERR_clear_error();
	errno = EIO;
	return reason_set(reason, "%s with OpenSSL: %s", what, text);
}

static EVP_PKEY *make_key(void)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	if (!context || EVP_PKEY_keygen_init(context) <= 0 ||
	    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) <= 0 ||
	    EVP_PKEY_keygen(context, &key) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	return key;
}

static bool set_serial(X509 *cert)
{
	BIGNUM *number = BN_new();
	/* The top bit set: never zero, always of the same length. */
	bool done = number && BN_rand(number, CERTIFICATE_SERIAL_BITS, BN_RAND_TOP_ONE,
				      BN_RAND_BOTTOM_ANY);

	done = done && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	return done;
}

static bool set_name(X509_NAME *name, const char *text)
{
	return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
					  (const unsigned char *) "spank-jupyter", -1, -1, 0) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const unsigned char *) text, -1, -1, 0);
}

/* value NULL: not to be there. */
static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;

	if (!value)
		return true;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool done = extension && X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
	return done;
}

/* issuer NULL: signed by itself, and issuer_key is key. */
static X509 *make_certificate(const struct kind *kind, EVP_PKEY *key, X509 *issuer,
			      EVP_PKEY *issuer_key)
{
	X509 *cert = X509_new();

	if (cert && X509_set_version(cert, 2 /* that is v3 */) && set_serial(cert) &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), -CERTIFICATE_SKEW_S) &&
	    X509_time_adj_ex(X509_getm_notAfter(cert), CERTIFICATE_DAYS, 0, NULL) &&
	    set_name(X509_get_subject_name(cert), kind->common_name) &&
	    X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert)) &&
	    X509_set_pubkey(cert, key) &&
	    add_extension(cert, issuer ? issuer : cert, NID_basic_constraints,
			  kind->constraints) &&
	    add_extension(cert, issuer ? issuer : cert, NID_key_usage, kind->usage) &&
	    add_extension(cert, issuer ? issuer : cert, NID_ext_key_usage,
			  kind->extended_usage) &&
	    add_extension(cert, issuer ? issuer : cert, NID_subject_key_identifier, "hash") &&
	    add_extension(cert, issuer ? issuer : cert, NID_authority_key_identifier,
			  "keyid:always") &&
	    X509_sign(cert, issuer_key, EVP_sha256()))
		return cert;
	X509_free(cert);
	return NULL;
}

/* One of cert and key is given. */
static int write_pem(int dirfd, const char *name, X509 *cert, EVP_PKEY *key,
		     struct reason *reason)
{
	BIO *memory = BIO_new(BIO_s_mem());
	char *data = NULL;
	int rc;

	if (!memory ||
	    !(cert ? PEM_write_bio_X509(memory, cert)
		   : PEM_write_bio_PKCS8PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL))) {
		BIO_free(memory);
		return openssl_failed("writing a certificate", reason);
	}
	long size = BIO_get_mem_data(memory, &data);
	rc = file_replace(dirfd, name, 0600, data, (size_t) size);
	if (rc < 0)
		reason_set(reason, "writing %s: %s", name, strerror(errno));
	int saved = errno;
	OPENSSL_cleanse(data, (size_t) size);
	BIO_free(memory);
	errno = saved;
	return rc;
}

int certificate_create(int dirfd, struct reason *reason)
{
	EVP_PKEY *ca_key = make_key(), *key = make_key();
	X509 *ca = NULL, *cert = NULL;
	int rc = -1;

	if (!ca_key || !key || !(ca = make_certificate(&authority, ca_key, NULL, ca_key)) ||
	    !(cert = make_certificate(&member, key, ca, ca_key)))
		openssl_failed("making a certificate", reason);
	else if (write_pem(dirfd, CERTIFICATE_CA, ca, NULL, reason) == 0 &&
		 write_pem(dirfd, CERTIFICATE_KEY, NULL, key, reason) == 0 &&
		 write_pem(dirfd, CERTIFICATE_CERT, cert, NULL, reason) == 0)
		rc = 0;
	int saved = errno;
	X509_free(cert);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	errno = saved;
	return rc;
}
