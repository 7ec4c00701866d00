/* SPDX-License-Identifier: MIT */
/*
 * jupyter-certificate: makes the certificates of a job, for kinds of workers that speak TLS.
 * Started by jupyter-agent as a recipe's prepare command, as the user.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "common/fd.h"
#include "launcher/certificate/certificate.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

int main(int argc, char *argv[])
{
	/* Keys are never in a core file. */
	const struct rlimit none = {0, 0};
	struct reason reason;

	if (argc != 2 || argv[1][0] == '-' || argv[1][0] == '\0') {
		fprintf(stderr,
			"usage: jupyter-certificate DIRECTORY\n"
			"Writes %s, %s and %s there, with mode 0600: a certificate for TLS\n"
			"servers and clients, and the CA it is of.  Started by recipes of "
			"workers.\n",
			CERTIFICATE_CA, CERTIFICATE_CERT, CERTIFICATE_KEY);
		return EXIT_USAGE;
	}
	(void) setrlimit(RLIMIT_CORE, &none);
	int dirfd = dir_open(AT_FDCWD, argv[1]);
	if (dirfd < 0)
		reason_set(&reason, "%s", strerror(errno));
	if (dirfd < 0 || certificate_create(dirfd, &reason) < 0) {
		fprintf(stderr, "jupyter-certificate: %s: %s\n", argv[1], reason.text);
		return EXIT_FAILED;
	}
	fd_close(&dirfd);
	return 0;
}
