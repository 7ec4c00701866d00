/* SPDX-License-Identifier: MIT */
/*
 * sjupyter log: what the session has logged.  As the user.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/interrupt.h"
#include "launcher/sjupyter/log_tail.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/target.h"
#include "launcher/sjupyter/watch.h"

static const char help[] =
	"usage: sjupyter log [JOBID] [-f] [-n LINES]\n"
	"\n"
	"Prints the session's log: what the launcher, the head and the server have said.\n"
	"Control characters are escaped.\n"
	"\n"
	"  -f, --follow       go on as the log grows, until the session has ended\n"
	"  -n, --lines=LINES  only the last so many\n"
	"  --help             this\n";

enum {
	CHUNK = 65536,
	PAUSE_MS = 1000, /* a log that another host writes is looked at so often */
	LINES_MAX = 1000000000
};

struct log {
	struct target target;
	struct log_printer printer;
	int fd; /* of session.log; -1 while there is none */
	off_t at;
	int notify_fd;
	struct watch *watch;
};

static int open_log(const struct log *log, const char *name)
{
	struct stat status;
	int fd = openat(log->target.state_fd, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0 && (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))) {
		fd_close(&fd);
		errno = EINVAL;
	}
	return fd;
}

/* Prints from *at to the end as it is now.  0 or -1 with errno. */
static int print_rest(struct log *log, int fd, off_t *at)
{
	char chunk[CHUNK];

	for (;;) {
		ssize_t got = pread(fd, chunk, sizeof(chunk), *at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int) got;
		log_print(&log->printer, chunk, (size_t) got);
		*at += got;
		if (ferror(stdout) || interrupt_signal())
			return 0;
	}
}

static unsigned long count_lines(int fd)
{
	char chunk[CHUNK];
	unsigned long count = 0;
	ssize_t got;

	for (off_t at = 0; (got = pread(fd, chunk, sizeof(chunk), at)) > 0; at += got)
		for (ssize_t i = 0; i < got; i++)
			count += chunk[i] == '\n';
	return count;
}

/* What is there now: the older file, then the current one. */
static int print_now(struct log *log, bool tail, unsigned long lines)
{
	int older = open_log(log, "session.log.1"), rc = 0;
	off_t at = 0;

	log->fd = open_log(log, "session.log");
	if (tail && log->fd >= 0) {
		unsigned long here = count_lines(log->fd);
		log->at = log_find_tail(log->fd, lines);
		lines = here < lines ? lines - here : 0;
	}
	if (older >= 0) {
		if (tail)
			at = log_find_tail(older, lines);
		rc = at < 0 ? -1 : print_rest(log, older, &at);
	}
	if (log->fd >= 0 && rc == 0)
		rc = log->at < 0 ? -1 : print_rest(log, log->fd, &log->at);
	fd_close(&older);
	return rc;
}

/* Another file has the name by now, or it has become shorter. */
static bool is_replaced(const struct log *log, int now)
{
	struct stat ours, theirs;

	return fstat(now, &theirs) < 0 || log->fd < 0 || fstat(log->fd, &ours) < 0 ||
	       ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev ||
	       ours.st_size < log->at;
}

static int print_more(struct log *log)
{
	int now = open_log(log, "session.log");

	/* What the old one has got until it was renamed comes first. */
	if (log->fd >= 0 && print_rest(log, log->fd, &log->at) < 0) {
		fd_close(&now);
		return -1;
	}
	if (now >= 0 && is_replaced(log, now)) {
		fd_close(&log->fd);
		log->fd = now;
		log->at = 0;
		return print_rest(log, log->fd, &log->at);
	}
	fd_close(&now);
	return 0;
}

static void pause_until_change(const struct log *log)
{
	char events[4096];
	struct pollfd change = {.fd = log->notify_fd, .events = POLLIN};

	(void) interrupt_poll(&change, 1, PAUSE_MS);
	while (log->notify_fd >= 0 && read(log->notify_fd, events, sizeof(events)) > 0)
		;
}

static int follow(struct log *log)
{
	struct watch_filter any = {.restart = -1};
	char path[64];

	log->watch = watch_create(log->target.job_id, &any);
	if (!log->watch)
		return -1;
	log->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", log->target.state_fd);
	if (log->notify_fd >= 0)
		(void) inotify_add_watch(log->notify_fd, path,
					 IN_MODIFY | IN_CREATE | IN_MOVED_TO);
	for (;;) {
		/* First the state, then the log: what was logged before the end is all there.
		 */
		(void) watch_check(log->watch, NULL);
		const struct session *session = watch_session(log->watch);
		bool is_over = session && session_state_final(session->state);

		if (print_more(log) < 0)
			return -1;
		if (fflush(stdout) != 0 || is_over || interrupt_signal())
			return 0;
		pause_until_change(log);
	}
}

static int print(struct log *log, bool tail, unsigned long lines, bool go_on)
{
	int rc;

	log_printer_init(&log->printer, stdout, isatty(STDOUT_FILENO));
	if (go_on)
		interrupt_catch();
	rc = print_now(log, tail, lines);
	if (rc == 0 && log->fd < 0 && !go_on)
		output_error("the session of job %s has logged nothing", log->target.job_id);
	if (rc == 0 && go_on)
		rc = follow(log);
	log_print_end(&log->printer);
	if (rc < 0)
		output_error("the log of job %s: %s", log->target.job_id, strerror(errno));
	return rc < 0 ? COMMAND_FAILED : COMMAND_OK;
}

static int run(int argc, char *argv[], const char *config)
{
	static const struct option words[] = {{"follow", no_argument, NULL, 'f'},
					      {"lines", required_argument, NULL, 'n'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct log log = {.fd = -1, .notify_fd = -1};
	unsigned long lines = 0;
	bool go_on = false, tail = false;
	struct reason reason;
	const char *id = NULL;
	int word, code;

	(void) config;
	while ((word = getopt_long(argc, argv, "fn:h", words, NULL)) != -1) {
		switch (word) {
		case 'f':
			go_on = true;
			break;
		case 'n':
			tail = true;
			if (text_to_ulong(optarg, 0, LINES_MAX, &lines) < 0)
				return command_wrong(&command_log, "-n %s: 0 to %d are allowed",
						     optarg, LINES_MAX);
			break;
		case 'h':
			return command_help(&command_log);
		default:
			return command_unknown(&command_log);
		}
	}
	code = command_take_id(&command_log, argc, argv, &id);
	if (code != COMMAND_OK)
		return code;
	if (target_find(id, &log.target, &reason) < 0) {
		code = command_exit_code(errno);
		output_error("%s", reason.text);
		return code;
	}
	code = print(&log, tail, lines, go_on);
	watch_destroy(log.watch);
	fd_close(&log.notify_fd);
	fd_close(&log.fd);
	target_clear(&log.target);
	return code;
}

const struct command command_log = {"log", "what a session has logged", help, run};
