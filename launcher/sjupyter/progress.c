/* SPDX-License-Identifier: MIT */
/* See progress.h. */
#include "launcher/sjupyter/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"

enum { COLUMNS_DEFAULT = 80, COLUMNS_LEAST = 20, DOTS = 3 };

/* Begin of the line and "erase to its end", ECMA-48's EL: every terminal but a dumb one. */
#define ERASE "\r\033[K"

void progress_init(struct progress *progress, int fd)
{
	const char *terminal = getenv("TERM");

	*progress = (struct progress){
		.fd = fd, .live = isatty(fd) && terminal && strcmp(terminal, "dumb") != 0};
}

static size_t columns(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS_DEFAULT;
	return size.ws_col < COLUMNS_LEAST ? COLUMNS_LEAST : size.ws_col;
}

const char *progress_fit(const char *text, size_t columns_max, char buffer[PROGRESS_TEXT_MAX])
{
	size_t count = 0, cut = 0, used = 0;

	text_excerpt(text, buffer, PROGRESS_TEXT_MAX);
	while (buffer[used] && count < columns_max) {
		size_t size = text_char_size(buffer + used);
		used += size ? size : 1;
		count++;
		if (count + DOTS <= columns_max)
			cut = used;
	}
	if (buffer[used])
		memcpy(buffer + cut, "...", DOTS + 1);
	return buffer;
}

/* Whatever becomes of it: progress that cannot be shown stops nothing. */
static void put(const struct progress *progress, const char *before, const char *text,
		const char *after)
{
	char line[PROGRESS_TEXT_MAX + 32];
	int size = snprintf(line, sizeof(line), "%s%s%s", before, text, after);

	if (size > 0)
		(void) !fd_write_all(progress->fd, line,
				     (size_t) size < sizeof(line) ? (size_t) size
								  : sizeof(line) - 1);
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		put(progress, ERASE, "", "");
	progress->shown = false;
}

void progress_now(struct progress *progress, const char *what, const char *elapsed)
{
	char whole[PROGRESS_TEXT_MAX], shown[PROGRESS_TEXT_MAX];

	if (progress->live) {
		/* What moves comes first: the rest may have to be cut. */
		snprintf(whole, sizeof(whole), "%s%s%s", elapsed, *elapsed ? "  " : "", what);
		/* One column less: a terminal may wrap when the last is written. */
		put(progress, ERASE, progress_fit(whole, columns(progress->fd) - 1, shown), "");
		progress->shown = true;
		return;
	}
	text_excerpt(what, shown, sizeof(shown));
	if (strcmp(shown, progress->last) != 0)
		put(progress, "", shown, "\n");
	strcpy(progress->last, shown);
}

void progress_line(struct progress *progress, const char *format, ...)
{
	char text[PROGRESS_TEXT_MAX], shown[PROGRESS_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	progress_clear(progress);
	put(progress, "", text_excerpt(text, shown, sizeof(shown)), "\n");
}
