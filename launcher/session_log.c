/* SPDX-License-Identifier: MIT */
/* See session_log.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/reason.h"
#include "launcher/session_log.h"

struct session_log {
	int dirfd;
	int level;
	long max_bytes;
};

struct session_log *session_log_create(int dirfd, int level, long max_bytes)
{
	struct session_log *log = malloc(sizeof(*log));

	if (log)
		*log = (struct session_log){dirfd, level, max_bytes};
	return log;
}

void session_log_destroy(struct session_log *log)
{
	free(log);
}

void session_log_bytes(struct session_log *log, const void *data, size_t size)
{
	struct stat status;

	if (!log)
		return;
	int fd = openat(log->dirfd, "session.log",
			O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
			0600);
	if (fd < 0)
		return;
	/* A log that cannot be written must not end a session that runs. */
	int lost = fd_write_all(fd, data, size);
	if (!lost && fstat(fd, &status) == 0 && status.st_size > log->max_bytes / 2)
		renameat(log->dirfd, "session.log", log->dirfd, "session.log.1");
	fd_close(&fd);
}

void session_log_line(struct session_log *log, int level, const char *who, const char *format,
		      ...)
{
	static const char *const names[] = {"error: ", "warning: ", "", "debug: "};
	struct reason safe;
	char text[REASON_MAX], line[REASON_MAX + 128], when[32];
	va_list arguments;

	if (!log || level > log->level)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	reason_set(&safe, "%s", text);
	time_t now = time(NULL);
	struct tm local;
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &local));
	int size = snprintf(line, sizeof(line), "%s %s: %s%s\n", when, who, names[level],
			    safe.text);
	session_log_bytes(log, line, (size_t) size);
}
