/* SPDX-License-Identifier: MIT */
/*
 * One INI file, strictly: see inifile.h.  Runs in jupyter-launch, jupyter-agent and sjupyter,
 * as the user.
 *
 * libinih asks for lines through a callback, so every line is looked at here before it is
 * handed over, and nothing depends on how the library was built: the length of its line buffer
 * is what it asks for, byte order mark, inline comments and over-long section names never reach
 * it.
 */
#include "launcher/inifile.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"

enum {
	KEY_MAX = 128,	  /* bytes of a key, NUL included */
	PATH_SHOWN = 256, /* bytes of the file's path in a reason, so that the rest has room */
	EXCERPT = 80
};

struct inifile {
	const struct inifile_handler *handler;
	void *arg;
	struct reason *reason;
	const char *at, *end;	    /* what is left of the file's bytes */
	struct inifile_place place; /* of the line handed over last */
	bool continued;		    /* whether that line continues a value */
	int failed;		    /* errno of the reason that is set, 0: none */
	/* The entry that the next line may still continue. */
	bool pending;
	unsigned pending_line;
	char key[KEY_MAX];
	size_t value_length;
	char value[INIFILE_VALUE_MAX];
};

int inifile_prefix(const struct inifile_place *place, struct reason *reason)
{
	size_t length = strlen(place->file);

	const char *dots = length > PATH_SHOWN ? "..." : "";
	const char *shown = place->file + (length > PATH_SHOWN ? length - PATH_SHOWN : 0);

	if (place->line == 0)
		return reason_prefix(reason, "%s%s", dots, shown);
	return reason_prefix(reason, "%s%s:%u", dots, shown, place->line);
}

/* Ends the reading with the reason that is set and has no place yet. */
static void fail_here(struct inifile *ini)
{
	inifile_prefix(&ini->place, ini->reason);
	ini->failed = EINVAL;
}

/* The same for a reason of the caller's, which has its place. */
static void fail_handler(struct inifile *ini)
{
	ini->failed = errno != 0 ? errno : EINVAL;
}

/* Hands the collected entry to the caller.  False when that failed. */
static bool entry_finish(struct inifile *ini)
{
	struct inifile_place place = {ini->place.file, ini->pending_line};

	if (!ini->pending)
		return true;
	ini->pending = false;
	errno = 0;
	if (ini->handler->entry(&place, ini->key, ini->value, ini->arg, ini->reason) == 0)
		return true;
	fail_handler(ini);
	return false;
}

/* Adds one line's text to the value, behind a newline where it continues one. */
static bool value_append(struct inifile *ini, const char *text)
{
	size_t room = sizeof(ini->value) - ini->value_length;
	int length;

	if (!text_printable(text)) {
		char shown[EXCERPT];

		reason_set(ini->reason, "\"%s\": not allowed here: give printable UTF-8 text",
			   text_excerpt(text, shown, sizeof(shown)));
		return false;
	}
	length = snprintf(ini->value + ini->value_length, room, "%s%s",
			  ini->continued ? "\n" : "", text);
	if (length < 0 || (size_t) length >= room) {
		reason_set(ini->reason, "a value of more than %zu bytes: give a shorter one",
			   sizeof(ini->value) - 1);
		return false;
	}
	ini->value_length += (size_t) length;
	return true;
}

/* libinih's handler: one KEY = VALUE, or one line that continues the one before. */
static int entry_line(void *arg, const char *section, const char *name, const char *value)
{
	struct inifile *ini = arg;

	(void) section; /* cut by libinih at 49 bytes; so is name on a continuation line */
	if (ini->failed != 0)
		return 0;
	if (!ini->continued) {
		ini->pending = true;
		ini->pending_line = ini->place.line;
		ini->value_length = 0;
		if (snprintf(ini->key, sizeof(ini->key), "%s", name) >=
			    (int) sizeof(ini->key) ||
		    !text_printable(name)) {
			char shown[EXCERPT];

			reason_set(ini->reason,
				   "\"%s\": not a key: give at most %zu printable bytes",
				   text_excerpt(name, shown, sizeof(shown)),
				   sizeof(ini->key) - 1);
			goto error;
		}
	}
	if (value_append(ini, value))
		return 1;

error:
	fail_here(ini);
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Checks "[NAME]" and tells the caller.  line has no white space at its ends. */
static bool section_line(struct inifile *ini, char *line, size_t length)
{
	if (line[length - 1] != ']' || strcspn(line + 1, "[]") != length - 2) {
		char shown[EXCERPT];

		reason_set(ini->reason,
			   "\"%s\": no section: give [NAME] and nothing else on the line",
			   text_excerpt(line, shown, sizeof(shown)));
		fail_here(ini);
		return false;
	}
	line[length - 1] = '\0';
	errno = 0;
	if (ini->handler->section(&ini->place, line + 1, ini->arg, ini->reason) != 0) {
		fail_handler(ini);
		return false;
	}
	line[length - 1] = ']';
	return true;
}

/* What is wrong with the bytes of a line, as a reason. */
static bool line_check(struct inifile *ini, const char *line, size_t length, size_t max)
{
	bool comment = true, blank = true;

	if (length > max) {
		reason_set(ini->reason,
			   "a line of %zu bytes: at most %zu are read: continue the value on "
			   "lines that begin with white space",
			   length, max);
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char) line[i];

		if ((byte < ' ' && byte != '\t') || byte == 0x7f) {
			reason_set(ini->reason,
				   "a byte 0x%02x: give text without control characters", byte);
			return false;
		}
		if (blank && !is_space(line[i])) {
			blank = false;
			comment = line[i] == ';' || line[i] == '#';
		}
		if (!comment && i > 0 && line[i] == ';' && is_space(line[i - 1])) {
			reason_set(
				ini->reason,
				"a \";\" behind a space begins a comment in an INI file: give "
				"comments lines of their own");
			return false;
		}
	}
	return true;
}

/* Looks at one whole line, NUL-terminated, before libinih does.  False when it is wrong. */
static bool line_look(struct inifile *ini, char *line, size_t length)
{
	char *first = line, shown[EXCERPT];

	ini->continued = false;
	while (length > 0 && is_space(line[length - 1]))
		line[--length] = '\0';
	while (is_space(*first))
		first++;
	if (*first == '\0' || *first == '#' || *first == ';')
		return true;
	if (first > line) {
		/* libinih takes any such line as a value's, be it "[NAME]" or "KEY = VALUE". */
		ini->continued = true;
		if (ini->pending)
			return true;
		reason_set(ini->reason,
			   "a line that begins with white space continues a value, and "
			   "there is none before it");
		fail_here(ini);
		return false;
	}
	if (!entry_finish(ini))
		return false;
	if (*line == '[')
		return section_line(ini, line, length);
	/* libinih takes a ":" too, and with it the wrong half of "env.A:B = C". */
	if (line[strcspn(line, "=:")] == '=')
		return true;
	reason_set(
		ini->reason,
		"\"%s\": not understood: give [SECTION], KEY = VALUE, or a comment that begins "
		"with \"#\"",
		text_excerpt(line, shown, sizeof(shown)));
	fail_here(ini);
	return false;
}

/* libinih's reader: the next line with its newline in buffer, or NULL at the end and after a
 * fault. */
static char *line_next(char *buffer, int size, void *arg)
{
	struct inifile *ini = arg;
	const char *line = ini->at, *newline;
	size_t length, max = size > 2 ? (size_t) size - 2 : 0;

	if (ini->failed != 0 || ini->at == ini->end)
		return NULL;
	newline = memchr(line, '\n', (size_t) (ini->end - line));
	length = (size_t) ((newline != NULL ? newline : ini->end) - line);
	ini->place.line++;
	ini->at = newline != NULL ? newline + 1 : ini->end;
	if (newline != NULL && length > 0 && line[length - 1] == '\r')
		length--;
	if (!line_check(ini, line, length, max)) {
		fail_here(ini);
		return NULL;
	}
	memcpy(buffer, line, length);
	buffer[length] = '\0';
	if (!line_look(ini, buffer, length))
		return NULL;
	return strcat(buffer, "\n");
}

static int file_open(const char *file, struct reason *reason)
{
	struct stat status;
	int fd;

	/* Without O_NONBLOCK a FIFO would hold us up for ever. */
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &status) != 0) {
		reason_set(reason, "cannot be read: %m");
		goto error;
	}
	if (!S_ISREG(status.st_mode)) {
		reason_set(reason, "not a regular file");
		errno = EINVAL;
		goto error;
	}
	return fd;

error:
	fd_close(&fd);
	return -1;
}

int inifile_read(const char *file, size_t max, const struct inifile_handler *handler, void *arg,
		 struct reason *reason)
{
	struct inifile *ini = NULL;
	char *data = NULL;
	size_t size;
	bool parsed = false; /* whether a reason has its place already */
	int fd, strange, result = -1, saved;

	fd = file_open(file, reason);
	if (fd < 0)
		goto done;
	if (fd_read_all(fd, max, &data, &size) != 0) {
		if (errno == EFBIG)
			reason_set(reason, "longer than %zu bytes", max);
		else
			reason_set(reason, "cannot be read: %m");
		goto done;
	}
	ini = calloc(1, sizeof(*ini));
	if (ini == NULL) {
		reason_set(reason, "cannot be read: %m");
		goto done;
	}
	ini->handler = handler;
	ini->arg = arg;
	ini->reason = reason;
	ini->place.file = file;
	ini->at = data;
	ini->end = data + size;
	if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
		ini->at += 3;
	strange = ini_parse_stream(line_next, ini, entry_line, ini);
	if (ini->failed == 0)
		entry_finish(ini);
	parsed = true;
	errno = ini->failed;
	if (errno == 0 && strange != 0) { /* all that it refuses was refused before */
		reason_set(reason, "not understood by libinih (%d)", strange);
		parsed = false;
		errno = EINVAL;
	}
	result = errno == 0 ? 0 : -1;

done:
	saved = errno;
	if (!parsed)
		inifile_prefix(&(struct inifile_place){file, 0}, reason);
	free(ini);
	free(data);
	fd_close(&fd);
	errno = saved;
	return result;
}
