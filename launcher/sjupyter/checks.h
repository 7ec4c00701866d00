/* SPDX-License-Identifier: MIT */
/*
 * What `sjupyter doctor` finds, check by check: printed as lines as they come, or gathered for
 * --json, or as JSON lines from the compute node to the login host.  As the user.
 */
#ifndef SJUPYTER_CHECKS_H
#define SJUPYTER_CHECKS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum check_result { CHECK_OK, CHECK_WARN, CHECK_FAIL };

enum checks_form {
	CHECKS_WORDS,	 /* a line each on stdout */
	CHECKS_GATHERED, /* into an array, for checks_json() */
	CHECKS_LINES	 /* an object each on a line of stdout, for checks_take_line() */
};

struct checks {
	enum checks_form form;
	json_t *gathered;
	size_t failed;
};

void checks_init(struct checks *checks, enum checks_form form);
void checks_clear(struct checks *checks);

/* what: the thing checked, in few words; then what was found, and when it is wrong what to do.
 */
void checks_add(struct checks *checks, enum check_result result, const char *what,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Takes a line that another doctor has printed, which may be anything.  0, or -1 with EPROTO
 * when it is none. */
int checks_take_line(struct checks *checks, const char *line);

/* The array that was gathered, released by the caller. */
json_t *checks_json(struct checks *checks);

#endif
