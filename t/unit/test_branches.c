/* SPDX-License-Identifier: MIT */
/*
 * Tests of what the head tells all agents of its branches (launcher/head/branches.h).  Run by
 * `make check`, as anybody.
 */
#include "launcher/head/branches.h"

#include <fcntl.h>
#include <unistd.h>

#include "launcher/rendezvous.h"
#include "tap.h"

#define KEY	 "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define ENDPOINT "tcp://10.0.0.7:40001"
#define OTHER	 "tcp://10.0.0.7:40002"
#define THIRD	 "tcp://10.0.0.7:40003"

enum { AGENTS = 10, SPAN = 4 };

static int ends[2];
static char last[RENDEZVOUS_LINE_MAX];

static void on_line(char *line, void *arg)
{
	(*(int *) arg)++;
	strcpy(last, line);
}

/* How many lines have come since. */
static int said(void)
{
	struct rendezvous_reader reader = {.used = 0};
	int count = 0;

	while (rendezvous_read(&reader, ends[0], on_line, &count) > 0)
		;
	return count;
}

int main(void)
{
	struct branches *branches;
	char long_endpoint[CONTROL_ENDPOINT_MAX + 1];

	memset(long_endpoint, 'x', sizeof(long_endpoint) - 1);
	long_endpoint[sizeof(long_endpoint) - 1] = '\0';
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    !(branches = branches_create(ends[1], AGENTS, SPAN)))
		bail_out("branches_create");
	is_int(branches_announce(branches), 0, "that there are branches is told");
	is_int(said(), 1, "in one line");
	is_str(last, "tree 4", "with the span");

	is_int(branches_tell(branches, 4, ENDPOINT, KEY), 1, "where one is is told");
	is_int(said(), 1, "in one line");
	is_str(last, "branch 4 " ENDPOINT " " KEY, "with its rank and key");
	is_int(branches_tell(branches, 4, ENDPOINT, KEY), 0, "and not again");
	is_int(branches_tell(branches, 8, ENDPOINT, KEY), 1, "another one is told");
	is_int(said(), 1, "by itself");
	is_int(branches_tell(branches, 4, OTHER, KEY), 1, "one that has moved is told");
	is_int(said(), 1, "once");
	fails_with(branches_tell(branches, 4, THIRD, KEY), EMFILE,
		   "not one that goes on moving");
	is_int(branches_tell(branches, 4, OTHER, KEY), 0, "where it was is known still");
	fails_with(branches_tell(branches, 0, ENDPOINT, KEY), EPROTO, "the head is no branch");
	fails_with(branches_tell(branches, 5, ENDPOINT, KEY), EPROTO, "nor is any other rank");
	fails_with(branches_tell(branches, 12, ENDPOINT, KEY), EPROTO, "nor is one too high");
	fails_with(branches_tell(branches, SIZE_MAX, ENDPOINT, KEY), EPROTO, "nor the highest");
	fails_with(branches_tell(branches, 8, long_endpoint, KEY), EPROTO,
		   "an endpoint too long");
	is_int(said(), 0, "of all these nothing is told");
	branches_destroy(branches);
	branches_destroy(NULL);

	if (!(branches = branches_create(-1, AGENTS, SPAN)))
		bail_out("branches_create");
	fails_with(branches_announce(branches), EBADF, "without a descriptor nothing is told");
	fails_with(branches_tell(branches, 4, ENDPOINT, KEY), EBADF, "nor where one is");
	fails_with(branches_tell(branches, 4, ENDPOINT, KEY), EBADF,
		   "which may be tried again");
	branches_destroy(branches);
	return done_testing();
}
