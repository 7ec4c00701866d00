/* SPDX-License-Identifier: MIT */
/*
 * Tests of the server's token (launcher/head/token.h): what it is, and who may read it.  Run by
 * `make check`, as anybody.
 */
#include "launcher/head/token.h"

#include "common/fd.h"
#include "scratch.h"

static char *token_of(int dir)
{
	char *token = NULL;

	if (file_read(dir, "token", 1000, &token, NULL) < 0)
		bail_out("token");
	return token;
}

static int make_dir(int scratch, const char *name)
{
	mkdirat(scratch, name, 0700);
	return openat(scratch, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int main(void)
{
	int scratch = scratch_open();
	int private_fd = make_dir(scratch, "private"), state_fd = make_dir(scratch, "state");
	struct stat status;

	mode_t before = umask(0);
	is_int(token_create(private_fd, state_fd), 0, "a token is made");
	umask(before);
	char *first = token_of(private_fd), *copy = token_of(state_fd);
	is_int(strlen(first), TOKEN_SIZE - 1, "of 256 bits");
	is_int(strspn(first, "0123456789abcdef"), TOKEN_SIZE - 1,
	       "in hexadecimal, without a newline");
	is_str(copy, first, "the same in both places");
	ok(fstatat(private_fd, "token", &status, 0) == 0 && (status.st_mode & 07777) == 0600 &&
		   fstatat(state_fd, "token", &status, 0) == 0 &&
		   (status.st_mode & 07777) == 0600,
	   "private in both, whatever the umask");
	is_int(entries(private_fd) + entries(state_fd), 2, "and nothing else is left there");

	is_int(token_create(private_fd, -1), 0, "another, in one place");
	char *second = token_of(private_fd);
	ok(strcmp(first, second) != 0, "is another");
	free(copy);
	copy = token_of(state_fd);
	is_str(copy, first, "and the other place is as it was");

	/* Whatever lies in its place is replaced, not written into. */
	(void) file_replace(scratch, "victim", 0644, "victim", 6);
	unlinkat(private_fd, "token", 0);
	if (symlinkat("../victim", private_fd, "token") < 0)
		bail_out("symlinkat");
	is_int(token_create(private_fd, -1), 0, "a link in its place");
	char *victim = NULL;
	(void) file_read(scratch, "victim", 100, &victim, NULL);
	is_str(victim, "victim", "is not followed");
	ok(fstatat(private_fd, "token", &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		   S_ISREG(status.st_mode) && (status.st_mode & 07777) == 0600,
	   "but replaced");

	fails_with(token_create(-1, state_fd), EBADF, "no directory, no token");
	unlinkat(state_fd, "token", 0);
	mkdirat(state_fd, "token", 0700);
	fails_with(token_create(private_fd, state_fd), EISDIR,
		   "nor where it cannot be written");
	is_int(entries(state_fd), 1, "of which nothing is left");

	free(first);
	free(second);
	free(copy);
	free(victim);
	close(private_fd);
	close(state_fd);
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
