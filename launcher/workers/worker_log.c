/* SPDX-License-Identifier: MIT */
/* See worker_log.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/workers/worker_log.h"

enum {
	PIECE = 65536,	  /* bytes read in one round: what a pipe holds */
	CLOSE_PIECES = 16 /* of a process that has ended: its children may write on */
};

struct worker_log {
	int dirfd, fd; /* of the pipe */
	struct loop_fd *watch;
	char name[WORKER_LOG_NAME_MAX + 4];	/* "3.log" */
	char old_name[WORKER_LOG_NAME_MAX + 6]; /* "3.log.1" */
	size_t used;				/* bytes of the file */
	size_t written;				/* by the latest process */
};

struct worker_log *worker_log_create(int dirfd, const char *name)
{
	struct worker_log *log = calloc(1, sizeof(*log));

	if (!log)
		return NULL;
	log->dirfd = dirfd;
	log->fd = -1;
	snprintf(log->name, sizeof(log->name), "%.*s.log", WORKER_LOG_NAME_MAX - 1, name);
	snprintf(log->old_name, sizeof(log->old_name), "%s.1", log->name);
	/* One of an earlier worker of this index is continued. */
	struct stat status;
	if (fstatat(dirfd, log->name, &status, AT_SYMLINK_NOFOLLOW) == 0)
		log->used = (size_t) status.st_size;
	return log;
}

static void close_pipe(struct worker_log *log)
{
	loop_fd_remove(log->watch);
	log->watch = NULL;
	fd_close(&log->fd);
}

void worker_log_destroy(struct worker_log *log)
{
	int saved = errno;

	if (!log)
		return;
	close_pipe(log);
	free(log);
	errno = saved;
}

static int open_file(const struct worker_log *log)
{
	return openat(log->dirfd, log->name,
		      O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		      0600);
}

static void append(struct worker_log *log, const char *data, size_t size)
{
	int fd = open_file(log);
	struct stat status;

	/* A full disk may take a part; another may have removed the file. */
	if (fd >= 0 && fd_write_all(fd, data, size) == 0)
		log->written += size;
	if (fd >= 0 && fstat(fd, &status) == 0)
		log->used = (size_t) status.st_size;
	fd_close(&fd);
}

void worker_log_write(struct worker_log *log, const void *data, size_t size)
{
	const char *next = data;

	while (size > 0) {
		if (log->used >= WORKER_LOG_MAX) {
			/* Without a place to move it, it is written over. */
			if (renameat(log->dirfd, log->name, log->dirfd, log->old_name) < 0)
				(void) unlinkat(log->dirfd, log->name, 0);
			log->used = 0;
		}
		size_t room = WORKER_LOG_MAX - log->used;
		size_t piece = size < room ? size : room;
		append(log, next, piece);
		next += piece;
		size -= piece;
	}
}

/* Reads once; 0 when there may be more. */
static int read_piece(struct worker_log *log)
{
	static char data[PIECE]; /* one process, one thread: no need for many */
	ssize_t got = read(log->fd, data, sizeof(data));

	if (got > 0)
		worker_log_write(log, data, (size_t) got);
	if (got > 0 || (got < 0 && errno == EINTR))
		return 0;
	if (got == 0)
		errno = 0;
	return -1;
}

static void on_output(uint32_t events, void *arg)
{
	struct worker_log *log = arg;

	(void) events;
	if (read_piece(log) < 0 && errno != EAGAIN)
		close_pipe(log);
}

int worker_log_open(struct worker_log *log, struct loop *loop, int *fd)
{
	int ends[2];

	close_pipe(log);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	log->fd = ends[0];
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ||
	    !(log->watch = loop_fd_add(loop, ends[0], EPOLLIN, on_output, log))) {
		int saved = errno;
		close_pipe(log);
		close(ends[1]);
		errno = saved;
		return -1;
	}
	log->written = 0;
	*fd = ends[1];
	return 0;
}

void worker_log_close(struct worker_log *log)
{
	for (int i = 0; i < CLOSE_PIECES && log->watch && read_piece(log) == 0; i++)
		;
	close_pipe(log);
}

/* The last size bytes of the file; how many there are. */
static size_t read_end(const struct worker_log *log, const char *name, char *data, size_t size)
{
	int fd = openat(log->dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t got = 0;

	if (end > 0) {
		size_t wanted = (size_t) end < size ? (size_t) end : size;
		got = pread(fd, data, wanted, end - (off_t) wanted);
	}
	fd_close(&fd);
	return got > 0 ? (size_t) got : 0;
}

const char *worker_log_tail(const struct worker_log *log, char *text, size_t size)
{
	/* One byte more than there is room for tells whether a line begins there. */
	size_t wanted = log->written < size ? log->written : size;
	char *data = malloc(wanted + 1);
	size_t used = 0, begin = 0;

	text[0] = '\0';
	if (!data)
		return text;
	/* What the file has not, the one before it has: first the end, then what precedes it.
	 */
	if (log->used < wanted)
		used = read_end(log, log->old_name, data, wanted - log->used);
	used += read_end(log, log->name, data + used, wanted - used);
	for (size_t i = 0; i < used; i++) {
		if (data[i] == '\0' || data[i] == '\r')
			data[i] = '\n';
		else if (data[i] == '\t')
			data[i] = ' ';
	}
	if (used == size) {
		const char *line = memchr(data, '\n', used);
		/* One endless line is better than nothing. */
		begin = line && line + 1 < data + used ? (size_t) (line + 1 - data) : 1;
	}
	memcpy(text, data + begin, used - begin);
	text[used - begin] = '\0';
	free(data);
	return text;
}
