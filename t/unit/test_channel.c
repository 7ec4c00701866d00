/* SPDX-License-Identifier: MIT */
/*
 * Tests of the line channel (launcher/workers/channel.h): whole and cut lines, hostile ones, a
 * side that dies, and one that does not read.  Run by `make check`, as anybody.
 */
#include "launcher/workers/channel.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tap.h"

static struct loop *loop;
static struct channel *channel;
static int theirs;
static bool destroys; /* the next callback does */
static struct {
	char lines[8192];
	int line_count, refused, closed;
	char why[128];
} seen;

static void act(void)
{
	if (!destroys)
		return;
	destroys = false;
	channel_destroy(channel);
	channel = NULL;
	loop_stop(loop);
}

static void on_line(char *line, void *arg)
{
	ok(arg == &seen, "a callback has its argument");
	seen.line_count++;
	snprintf(seen.lines + strlen(seen.lines), sizeof(seen.lines) - strlen(seen.lines),
		 "%s|", line);
	act();
}

static void on_refused(const char *why, void *arg)
{
	(void) arg;
	seen.refused++;
	snprintf(seen.why, sizeof(seen.why), "%s", why);
	act();
}

static void on_closed(void *arg)
{
	(void) arg;
	seen.closed++;
	if (destroys)
		act();
	else
		loop_stop(loop);
}

static void too_late(void *arg)
{
	(void) arg;
	bail_out("nothing happens");
}

/* Until the other side's end of file, or a callback that destroys. */
static void run(void)
{
	struct loop_timer *guard = loop_timer_create(loop, too_late, NULL);

	loop_timer_set(guard, 60000);
	loop_run(loop);
	loop_timer_destroy(guard);
}

static void start(void)
{
	struct channel_callbacks callbacks = {on_line, on_refused, on_closed, &seen};
	int ours;

	memset(&seen, 0, sizeof(seen));
	if (channel_pair(&ours, &theirs) < 0 ||
	    !(channel = channel_create(loop, ours, &callbacks)))
		bail_out("channel");
}

static void say(const char *data, size_t size)
{
	if (write(theirs, data, size) != (ssize_t) size)
		bail_out("write");
}

static void stop(void)
{
	close(theirs);
	run();
	channel_destroy(channel);
	channel = NULL;
}

static void test_lines(void)
{
	char longest[300];

	start();
	say("joined 0.1\nleft 0.1\n", 20);
	say("cut", 3);
	say(" in two\n", 8);
	say("no end", 6);
	stop();
	is_str(seen.lines, "joined 0.1|left 0.1|cut in two|", "lines come whole");
	is_int(seen.closed, 1, "then the end, once");
	is_int(seen.refused, 0, "and nothing was refused");

	start();
	memset(longest, 'x', sizeof(longest));
	longest[254] = '\n';
	say(longest, 255);
	memcpy(longest + 254, "x\n", 2);
	say(longest, 256);
	say("after\n", 6);
	stop();
	is_int(seen.line_count, 2, "a line may have 255 bytes with its end");
	ok(strlen(seen.lines) == 255 + 6 && strstr(seen.lines, "x|after|"),
	   "one that is longer is passed over as a whole");
	is_str(seen.why, "a line has over 255 bytes", "and told");

	static const char *const hostile[] = {
		"\n", "tab\there\n", "\x1b[31mred\n", "caf\xc3\xa9\n", "\x7f\n", "\r\n"};
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		start();
		say(hostile[i], strlen(hostile[i]));
		say("good\n", 5);
		stop();
		ok(seen.refused == 1 && !strcmp(seen.lines, "good|"),
		   "what is no line is refused (%zu)", i);
	}
	start();
	say("nul\0here\nx\n", 11);
	stop();
	ok(seen.refused == 1 && !strcmp(seen.lines, "x|"), "so is a NUL");
}

/* More than is taken in one round, all of one line. */
static void test_endless(void)
{
	char *much = malloc(100000);

	if (!much)
		bail_out("malloc");
	memset(much, 'y', 100000);
	much[99999] = '\n';
	start();
	say(much, 100000);
	say("end\n", 4);
	stop();
	ok(seen.refused == 1 && !strcmp(seen.lines, "end|"), "an endless line costs no memory");
	free(much);
}

static void test_destroy(void)
{
	start();
	destroys = true;
	say("one\ntwo\n", 8);
	run();
	is_str(seen.lines, "one|", "a callback for a line may destroy the channel");
	is_int(write(theirs, "x", 1) < 0 ? errno : 0, EPIPE, "which closes it");
	close(theirs);

	start();
	destroys = true;
	say("\ntwo\n", 5);
	run();
	ok(seen.refused == 1 && seen.line_count == 0, "one for a refusal too");
	close(theirs);

	start();
	destroys = true;
	close(theirs);
	run();
	is_int(seen.closed, 1, "one for the end too");

	errno = EMFILE;
	channel_destroy(NULL);
	is_int(errno, EMFILE, "none is none");
}

static void test_say(void)
{
	char data[64], line[300];

	start();
	is_int(channel_say(channel, "expect 12"), 0, "a line is sent");
	is_int(read(theirs, data, sizeof(data)), 10, "as it is");
	ok(!memcmp(data, "expect 12\n", 10), "with its end");
	fails_with(channel_say(channel, ""), EINVAL, "an empty one is none");
	fails_with(channel_say(channel, "two\nlines"), EINVAL, "nor are two");
	fails_with(channel_say(channel, "caf\xc3\xa9"), EINVAL, "nor what is not ASCII");
	memset(line, 'x', sizeof(line));
	line[255] = '\0';
	fails_with(channel_say(channel, line), EINVAL, "nor what is too long");
	line[254] = '\0';
	is_int(channel_say(channel, line), 0, "254 bytes are not");

	/* Nobody reads: it must neither wait nor lose a part of a line. */
	int sent = 1;
	errno = 0;
	while (channel_say(channel, line) == 0 && sent < 1000000)
		sent++;
	is_int(errno, EAGAIN, "one that does not read is not waited for");
	long got = 0;
	ssize_t size;
	char *much = malloc(65536);
	while ((size = recv(theirs, much, 65536, MSG_DONTWAIT)) > 0)
		got += size;
	free(much);
	is_int(got, 255L * sent, "what was taken (%d lines) was taken whole", sent);
	is_int(channel_say(channel, "again"), 0, "and when it reads there is room");
	close(theirs);
	fails_with(channel_say(channel, "x"), EPIPE, "to a side that is gone nothing is said");
	run();
	fails_with(channel_say(channel, "x"), EPIPE, "also once that is known");
	channel_destroy(channel);
	channel = NULL;
	fails_with(channel_say(NULL, "x"), EPIPE, "nor to none");
}

static void test_drain(void)
{
	start();
	say("a\nb\n", 4);
	close(theirs);
	channel_drain(channel);
	is_str(seen.lines, "a|b|", "last words are taken without the loop");
	is_int(seen.closed, 1, "and the end");
	channel_drain(channel);
	is_int(seen.closed, 1, "once");
	loop_stop(loop);
	channel_destroy(channel);

	start();
	say("a\n", 2);
	channel_drain(channel);
	ok(!strcmp(seen.lines, "a|") && !seen.closed, "a side that lives is not waited for");
	destroys = true;
	say("b\nc\n", 4);
	channel_drain(channel);
	is_str(seen.lines, "a|b|", "a callback may destroy it meanwhile");
	close(theirs);
	loop_stop(loop);
}

static void test_flags(void)
{
	int ours, other;

	if (channel_pair(&ours, &other) < 0)
		bail_out("channel_pair");
	ok((fcntl(ours, F_GETFD) & FD_CLOEXEC) && (fcntl(other, F_GETFD) & FD_CLOEXEC),
	   "no other program gets either end");
	ok(!(fcntl(other, F_GETFL) & O_NONBLOCK), "and theirs blocks, as a program expects");
	close(ours);
	close(other);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	loop = loop_create();
	if (!loop)
		bail_out("loop_create");
	test_lines();
	test_endless();
	test_destroy();
	test_say();
	test_drain();
	test_flags();
	loop_destroy(loop);
	return done_testing();
}
