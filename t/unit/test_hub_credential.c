/* SPDX-License-Identifier: MIT */
/*
 * Tests of the munge credentials between session and hub (hub-callback/credential.h) with a
 * munged of the test's own.  Run by `make check`, as anybody; as root also what another user
 * makes and gets.
 */
#include "hub-callback/credential.h"

#include "munged.h"
#include "scratch.h"

static const char *socket_path;

static int decode(const char *credential, uid_t uid, char **text, struct reason *reason)
{
	size_t size;
	int rc;

	*text = NULL;
	reason->text[0] = '\0';
	rc = hub_credential_decode(socket_path, credential, uid, text, &size, reason);
	if (rc == 0 && strlen(*text) != size)
		bail_out("the size is wrong");
	return rc;
}

static void test_own(void)
{
	char *credential = NULL, *text, *cut;
	struct reason reason;

	is_int(hub_credential_encode(socket_path, geteuid(), 300, "{\"a\": 1}", &credential,
				     &reason),
	       0, "a credential");
	is_int(decode(credential, geteuid(), &text, &reason), 0, "is opened");
	is_str(text, "{\"a\": 1}", "and carries what it was given");
	free(text);
	fails_with(decode(credential, geteuid(), &text, &reason), EACCES, "once");
	ok(strstr(reason.text, "replayed"), "in words: %s", reason.text);
	fails_with(decode("MUNGE:AAAA:", geteuid(), &text, &reason), EACCES, "a malformed one");
	ok(strstr(reason.text, "malformed"), "in words: %s", reason.text);
	fails_with(decode("", geteuid(), &text, &reason), EACCES, "none");
	cut = strdup(credential);
	cut[strlen(cut) / 2] = cut[strlen(cut) / 2] == 'A' ? 'B' : 'A';
	fails_with(decode(cut, geteuid(), &text, &reason), EACCES, "a damaged one");
	free(cut);
	free(credential);
	is_int(hub_credential_encode(socket_path, geteuid(), 300, "", &credential, &reason), 0,
	       "an empty one");
	is_int(decode(credential, geteuid(), &text, &reason), 0, "is opened");
	is_str(text, "", "and empty");
	free(text);
	free(credential);
}

static void test_others(void)
{
	char *credential = NULL, *text;
	struct reason reason;

	hub_credential_encode(socket_path, geteuid() + 1, 300, "x", &credential, &reason);
	fails_with(decode(credential, geteuid(), &text, &reason), EACCES,
		   "one for another user is not opened");
	ok(strstr(reason.text, "another user"), "in words: %s", reason.text);
	free(credential);
	hub_credential_encode(socket_path, geteuid(), 300, "x", &credential, &reason);
	fails_with(decode(credential, geteuid() + 1, &text, &reason), EACCES,
		   "one of another than is expected is not believed");
	ok(strstr(reason.text, "hub_user"), "in words: %s", reason.text);
	free(credential);
}

/* As nobody, for root. */
static int forge(int out)
{
	char *credential;

	if (become_nobody() != 0)
		return CANNOT;
	if (hub_credential_encode(socket_path, 0, 300, "x", &credential, NULL) < 0)
		return 1;
	return dprintf(out, "%s", credential) > 0 ? 0 : 1;
}

static void test_forger(void)
{
	char credential[4096] = "", *text;
	struct reason reason;
	int out[2];

	if (geteuid() != 0) {
		skip("another user's credential needs root");
		return;
	}
	if (pipe2(out, O_CLOEXEC) < 0)
		bail_out("pipe2");
	is_child(in_child(forge, out[1]), "another user makes one for us");
	if (read(out[0], credential, sizeof(credential) - 1) <= 0)
		bail_out("read");
	fails_with(decode(credential, 0, &text, &reason), EACCES, "which is not the hub's");
	ok(strstr(reason.text, "uid 65534 has made it, the hub's is uid 0"), "in words: %s",
	   reason.text);
	close(out[0]);
	close(out[1]);
}

static void test_down(void)
{
	char *credential = NULL, *text;
	struct reason reason;

	fails_with(
		hub_credential_encode("/nonexistent/munge", 0, 300, "x", &credential, &reason),
		EAGAIN, "no munged");
	ok(strstr(reason.text, "systemctl status munge"), "in words: %s", reason.text);
	fails_with(hub_credential_decode("/nonexistent/munge", "MUNGE:AAAA:", 0, &text,
					 &(size_t){0}, &reason),
		   EAGAIN, "nor to open one");
}

int main(void)
{
	struct munged munged;

	munged_start(&munged);
	socket_path = hub_credential_socket();
	is_str(socket_path, munged.socket, "MUNGE_SOCKET names the socket");
	test_own();
	test_others();
	test_forger();
	test_down();
	munged_stop(&munged);
	unsetenv("MUNGE_SOCKET");
	ok(!hub_credential_socket(), "without it libmunge knows");
	return done_testing();
}
