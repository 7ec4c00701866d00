/* SPDX-License-Identifier: MIT */
/* See token.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/fd.h"
#include "launcher/head/token.h"

int token_create(int private_fd, int state_fd)
{
	unsigned char random[(TOKEN_SIZE - 1) / 2];
	char token[TOKEN_SIZE];
	int rc = -1;

	if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
		return -1;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(token + 2 * i, 3, "%02x", random[i]);
	/* No newline: jupyter_server takes the file's content as it is. */
	if (file_replace(private_fd, "token", 0600, token, TOKEN_SIZE - 1) < 0)
		goto out;
	if (state_fd >= 0 && file_replace(state_fd, "token", 0600, token, TOKEN_SIZE - 1) < 0)
		goto out;
	rc = 0;
out:
	explicit_bzero(random, sizeof(random));
	explicit_bzero(token, sizeof(token));
	return rc;
}
