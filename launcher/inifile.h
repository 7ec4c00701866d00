/* SPDX-License-Identifier: MIT */
/*
 * One INI file, strictly: libinih does the parsing, this adds what it passes over in silence
 * (cut lines, bytes that are no text, comments inside values, text behind a section's bracket).
 * Called by settings.c alone, as the user.
 */
#ifndef LAUNCHER_INIFILE_H
#define LAUNCHER_INIFILE_H

#include <stddef.h>

#include "common/reason.h"

/* Bytes of one value with its continuation lines, NUL included. */
enum { INIFILE_VALUE_MAX = 16384 };

struct inifile_place {
	const char *file;
	unsigned line; /* 1 and up; 0: the file as a whole */
};

/*
 * What a caller does with the parts.  Each returns 0, or -1 with a reason that begins with the
 * place (inifile_prefix), which ends the reading.
 */
struct inifile_handler {
	/* A section begins: the text between the brackets. */
	int (*section)(const struct inifile_place *place, const char *name, void *arg,
		       struct reason *reason);
	/*
	 * KEY = VALUE of the section begun last, "" before the first.  A value that goes on in
	 * lines which begin with white space has a newline before each; without those it is
	 * printable UTF-8 (text_printable).
	 */
	int (*entry)(const struct inifile_place *place, const char *key, const char *value,
		     void *arg, struct reason *reason);
};

/*
 * Reads the file, a regular one (links are followed) of at most max bytes.  0, or -1 with a
 * reason and errno: that of open or read, EINVAL for no regular file and for what the file
 * says, EFBIG.
 */
int inifile_read(const char *file, size_t max, const struct inifile_handler *handler, void *arg,
		 struct reason *reason);

/* Puts "FILE:LINE: " before the reason, a long path cut at its front.  Keeps errno, returns -1.
 */
int inifile_prefix(const struct inifile_place *place, struct reason *reason);

#endif
