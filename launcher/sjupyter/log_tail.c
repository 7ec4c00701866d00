/* SPDX-License-Identifier: MIT */
/* See log_tail.h. */
#include "launcher/sjupyter/log_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/statedir.h"
#include "common/text.h"

enum {
	CHUNK = 65536,
	TAIL_MAX = 1 << 20 /* bytes of a tail that is shown unasked: lines may be long */
};

void log_printer_init(struct log_printer *printer, FILE *to, bool drop_colours)
{
	*printer = (struct log_printer){.to = to, .drop_colours = drop_colours};
}

/* How long the UTF-8 character is that begins with this byte; 1 for what is none. */
static size_t promised_size(unsigned char first)
{
	if (first >= 0xf0 && first < 0xf8)
		return 4;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	return first >= 0xc0 && first < 0xe0 ? 2 : 1;
}

/*
 * The bytes of an SGR sequence, ESC [ digits and ; m (ECMA-48), that text begins with; 0 when
 * it is something else, -1 when more is needed to tell.
 */
static int colour_size(const char *text, size_t size)
{
	size_t at = 2;

	if (text[0] != '\033' || (size > 1 && text[1] != '['))
		return 0;
	while (at < size && strchr("0123456789;:", text[at]) && text[at])
		at++;
	if (at < size)
		return text[at] == 'm' ? (int) at + 1 : 0;
	return at < sizeof(((struct log_printer *) NULL)->held) ? -1 : 0;
}

/* Prints the beginning of text; how many bytes that was, 0 when more is needed. */
static size_t print_one(struct log_printer *printer, const char *text, size_t size, bool is_all)
{
	char whole[5] = "";
	size_t promised = promised_size((unsigned char) text[0]);

	if (text[0] == '\n' || text[0] == '\t') {
		putc(text[0], printer->to);
		return 1;
	}
	if (printer->drop_colours && text[0] == '\033') {
		int colour = colour_size(text, size);
		if (colour > 0)
			return (size_t) colour;
		if (colour < 0 && !is_all)
			return 0;
	}
	if (promised > size && !is_all)
		return 0;
	memcpy(whole, text, promised < size ? promised : size);
	size_t valid = text_char_size(whole);
	if (valid == 0 || !whole[0]) {
		fprintf(printer->to, "\\x%02x", (unsigned char) text[0]);
		return 1;
	}
	fwrite(text, 1, valid, printer->to);
	return valid;
}

static void print_all(struct log_printer *printer, const char *data, size_t size, bool is_all)
{
	size_t at = 0;

	while (at < size) {
		size_t done = print_one(printer, data + at, size - at, is_all);
		if (done == 0)
			break;
		at += done;
	}
	/* print_one() never wants more than held takes. */
	printer->held_size = size - at;
	memmove(printer->held, data + at, printer->held_size);
}

void log_print(struct log_printer *printer, const char *data, size_t size)
{
	char joined[2 * sizeof(printer->held)];

	while (printer->held_size > 0 && size > 0) {
		/* What was held goes first, with as much of the new as completes it. */
		size_t held = printer->held_size;
		size_t more = sizeof(printer->held) < size ? sizeof(printer->held) : size;
		memcpy(joined, printer->held, held);
		memcpy(joined + held, data, more);
		printer->held_size = 0;
		size_t done = print_one(printer, joined, held + more, false);
		if (done == 0) {
			printer->held_size = held + more;
			memcpy(printer->held, joined, held + more);
			data += more;
			size -= more;
		} else if (done < held) {
			printer->held_size = held - done;
			memmove(printer->held, joined + done, held - done);
		} else {
			data += done - held;
			size -= done - held;
		}
	}
	if (size > 0)
		print_all(printer, data, size, false);
}

void log_print_end(struct log_printer *printer)
{
	char rest[sizeof(printer->held)];
	size_t size = printer->held_size;

	memcpy(rest, printer->held, size);
	printer->held_size = 0;
	print_all(printer, rest, size, true);
}

off_t log_find_tail(int fd, unsigned long count)
{
	char chunk[CHUNK];
	struct stat status;
	unsigned long seen = 0;

	if (fstat(fd, &status) < 0)
		return -1;
	if (count == 0)
		return status.st_size;
	/* The newline at the very end ends the last line, it does not begin another. */
	for (off_t end = status.st_size; end > 0;) {
		size_t size = end < CHUNK ? (size_t) end : CHUNK;
		ssize_t got = pread(fd, chunk, size, end - (off_t) size);
		if (got < 0 || (size_t) got < size)
			return got < 0 ? -1 : 0;
		for (size_t i = size; i-- > 0;) {
			off_t behind = end - (off_t) size + (off_t) i + 1;
			if (chunk[i] == '\n' && behind < status.st_size && ++seen == count)
				return behind;
		}
		end -= (off_t) size;
	}
	return 0;
}

static int64_t print_tail(int fd, unsigned long lines)
{
	struct log_printer printer;
	char chunk[CHUNK];
	struct stat status;
	off_t at = log_find_tail(fd, lines);
	int64_t printed = 0;

	if (at < 0 || fstat(fd, &status) < 0)
		return 0;
	if (status.st_size - at > TAIL_MAX)
		at = status.st_size - TAIL_MAX;
	log_printer_init(&printer, stderr, true);
	for (;;) {
		ssize_t got = pread(fd, chunk, sizeof(chunk), at);
		if (got <= 0 || printed > TAIL_MAX)
			break;
		log_print(&printer, chunk, (size_t) got);
		at += got;
		printed += got;
	}
	log_print_end(&printer);
	return printed;
}

static int open_regular(int dirfd, const char *name)
{
	struct stat status;
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0 &&
	    (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size == 0))
		fd_close(&fd);
	return fd;
}

static int64_t show(int fd, const char *path, unsigned long lines)
{
	char shown[4096];

	if (fd < 0)
		return 0;
	fprintf(stderr, "sjupyter: the end of %s:\n", text_excerpt(path, shown, sizeof(shown)));
	return print_tail(fd, lines);
}

int64_t log_tail_session(const char *job_id, unsigned long lines)
{
	int dir = statedir_open(job_id, 0, NULL);
	int fd = dir >= 0 ? open_regular(dir, "session.log") : -1;
	int64_t printed = show(fd, "the session's log", lines);

	fd_close(&fd);
	fd_close(&dir);
	return printed;
}

int64_t log_tail_file(const char *path, unsigned long lines)
{
	int fd = open_regular(AT_FDCWD, path);
	int64_t printed = show(fd, path, lines);

	fd_close(&fd);
	return printed;
}
