/* SPDX-License-Identifier: MIT */
/*
 * Tests of the lines between the head and jupyter-launch (launcher/rendezvous.h): whole, cut,
 * too long, and not ours at all.  Run by `make check`, as anybody.
 */
#include "launcher/rendezvous.h"

#include <fcntl.h>
#include <unistd.h>

#include "tap.h"

#define KEY	 "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define ENDPOINT "tcp://[2001:db8::1]:65535"

/* What the reader has called back with. */
static struct {
	int count;
	size_t longest;
	char last[RENDEZVOUS_LINE_MAX];
} lines;

static void line_comes(char *line, void *arg)
{
	(void) arg;
	lines.count++;
	if (strlen(line) > lines.longest)
		lines.longest = strlen(line);
	if (strlen(line) >= sizeof(lines.last))
		bail_out("a line longer than its buffer");
	strcpy(lines.last, line);
}

static int ends[2];
static struct rendezvous_reader reader;

static void begin(void)
{
	memset(&reader, 0, sizeof(reader));
	memset(&lines, 0, sizeof(lines));
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		bail_out("pipe2");
}

static void finish(void)
{
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
}

static void feed(const void *data, size_t size)
{
	if (write(ends[1], data, size) != (ssize_t) size)
		bail_out("write");
	while (rendezvous_read(&reader, ends[0], line_comes, NULL) > 0)
		;
}

static void feed_text(const char *text)
{
	feed(text, strlen(text));
}

static void test_parse(void)
{
	static const char *const wrong[] = {
		"",
		"say",
		"Say hello",
		" say hello",
		"endpoint",
		"endpoint ",
		"endpoint " ENDPOINT,
		"endpoint " ENDPOINT " ",
		"endpoint " ENDPOINT " short",
		"endpoint " ENDPOINT " " KEY "x",
		"endpoint " ENDPOINT " " KEY " ",
		"endpoint " ENDPOINT " " KEY " more",
		"endpoint " ENDPOINT " " KEY "\r",
		"endpoint  " ENDPOINT " " KEY,
		"endpoint " ENDPOINT "  " KEY,
		"endpoint\t" ENDPOINT " " KEY,
		"endpoint " ENDPOINT "\n" KEY,
		"endpoint" ENDPOINT " " KEY,
		"endpoint ipc:///tmp/socket " KEY,
		"endpoint inproc://x " KEY,
		"endpoint tcp:/1.2.3.4:5 " KEY,
		"endpoint TCP://1.2.3.4:5 " KEY,
		"endpoint " KEY " " ENDPOINT,
		"endpoint tcp://%n%n%s " KEY "%n",
		"endpoint tcp://1.2.3.4:5\x80 " KEY,
		"endpoint tcp://1.2.3.4:5 rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf\x1b",
		"tree",
		"tree ",
		"tree 1",
		"tree -2",
		"tree  2",
		"tree 2 ",
		"tree 2\r",
		"tree 0x10",
		"tree 02",
		"branch 03 " ENDPOINT " " KEY,
		"tree 65537",
		"tree 99999999999999999999",
		"branch",
		"branch " ENDPOINT " " KEY,
		"branch 3 " ENDPOINT,
		"branch 3" ENDPOINT " " KEY,
		"branch  3 " ENDPOINT " " KEY,
		"branch 3  " ENDPOINT " " KEY,
		"branch 0 " ENDPOINT " " KEY,
		"branch 65536 " ENDPOINT " " KEY,
		"branch 100000 " ENDPOINT " " KEY,
		"branch -3 " ENDPOINT " " KEY,
		"branch +3 " ENDPOINT " " KEY,
		"branch 3 ipc:///tmp/socket " KEY,
		"branch 3 " ENDPOINT " " KEY " ",
	};
	struct rendezvous message, before;

	is_int(rendezvous_parse("say hello, you", &message), 0, "words");
	ok(message.kind == RENDEZVOUS_SAY && !strcmp(message.text, "hello, you"),
	   "are taken as they are");
	is_int(rendezvous_parse("say ", &message), 0, "no words");
	is_str(message.text, "", "are none");
	is_int(rendezvous_parse("endpoint " ENDPOINT " " KEY, &message), 0, "an endpoint");
	ok(message.kind == RENDEZVOUS_ENDPOINT && !strcmp(message.endpoint, ENDPOINT) &&
		   !strcmp(message.key, KEY),
	   "is taken");
	is_int(rendezvous_parse("tree 100", &message), 0, "a tree");
	ok(message.kind == RENDEZVOUS_TREE && message.span == 100, "and its span");
	is_int(rendezvous_parse("branch 65535 " ENDPOINT " " KEY, &message), 0, "a branch");
	ok(message.kind == RENDEZVOUS_BRANCH && message.rank == 65535 &&
		   !strcmp(message.endpoint, ENDPOINT) && !strcmp(message.key, KEY),
	   "its rank, and where it is");
	memset(&message, 33, sizeof(message));
	before = message;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		fails_with(rendezvous_parse(wrong[i], &message), EPROTO, "wrong line %zu", i);
		ok(!memcmp(&message, &before, sizeof(message)), "leaves the message");
	}

	char line[2 * RENDEZVOUS_LINE_MAX], *end;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	fails_with(rendezvous_parse(line, &message), EPROTO, "8 kB of nothing");
	memcpy(line, "say ", 4);
	fails_with(rendezvous_parse(line, &message), EPROTO, "8 kB of words");
	line[RENDEZVOUS_LINE_MAX - 1] = '\0';
	is_int(rendezvous_parse(line, &message), 0, "the longest line");
	is_int(strlen(message.text), RENDEZVOUS_LINE_MAX - 1 - 4, "is taken whole");

	memcpy(line, "endpoint tcp://", 15);
	memset(line + 15, '1', sizeof(line) - 15);
	end = line + 9 + CONTROL_ENDPOINT_MAX - 1;
	strcpy(end, " " KEY);
	is_int(rendezvous_parse(line, &message), 0, "the longest endpoint");
	is_int(strlen(message.endpoint), CONTROL_ENDPOINT_MAX - 1, "is taken whole");
	strcpy(end, "1 " KEY);
	fails_with(rendezvous_parse(line, &message), EPROTO, "not one byte more");
}

static void test_send(void)
{
	struct rendezvous message;
	char text[2 * RENDEZVOUS_LINE_MAX];

	begin();
	is_int(rendezvous_send_endpoint(ends[1], ENDPOINT, KEY), 0, "an endpoint is sent");
	feed_text("");
	is_int(lines.count, 1, "as one line");
	ok(rendezvous_parse(lines.last, &message) == 0 && !strcmp(message.endpoint, ENDPOINT),
	   "that is understood");
	is_int(rendezvous_send_tree(ends[1], 17), 0, "a tree is sent");
	feed_text("");
	ok(rendezvous_parse(lines.last, &message) == 0 && message.kind == RENDEZVOUS_TREE &&
		   message.span == 17,
	   "and understood");
	is_int(rendezvous_send_branch(ends[1], 34, ENDPOINT, KEY), 0, "a branch is sent");
	feed_text("");
	ok(rendezvous_parse(lines.last, &message) == 0 && message.kind == RENDEZVOUS_BRANCH &&
		   message.rank == 34 && !strcmp(message.endpoint, ENDPOINT),
	   "and understood");
	lines.count = 1;
	is_int(rendezvous_say(ends[1], "two\nlines\x1b[2J"), 0, "words are sent");
	feed_text("");
	is_int(lines.count, 2, "as one line, whatever is in them");
	is_str(lines.last, "say two\\x0alines\\x1b[2J", "that a terminal can bear");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	is_int(rendezvous_say(ends[1], text), 0, "too many words are sent");
	feed_text("");
	ok(lines.count == 3 && strlen(lines.last) < RENDEZVOUS_LINE_MAX &&
		   !strcmp(lines.last + strlen(lines.last) - 3, "..."),
	   "cut");
	fails_with(rendezvous_send_endpoint(ends[1], text, KEY), EMSGSIZE,
		   "an endpoint that does not fit is not sent");
	feed_text("");
	is_int(lines.count, 3, "in no part");
	finish();
	fails_with(rendezvous_say(-1, "x"), EBADF, "nor is anything without a descriptor");
}

static void test_pieces(void)
{
	begin();
	for (const char *c = "say one\nsay two\n"; *c; c++)
		feed(c, 1);
	is_int(lines.count, 2, "lines that come byte by byte");
	is_str(lines.last, "say two", "are put together");
	feed_text("say three\nsay four\nsay fi");
	is_int(lines.count, 4, "lines that come together are told apart");
	feed_text("ve\n\n");
	is_int(lines.count, 6, "a cut one is continued");
	is_str(lines.last, "", "an empty one is one");
	feed_text("say cut off");
	close(ends[1]);
	ends[1] = -1;
	is_int(rendezvous_read(&reader, ends[0], line_comes, NULL), 0, "at the end");
	is_int(lines.count, 6, "what has no newline is no line");
	finish();

	begin();
	fails_with(rendezvous_read(&reader, ends[0], line_comes, NULL), EAGAIN,
		   "nothing to read is an error as read has it");
	fails_with(rendezvous_read(&reader, -1, line_comes, NULL), EBADF,
		   "so is no descriptor");
	finish();
}

static void test_oversized(void)
{
	static char data[3 * RENDEZVOUS_LINE_MAX];

	begin();
	memset(data, 'x', sizeof(data));
	feed(data, RENDEZVOUS_LINE_MAX - 1);
	is_int(lines.count, 0, "a line as long as may be");
	feed_text("\n");
	is_int(lines.count, 1, "is taken with its newline");
	is_int(lines.longest, RENDEZVOUS_LINE_MAX - 1, "whole");
	feed(data, RENDEZVOUS_LINE_MAX);
	feed_text("\n");
	is_int(lines.count, 1, "one byte more is passed over");
	feed_text("say next\n");
	is_int(lines.count, 2, "and the next is taken");
	for (int i = 0; i < 100; i++)
		feed(data, sizeof(data));
	is_int(lines.count, 2, "a megabyte is passed over");
	feed_text("say not this, it is the end of that\nsay this\n");
	is_int(lines.count, 3, "with its end");
	is_str(lines.last, "say this", "but not what comes then");
	finish();

	/* The newline at every place around the buffer's end. */
	for (int size = RENDEZVOUS_LINE_MAX - 3; size < RENDEZVOUS_LINE_MAX + 3; size++) {
		begin();
		memset(data, 'x', sizeof(data));
		data[size] = '\n';
		strcpy(data + size + 1, "say after\n");
		feed_text(data);
		ok(lines.count == (size < RENDEZVOUS_LINE_MAX ? 2 : 1) &&
			   !strcmp(lines.last, "say after"),
		   "%d bytes, then another line", size);
		finish();
	}
}

static void test_nul(void)
{
	static const char data[] = "say a\0b\n\0\nsay c\n";
	struct rendezvous message;

	begin();
	feed(data, sizeof(data) - 1);
	is_int(lines.count, 3, "a NUL ends no line but its own");
	is_str(lines.last, "say c", "the next one is whole");
	feed("endpoint tcp://1.2.3.4:5\0 " KEY "\n", 9 + 15 + 2 + 40 + 1);
	ok(lines.count == 4 && rendezvous_parse(lines.last, &message) < 0,
	   "an endpoint cut by one is none");
	char zeros[RENDEZVOUS_LINE_MAX + 1] = "";
	feed(zeros, sizeof(zeros));
	feed_text("\nsay d\n");
	ok(lines.count == 5 && !strcmp(lines.last, "say d"), "4 kB of NUL are passed over");
	finish();
}

int main(void)
{
	test_parse();
	test_send();
	test_pieces();
	test_oversized();
	test_nul();
	return done_testing();
}
