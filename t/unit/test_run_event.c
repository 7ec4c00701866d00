/* SPDX-License-Identifier: MIT */
/* Unit test of launcher/head/run_event.h; run by `make check` as whoever calls it. */
#include "launcher/head/run_event.h"

#include <string.h>

#include "tap.h"

static struct run_event event;

static int parse(const char *line)
{
	return run_event_parse(line, strlen(line), &event);
}

int main(void)
{
	static const char *const wrong[] = {
		"",
		"x",
		"[]",
		"{}",
		"null",
		"{\"event\": 1}",
		"{\"event\": \"other\"}",
		"{\"event\": \"ready\"} {}",
		"{\"event\": \"ready\", \"event\": \"done\"}",
		"{\"event\": \"cell\"}",
		"{\"event\": \"cell\", \"cell\": 1}",
		"{\"event\": \"cell\", \"cell\": 0, \"cells\": 1}",
		"{\"event\": \"cell\", \"cell\": 2, \"cells\": 1}",
		"{\"event\": \"cell\", \"cell\": -1, \"cells\": 1}",
		"{\"event\": \"cell\", \"cell\": 1.5, \"cells\": 2}",
		"{\"event\": \"cell\", \"cell\": 1, \"cells\": 99999999999}",
		"{\"event\": \"say\"}",
		"{\"event\": \"say\", \"text\": 1}",
		"{\"event\": \"say\", \"text\": \"a\\u0000b\"}",
		"{\"event\": \"failed\", \"text\": null}",
		"{\"event\": \"dead\"}",
		"{\"event\": \"dead\", \"code\": \"9\"}",
		"{\"event\": \"dead\", \"code\": -65}",
		"{\"event\": \"dead\", \"code\": 256}",
	};

	is_int(parse("{\"event\": \"ready\"}"), 0, "the kernel answers");
	is_int(event.kind, RUN_READY, "is known");
	is_int(parse("{\"event\": \"cell\", \"cell\": 3, \"cells\": 12}"), 0, "a cell begins");
	ok(event.kind == RUN_CELL && event.cell == 3 && event.cells == 12, "the third of 12");
	is_int(parse("{\"event\": \"say\", \"text\": \"a\\u001bb\"}"), 0, "words");
	ok(event.kind == RUN_SAY, "are known");
	is_str(event.text.text, "a\\x1bb", "and shown without control characters");
	is_int(parse("{\"event\": \"dead\", \"code\": -9}"), 0, "a dead kernel");
	ok(event.kind == RUN_DEAD && event.status == 9, "by signal 9");
	is_int(parse("{\"event\": \"dead\", \"code\": 3}"), 0, "another");
	is_int(event.status, 3 << 8, "with exit status 3");
	is_int(parse("{\"event\": \"dead\", \"code\": null}"), 0, "and another");
	is_int(event.status, -1, "of which nothing is known");
	is_int(parse("{\"event\": \"failed\", \"text\": \"why\"}"), 0, "a failure");
	ok(event.kind == RUN_FAILED && strcmp(event.text.text, "why") == 0, "with its reason");
	is_int(parse("{\"event\": \"done\", \"more\": 1}"), 0,
	       "the end, with what is not known");
	is_int(event.kind, RUN_DONE, "is known");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		fails_with(parse(wrong[i]), EPROTO, "%s is refused", wrong[i]);
		is_int(event.kind, RUN_DONE, "and changes nothing");
	}
	return done_testing();
}
