/* SPDX-License-Identifier: MIT */
/* See branch.h. */
#include "launcher/control/branch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "launcher/control/docket.h"
#include "launcher/control/route.h"

enum {
	/* So many times its own agents it takes when other branches are lost ... */
	TIMES_SPAN = 4,
	/* ... if beside them so many files are left, of strangers and of the rest. */
	OTHER_FILES = 192
};

struct branch {
	struct guard *guard;
	struct roster roster;
	struct port *port;
	struct uplink *link;
	struct loop_timer *flush;
	struct docket docket;
	size_t guests_max;
	bool anew;	    /* the head is to be asked for those that it has taken before */
	struct batch batch; /* the one that is being made */
};

/* To the head. */

/* What is not sent is lost with the link, and all is asked anew. */
static void batch_send(struct branch *branch, enum frame_kind kind)
{
	if (branch->batch.size > 0)
		uplink_send(branch->link, frame_type(kind), NULL, branch->batch.text,
			    branch->batch.size);
	branch->batch.size = 0;
}

/* Returns whether all were asked for. */
static bool ask(struct branch *branch)
{
	bool all = docket_ask(&branch->docket, &branch->batch);

	if (branch->anew) {
		for (struct peer *peer = branch->roster.first; peer && all; peer = peer->next)
			if (!peer->told && peer->state == PEER_JOINED)
				peer->told = all =
					batch_add(&branch->batch, peer->rank, peer->key,
						  peer->nonce, peer->node);
		branch->anew = !all;
	}
	batch_send(branch, FRAME_ASKS);
	return all;
}

/* Reads its agents only as far as there is room on the way to the head. */
static void flush(struct branch *branch)
{
	bool more = true;

	/* There is room for one batch each time. */
	while (more && uplink_ready(branch->link)) {
		/* Before what follows is asked: it may be the same agents that come again. */
		docket_tell(&branch->docket, &branch->batch);
		if (branch->batch.size > 0)
			batch_send(branch, FRAME_GONE);
		else
			more = !ask(branch);
	}
	port_pause(branch->port, more || !uplink_ready(branch->link));
}

static void on_flush(void *arg)
{
	struct branch *branch = arg;

	guard_enter(branch->guard);
	flush(branch);
	guard_leave(branch->guard);
}

void branch_ready(struct branch *branch)
{
	flush(branch);
}

/* From its agents. */

/* If there is no memory for it the head takes it for joined until it comes again. */
static void gone(struct branch *branch, size_t rank, const char *key, const char *nonce,
		 const char *reason)
{
	docket_gone(&branch->docket, rank, key, nonce, reason);
	loop_timer_set(branch->flush, 0);
}

/* Without a link to the head there is nothing to tell: the head asks nothing of a branch that
 * is lost, and takes from one that comes again only what it has. */
static void on_lost(struct peer *peer, const char *reason, void *arg)
{
	struct branch *branch = arg;

	if (uplink_welcomed(branch->link))
		gone(branch, peer->rank, peer->key, peer->nonce, reason);
	free(roster_leave(&branch->roster, peer));
}

/* If there is no memory for it, or no room, it comes again, or goes elsewhere. */
static void on_wants(const struct port_guest *guest, void *arg)
{
	struct branch *branch = arg;

	if (branch->docket.count >= branch->guests_max ||
	    docket_guest(&branch->docket, guest) < 0)
		port_send_away(branch->port, guest);
	else
		loop_timer_set(branch->flush, 0);
}

static void on_message(struct peer *peer, enum frame_kind kind, struct wire_message *message,
		       void *arg)
{
	struct branch *branch = arg;
	char type[CONTROL_TYPE_MAX] = "", route[ROUTE_MAX];

	if (peer->broken)
		return;
	if (kind != FRAME_MESSAGE) {
		port_report(branch->port, message->address, "a malformed message");
		return;
	}
	memcpy(type, zmq_msg_data(&message->type), zmq_msg_size(&message->type));
	route_format(peer->rank, type, route);
	/* There is no room when this agent's own messages have just taken it. */
	if (uplink_send(branch->link, frame_type(FRAME_FROM), route,
			zmq_msg_data(&message->payload), zmq_msg_size(&message->payload)) < 0 &&
	    errno == EAGAIN) {
		peer->broken = true;
		port_drop(branch->port, peer);
	}
	if (!uplink_ready(branch->link))
		port_pause(branch->port, true);
}

/* If it is not sent there is worse to tell. */
static void on_rejected(const char *reason, void *arg)
{
	struct branch *branch = arg;

	uplink_send(branch->link, frame_type(FRAME_TELLS), NULL, reason, strlen(reason));
}

/* From the head. */

/* The agent whose hello that was; NULL: it is not here any more, or has said another since. */
static struct peer *peer_of(const struct branch *branch, const struct batch_line *line)
{
	struct peer *peer = roster_find(&branch->roster, line->rank);

	if (!peer || strcmp(peer->key, line->key) != 0 || strcmp(peer->nonce, line->nonce) != 0)
		return NULL;
	return peer;
}

static void takes_line(struct branch *branch, const struct batch_line *line)
{
	struct docket_guest *guest =
		docket_find(&branch->docket, line->rank, line->key, line->nonce);
	struct peer *peer = peer_of(branch, line);

	if (peer) {
		port_greet(branch->port, peer);
		return;
	}
	if (guest) {
		peer = port_welcome(branch->port, &guest->guest);
		if (peer)
			peer->told = true;
		docket_remove(&branch->docket, guest);
	}
	if (!peer)
		gone(branch, line->rank, line->key, line->nonce, PORT_CLOSED);
}

static void refuses_line(struct branch *branch, const struct batch_line *line)
{
	struct docket_guest *guest =
		docket_find(&branch->docket, line->rank, line->key, line->nonce);
	struct peer *peer = peer_of(branch, line);

	if (peer) {
		port_drop(branch->port, peer);
	} else if (guest) {
		port_refuse(branch->port, &guest->guest, line->words);
		docket_remove(&branch->docket, guest);
	}
}

static void each_line(struct branch *branch, struct wire_message *message,
		      void (*one)(struct branch *, const struct batch_line *))
{
	size_t offset = 0;
	struct batch_line line;

	while (batch_next(zmq_msg_data(&message->payload), zmq_msg_size(&message->payload),
			  &offset, &line) > 0)
		one(branch, &line);
}

/* One that does not read as fast as the head sends is parted with: it comes again, and knows by
 * it that something is missing. */
static void deliver(struct branch *branch, struct peer *peer, const char *type,
		    struct wire_message *message)
{
	if (port_send(branch->port, peer, type, NULL, zmq_msg_data(&message->payload),
		      zmq_msg_size(&message->payload)) < 0 &&
	    errno == EAGAIN)
		port_drop(branch->port, peer);
}

static void to(struct branch *branch, struct wire_message *message)
{
	char type[CONTROL_TYPE_MAX];
	struct peer *peer;
	size_t rank;

	if (route_parse(zmq_msg_data(&message->route), zmq_msg_size(&message->route), &rank,
			type) < 0)
		return;
	peer = roster_find(&branch->roster, rank);
	if (peer)
		deliver(branch, peer, type, message);
}

static void to_all(struct branch *branch, struct wire_message *message)
{
	char type[CONTROL_TYPE_MAX];

	if (route_parse(zmq_msg_data(&message->route), zmq_msg_size(&message->route), NULL,
			type) < 0)
		return;
	for (struct peer *peer = branch->roster.first; peer; peer = peer->next)
		deliver(branch, peer, type, message);
}

void branch_message(struct branch *branch, enum frame_kind kind, struct wire_message *message)
{
	if (kind == FRAME_TO)
		to(branch, message);
	else if (kind == FRAME_ALL)
		to_all(branch, message);
	else if (kind == FRAME_TAKES)
		each_line(branch, message, takes_line);
	else if (kind == FRAME_REFUSES)
		each_line(branch, message, refuses_line);
	port_check(branch->port);
}

/* The link to the head. */

void branch_up(struct branch *branch)
{
	char place[CONTROL_ENDPOINT_MAX + CONTROL_KEY_SIZE];
	int size = snprintf(place, sizeof(place), "%s %s", port_endpoint(branch->port),
			    port_key(branch->port));

	uplink_send(branch->link, frame_type(FRAME_BRANCH), NULL, place, (size_t) size);
	flush(branch);
}

void branch_down(struct branch *branch)
{
	port_pause(branch->port, true);
	docket_reset(&branch->docket);
	branch->anew = true;
	for (struct peer *peer = branch->roster.first; peer; peer = peer->next)
		peer->told = false;
}

void branch_bye(struct branch *branch)
{
	uplink_send(branch->link, frame_type(FRAME_BYE), NULL, NULL, 0);
}

/* Making and ending. */

static size_t direct_max(size_t span)
{
	struct rlimit limit = {.rlim_cur = 0};
	size_t most = TIMES_SPAN * span;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < most + OTHER_FILES)
		most = limit.rlim_cur > span + OTHER_FILES ? limit.rlim_cur - OTHER_FILES
							   : span;
	return most;
}

struct branch *branch_create(struct loop *loop, struct guard *guard,
			     const struct branch_options *options, struct reason *reason)
{
	struct branch *branch = calloc(1, sizeof(*branch));
	struct port_options port = {.ip = options->ip,
				    .port_first = options->port_first,
				    .port_last = options->port_last,
				    .job_id = options->job_id,
				    .uid = geteuid(),
				    .direct = direct_max(options->span),
				    .queue = WIRE_QUEUE_MAX,
				    .heartbeat_ms = options->heartbeat_ms,
				    .silence_ms = options->silence_ms};
	struct port_callbacks callbacks = {.wants = on_wants,
					   .lost = on_lost,
					   .message = on_message,
					   .rejected = on_rejected,
					   .arg = branch};
	int saved;

	if (!branch) {
		reason_set(reason, "out of memory");
		return NULL;
	}
	branch->guard = guard;
	branch->link = options->link;
	docket_open(&branch->docket);
	branch->guests_max = port.direct;
	branch->flush = loop_timer_create(loop, on_flush, branch);
	if (!branch->flush || roster_open(&branch->roster, options->agents) < 0) {
		reason_set(reason, "out of memory");
		goto error;
	}
	port.roster = &branch->roster;
	branch->port = port_create(loop, guard, &port, &callbacks, reason);
	if (!branch->port)
		goto error;
	return branch;

error:
	saved = errno;
	branch_destroy(branch);
	errno = saved;
	return NULL;
}

void branch_destroy(struct branch *branch)
{
	if (!branch)
		return;
	port_destroy(branch->port);
	loop_timer_destroy(branch->flush);
	docket_close(&branch->docket);
	if (branch->roster.ranks)
		roster_close(&branch->roster);
	free(branch);
}
