/* SPDX-License-Identifier: MIT */
/* Unit test of launcher/sjupyter/progress.h, output.h and phases.h; run by `make check` as
 * whoever calls it. */
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/phases.h"
#include "launcher/sjupyter/progress.h"
#include "scratch.h"

static void test_fit(void)
{
	char fit[PROGRESS_TEXT_MAX], longest[3 * PROGRESS_TEXT_MAX];

	is_str(progress_fit("", 10, fit), "", "nothing");
	is_str(progress_fit("0123456789", 10, fit), "0123456789", "what just fits");
	is_str(progress_fit("0123456789a", 10, fit), "0123456...", "what does not");
	is_str(progress_fit("\303\251\303\251\303\251\303\251\303\251\303\251", 5, fit),
	       "\303\251\303\251...", "characters, not bytes");
	is_str(progress_fit("a\033[2J\r\nb", 40, fit), "a\\x1b[2J\\x0d\\x0ab",
	       "commands are escaped");
	is_str(progress_fit("\377\376", 40, fit), "\\xff\\xfe", "bytes that are no text");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	ok(strlen(progress_fit(longest, 100000, fit)) < sizeof(fit),
	   "no more than there is room");
}

/* What was written to the pipe so far. */
static const char *written(int fd)
{
	static char text[8192];
	ssize_t got = read(fd, text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = '\0';
	return text;
}

static void test_forms(void)
{
	struct progress progress;
	int fds[2];

	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
		bail_out("pipe");
	progress_init(&progress, fds[1]);
	ok(!progress.live, "a pipe is no terminal");
	progress_now(&progress, "waiting", "1 s");
	progress_now(&progress, "waiting", "2 s");
	progress_line(&progress, "a %s", "line");
	progress_now(&progress, "waiting", "3 s");
	progress_now(&progress, "going", "4 s");
	progress_clear(&progress);
	is_str(written(fds[0]), "waiting\na line\ngoing\n", "plain lines, only for changes");

	progress.live = true;
	progress_now(&progress, "waiting", "1 s");
	is_str(written(fds[0]), "\r\033[K1 s  waiting", "a live line");
	progress_line(&progress, "a line");
	is_str(written(fds[0]), "\r\033[Ka line\n", "makes room for one that stays");
	progress_clear(&progress);
	is_str(written(fds[0]), "", "nothing to erase");
	close(fds[0]);
	close(fds[1]);
}

static void test_spans(void)
{
	char text[OUTPUT_TIME_MAX];

	is_str(output_span(0.0612, text), "0.06 s", "less than a second");
	is_str(output_span(42.4, text), "42 s", "seconds");
	is_str(output_span(600, text), "10 min", "minutes");
	is_str(output_span(7200, text), "02:00:00", "hours");
	is_str(output_span(90061, text), "1-01:01:01", "days");
	is_str(output_span(-5, text), "0.00 s", "a clock that was put back");
	ok(strlen(output_span(1e300, text)) < sizeof(text), "beyond all bounds");
}

static void test_phases(void)
{
	struct session session = {.app = (char *) "lab", .node_count = 2};
	char words[PHASES_TEXT_MAX];
	unsigned told = 0;

	is_int(phases_next(&session, &told), PHASE_COUNT, "none yet");
	session.phases[PHASE_TRIGGERED] = 100;
	session.phases[PHASE_NODES] = 103;
	session.phases[PHASE_SPAWNED] = 102;
	is_int(phases_next(&session, &told), PHASE_TRIGGERED, "the first");
	is_int(phases_next(&session, &told), PHASE_SPAWNED, "in the order of time");
	is_int(phases_next(&session, &told), PHASE_NODES, "whatever their own order");
	is_int(phases_next(&session, &told), PHASE_COUNT, "each once");
	session.phases[PHASE_SERVING] = 104.5;
	is_int(phases_next(&session, &told), PHASE_SERVING, "and what came since");
	ok(phases_since_begin(&session, PHASE_SERVING) == 4.5, "counted from the first");
	is_str(phases_words(&session, PHASE_SERVING, words), "lab answers", "in words");
	is_str(phases_words(&session, PHASE_NODES, words), "agents of all 2 nodes are there",
	       "with numbers");
}

int main(void)
{
	test_fit();
	test_forms();
	test_spans();
	test_phases();
	return done_testing();
}
