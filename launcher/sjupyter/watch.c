/* SPDX-License-Identifier: MIT */
/* See watch.h. */
#include "launcher/sjupyter/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/statedir.h"
#include "common/text.h"
#include "launcher/loop.h"

enum {
	PAUSE_BLIND_MS = 250, /* nothing that could be watched exists yet */
	PAUSE_MS = 1000,
	PAUSE_QUIET_MS = 2000,
	QUIET_AFTER_MS = 60000
};

/* By which the file is known to be the one that was read. */
struct mark {
	dev_t device;
	ino_t inode;
	struct timespec modified;
	off_t size;
};

struct watch {
	char *job_id;
	struct watch_filter filter;
	int state_fd;
	int notify_fd;
	int base_watch; /* of the directory above, until there is ours; -1 none */
	int dir_watch;
	struct mark mark;
	bool marked;
	struct session *session;
	int64_t changed_ms; /* loop_now() */
};

int watch_filter_match(const struct watch_filter *filter, const struct session *session)
{
	if (filter->restart >= 0 && (unsigned long) filter->restart != session->restart)
		return 0;
	return session->phases[PHASE_TRIGGERED] >= filter->not_before;
}

void watch_filter_own(struct watch_filter *filter)
{
	const char *text = getenv("SLURM_RESTART_COUNT");
	unsigned long restart = 0;

	/* Slurm sets it from the second run on. */
	if (text)
		(void) text_to_ulong(text, 0, 1 << 30, &restart);
	*filter = (struct watch_filter){.restart = (long) restart};
}

struct watch *watch_create(const char *job_id, const struct watch_filter *filter)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->filter = *filter;
	watch->state_fd = watch->base_watch = watch->dir_watch = -1;
	watch->changed_ms = loop_now();
	/* Without inotify there is still looking again. */
	watch->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if ((watch->job_id = strdup(job_id)))
		return watch;
	watch_destroy(watch);
	return NULL;
}

void watch_destroy(struct watch *watch)
{
	int error = errno;

	if (!watch)
		return;
	fd_close(&watch->state_fd);
	fd_close(&watch->notify_fd);
	session_destroy(watch->session);
	free(watch->job_id);
	free(watch);
	errno = error;
}

int watch_fd(const struct watch *watch)
{
	return watch->base_watch >= 0 || watch->dir_watch >= 0 ? watch->notify_fd : -1;
}

const struct session *watch_session(const struct watch *watch)
{
	return watch->session;
}

struct session *watch_take(struct watch *watch)
{
	struct session *session = watch->session;

	watch->session = NULL;
	return session;
}

int watch_state_fd(const struct watch *watch)
{
	return watch->state_fd;
}

int64_t watch_pause(const struct watch *watch)
{
	if (watch_fd(watch) < 0)
		return PAUSE_BLIND_MS;
	return loop_now() - watch->changed_ms < QUIET_AFTER_MS ? PAUSE_MS : PAUSE_QUIET_MS;
}

/* Until the session's directory is there, the one in which it will be made. */
static void watch_base(struct watch *watch)
{
	char *base = watch->base_watch < 0 ? statedir_base(NULL) : NULL;

	if (base && watch->notify_fd >= 0)
		watch->base_watch = inotify_add_watch(watch->notify_fd, base,
						      IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
	free(base);
}

/* 0 when the session's directory is open, else -1 with ENOENT or worse. */
static int open_dir(struct watch *watch, struct reason *reason)
{
	char path[64];

	if (watch->state_fd >= 0)
		return 0;
	/* Watched first, so that what is made after the look is not missed. */
	watch_base(watch);
	watch->state_fd = statedir_open(watch->job_id, 0, reason);
	if (watch->state_fd < 0)
		return -1;
	if (watch->base_watch >= 0)
		inotify_rm_watch(watch->notify_fd, watch->base_watch);
	watch->base_watch = -1;
	/* The directory that was checked, whatever its name means by now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", watch->state_fd);
	if (watch->notify_fd >= 0)
		watch->dir_watch =
			inotify_add_watch(watch->notify_fd, path, IN_MOVED_TO | IN_CLOSE_WRITE);
	return 0;
}

/* To be opened anew at the next look. */
static void close_dir(struct watch *watch)
{
	if (watch->dir_watch >= 0)
		inotify_rm_watch(watch->notify_fd, watch->dir_watch);
	watch->dir_watch = -1;
	fd_close(&watch->state_fd);
}

static void forget_events(const struct watch *watch)
{
	char events[4096];

	while (watch->notify_fd >= 0 && read(watch->notify_fd, events, sizeof(events)) > 0)
		;
}

/* Opened rather than only looked up: that is when a network file system asks its server. */
static int take_mark(const struct watch *watch, struct mark *mark)
{
	struct stat status;
	int fd = openat(watch->state_fd, "session.json",
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : fstat(fd, &status);

	fd_close(&fd);
	if (rc == 0)
		*mark = (struct mark){.device = status.st_dev,
				      .inode = status.st_ino,
				      .modified = status.st_mtim,
				      .size = status.st_size};
	return rc;
}

static bool same_mark(const struct mark *a, const struct mark *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec;
}

int watch_check(struct watch *watch, struct reason *reason)
{
	struct session *session = NULL;
	struct mark mark = {0};

	forget_events(watch);
	if (open_dir(watch, reason) < 0)
		return errno == ENOENT ? 0 : -1;
	bool is_known = take_mark(watch, &mark) == 0;
	if (is_known && watch->marked && same_mark(&mark, &watch->mark))
		return 0;
	if (session_read(watch->state_fd, &session, reason) < 0) {
		/* A network file system's way to say that it was replaced just now. */
		if (errno == ESTALE)
			close_dir(watch);
		return errno == ENOENT || errno == ESTALE ? 0 : -1;
	}
	watch->marked = is_known;
	watch->mark = mark;
	if (!watch_filter_match(&watch->filter, session)) {
		session_destroy(session);
		return 0;
	}
	session_destroy(watch->session);
	watch->session = session;
	watch->changed_ms = loop_now();
	return 1;
}
