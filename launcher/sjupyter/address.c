/* SPDX-License-Identifier: MIT */
/* See address.h. */
#include "launcher/sjupyter/address.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"

enum { TOKEN_MAX = 512, TOKEN_LEAST = 8 };

void address_free(char *text)
{
	int error = errno;

	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	errno = error;
}

/* RFC 3986's unreserved characters: they need no escape in a URL. */
static bool is_token(const char *text, size_t size)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._~";

	return size >= TOKEN_LEAST && strlen(text) == size && strspn(text, allowed) == size;
}

char *address_token(int state_fd, struct reason *reason)
{
	struct stat status;
	char *token = NULL;
	size_t size = 0;

	if (fstatat(state_fd, "token", &status, AT_SYMLINK_NOFOLLOW) < 0) {
		reason_set(reason, "the token: %s", strerror(errno));
		return NULL;
	}
	if (status.st_uid != geteuid() || (status.st_mode & (S_IRWXG | S_IRWXO))) {
		errno = EPERM;
		reason_set(reason, "the token belongs to somebody else, or others can read it");
		return NULL;
	}
	if (file_read(state_fd, "token", TOKEN_MAX, &token, &size) < 0) {
		reason_set(reason, "the token: %s", strerror(errno));
		return NULL;
	}
	if (size > 0 && token[size - 1] == '\n')
		token[--size] = '\0';
	if (is_token(token, size))
		return token;
	address_free(token);
	errno = EPROTO;
	reason_set(reason, "the token's file holds something else");
	return NULL;
}

char *address_whole(const char *url, const char *token)
{
	char *whole = NULL;

	if (!token)
		return strdup(url);
	if (asprintf(&whole, "%s%ctoken=%s", url, strchr(url, '?') ? '&' : '?', token) < 0)
		return NULL;
	return whole;
}

char *address_through(const char *url, const char *host, unsigned port, const char *token)
{
	const char *end = strstr(url, "://");
	char *plain = NULL, *whole;

	if (!end || end == url) {
		errno = EINVAL;
		return NULL;
	}
	const char *path = end + 3;
	path += strcspn(path, "/?#");
	if (asprintf(&plain, "%.*s://%s:%u%s", (int) (end - url), url, host, port, path) < 0)
		return NULL;
	whole = address_whole(plain, token);
	free(plain);
	return whole;
}

char *address_ssh(const char *ip, unsigned port, const char *user, const char *host)
{
	bool is_v6 = strchr(ip, ':') != NULL;
	char *line = NULL;

	/* A person copies it into a shell. */
	if (!text_is_name(user, LOGIN_NAME_MAX) || *host == '-' ||
	    host[strcspn(host, " '\"\\$`;&|<>()\n\t")]) {
		errno = EINVAL;
		return NULL;
	}
	if (asprintf(&line, "ssh -N -L %d:%s%s%s:%u %s@%s", ADDRESS_PORT, is_v6 ? "[" : "", ip,
		     is_v6 ? "]" : "", port, user, host) < 0)
		return NULL;
	return line;
}

char *address_of(const struct session *session, int state_fd, struct reason *reason)
{
	char *token, *whole;

	if (session->notebook) {
		reason_set(reason, "the session executes a notebook and has no URL: `sjupyter "
				   "status` shows how far it is");
		return NULL;
	}
	if (!session->url) {
		reason_set(reason, "the session has no URL yet");
		return NULL;
	}
	token = address_token(state_fd, reason);
	if (!token && errno != ENOENT)
		return NULL;
	whole = address_whole(session->url, token);
	if (!whole)
		reason_set(reason, "%s", strerror(errno));
	address_free(token);
	return whole;
}

/* Whether this runs in a job whose script or command may have stdout in a file that others
 * read. */
static bool is_in_step(void)
{
	return getenv("SLURMD_NODENAME") != NULL;
}

/*
 * By which name this host is reached from outside: its own if it is a full one; else the
 * address at which this person's ssh has reached it, if it was ssh; else its short name.
 */
static void find_login_host(char host[HOST_NAME_MAX + 1])
{
	const char *connection =
		getenv("SSH_CONNECTION"); /* sshd(8): client, port, here, port */
	const char *submit = getenv("SLURM_SUBMIT_HOST");
	char here[64];

	/* In a job, that where it was submitted. */
	if (is_in_step() && submit && text_is_name(submit, HOST_NAME_MAX)) {
		strcpy(host, submit);
		return;
	}
	if (gethostname(host, HOST_NAME_MAX + 1) < 0 || !*host)
		strcpy(host, "LOGINHOST");
	host[HOST_NAME_MAX] = '\0';
	if (!strchr(host, '.') && connection &&
	    sscanf(connection, "%*63s %*5s %63[0-9a-fA-F.:] %*5s", here) == 1)
		strcpy(host, here);
}

static void print_way(const struct session *session, const char *token)
{
	char host[HOST_NAME_MAX + 1];
	const struct passwd *user = getpwuid(geteuid());
	char *line, *local;

	if (!session->ip || !session->port)
		return;
	find_login_host(host);
	line = address_ssh(session->ip, session->port, user ? user->pw_name : "USER", host);
	local = address_through(session->url, "localhost", ADDRESS_PORT, token);
	if (line && local)
		printf("\nFrom your own computer, run there\n\n    %s\n\nand open\n\n    %s\n",
		       line, local);
	free(line);
	address_free(local);
}

int address_print(const struct session *session, int state_fd, struct reason *reason)
{
	char *whole, *token;

	if (session->notebook) {
		bool is_over = session_state_final(session->state);
		printf("%s %s, the result %s %s\n", is_over ? "executed" : "executing",
		       session->notebook, is_over ? "is in" : "goes to",
		       session->output ? session->output : "a file");
		return 0;
	}
	/* A job's output is no place for a token. */
	if (is_in_step() && !isatty(STDOUT_FILENO) && session->url) {
		printf("%s\n`sjupyter url %s` shows it whole\n", session->url, session->job_id);
		return 0;
	}
	if (!(whole = address_of(session, state_fd, reason)))
		return -1;
	printf("%s\n", whole);
	token = address_token(state_fd, NULL);
	/* One behind a hub's login is reached by the hub alone. */
	if (token || !session->hub_mode)
		print_way(session, token);
	address_free(token);
	address_free(whole);
	return 0;
}
