/* SPDX-License-Identifier: MIT */
/*
 * The certificates of one job, for workers that speak TLS: a CA made for it, whose key is
 * forgotten at once, and one certificate with its key that all of the job's servers and clients
 * share.  In jupyter-certificate, as the user.
 */
#ifndef CERTIFICATE_CERTIFICATE_H
#define CERTIFICATE_CERTIFICATE_H

#include "common/reason.h"

/* What is written, PEM, mode 0600. */
#define CERTIFICATE_CA	 "ca.pem"
#define CERTIFICATE_CERT "cert.pem"
#define CERTIFICATE_KEY	 "key.pem" /* PKCS #8, not encrypted */

enum {
	CERTIFICATE_DAYS = 3650,      /* longer than any job; the key goes with the job */
	CERTIFICATE_SKEW_S = 86400,   /* valid before now: clocks of nodes differ */
	CERTIFICATE_SERIAL_BITS = 128 /* RFC 5280 allows 159; 64 random ones are asked for */
};

/*
 * Makes them and writes the three files, each at once in the place of what was there; the
 * certificate last.  EC P-256 and SHA-256, as RFC 5280 wants them, so that checks as strict as
 * those of Python 3.13 pass.  No name of a host is in it: what it proves is to be of the job.
 * 0, or -1 with a reason; errno where a file could not be written, else EIO.
 */
int certificate_create(int dirfd, struct reason *reason);

#endif
