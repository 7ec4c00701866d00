/* SPDX-License-Identifier: MIT */
/*
 * The control plane between the head and the agents of one session: ZeroMQ ROUTER and DEALER
 * over CURVE, each agent admitted only with a fresh munge credential of the job's uid that is
 * bound to both CURVE keys.  Runs in the event loops of the head and of the agents, as the
 * user.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/reason.h"
#include "launcher/loop.h"

enum {
	CONTROL_KEY_SIZE = 41,	    /* Z85 text of a CURVE key with NUL: zmq_curve_keypair(3) */
	CONTROL_ENDPOINT_MAX = 128, /* bytes with NUL: "tcp://[v6]:port" */
	CONTROL_TYPE_MAX = 32, /* bytes of a message's type with NUL; a name by text_is_name */
	CONTROL_PAYLOAD_MAX = 65536,   /* bytes of a message's payload */
	CONTROL_HEARTBEAT_MS = 15000,  /* each side is heard at least so often */
	CONTROL_REJOIN_MS = 15000,     /* after a connection has ended: a head that lives takes
					* the next one at once */
	CONTROL_SILENCE_MS = 50000,    /* three heartbeats missed, and some: lost */
	CONTROL_RETURN_TIMES = 3,      /* silences more in which an agent tries to come back:
					* all within slurm.conf(5)'s SlurmdTimeout (300 s) */
	CONTROL_CREDENTIAL_TTL_S = 60, /* of the munge credential */
	CONTROL_MUNGE_MS = 30000,      /* munged may be down so long while an agent joins */
	CONTROL_NODE_MAX = 256, /* bytes of a node's name with NUL (HOST_NAME_MAX is 64) */
	CONTROL_STAR_MAX = 256, /* agents that all connect to the head, by default; more are a
				 * tree */
	CONTROL_SPAN_MIN = 2,
	/* So many agents may connect to the head of a tree beside those that are to: when they
	 * have no branch. */
	CONTROL_DIRECT_SPARE = 256
};

/*
 * Who may join, and what is said to others, is in frame.h and admission.h.  A rank is one
 * agent's at a time: the same agent (the same CURVE key) coming again on a new connection
 * replaces its old one at once; another is admitted only once the first is lost, and rejected
 * while it is alive.
 *
 * A message that was queued (send returned 0) arrives once and in order, or is lost with its
 * connection: joined() and welcomed() being called again say that something may be missing.
 * Types that begin with "control." are taken.  The process must not use the two handles from
 * several threads, and ignores SIGPIPE (libzmq's I/O thread has all signals blocked).
 */

/*
 * Up to star_max agents (CONTROL_STAR_MAX) connect to the head: a star.  More are a tree
 * (span.h says which and why): some of them are branches, to which the others connect.  For
 * both sides of the API it is the same, but that the head says where the branches are
 * (branch()), that all agents are to be told so by the rendezvous (control_client_branch()),
 * and that a message which the head has queued for an agent behind a branch may be lost with
 * that agent's connection if it does not read.
 *
 * Returns the span of the tree: each branch is to have that many ranks, its own the first; 0: a
 * star.  agents counts the ranks, the head's too.  It is the head's to choose, and all agents
 * are told by the rendezvous.
 */
size_t control_span(size_t agents, size_t star_max);

/* The head's side. */

struct control_server;

struct control_server_options {
	const char *ip;			  /* to bind, v4 or v6 text */
	unsigned port_first, port_last;	  /* 0,0: the kernel's choice */
	const char *job_id;		  /* digits; part of what is signed */
	uid_t uid;			  /* the only uid admitted */
	size_t agents;			  /* ranks 0..agents-1 may join, each once at a time */
	size_t span;			  /* control_span(); 0: a star */
	int64_t heartbeat_ms, silence_ms; /* for tests; 0: CONTROL_HEARTBEAT_MS and so on */
	int64_t rejoin_ms;		  /* the same */
};

struct control_server_callbacks {
	/* rank is admitted, for the first time or again (its old connection is dropped then).
	 */
	void (*joined)(size_t rank, const char *node, void *arg);
	/* rank was admitted and is not heard any more: connection closed, or silent. */
	void (*lost)(size_t rank, const char *node, const char *reason, void *arg);
	/* A message of an admitted agent. payload is not NUL-terminated. */
	void (*message)(size_t rank, const char *type, const void *payload, size_t size,
			void *arg);
	/* Somebody was turned away; for the log, at most a few times a second. */
	void (*rejected)(const char *reason, void *arg);
	/* The agents of the ranks behind this one may connect to it: to be told to all agents
	 * by the rendezvous.  For the agents alone, as the head's endpoint and key. */
	void (*branch)(size_t rank, const char *endpoint, const char *key, void *arg);
	void *arg;
};

/*
 * NULL with errno and a reason; EMFILE when the limit of open files leaves no room for the
 * agents: each takes one, strangers up to CONNECTIONS_SPARE (connections.h), the rest of the
 * head CONNECTIONS_OTHER_FILES.
 */
struct control_server *control_server_create(struct loop *loop,
					     const struct control_server_options *options,
					     const struct control_server_callbacks *callbacks,
					     struct reason *reason);
/* Lingers at most 1 s for what is queued.  Safe from within a callback: it takes effect when
 * the callback returns, and no other is called.  Accepts NULL. */
void control_server_destroy(struct control_server *server);

/*
 * Owned by server: "tcp://10.0.0.1:34567", and the Z85 public key.  For the agents alone: who
 * does not know the key cannot complete a handshake, and is let go after WIRE_HANDSHAKE_MS.
 */
const char *control_server_endpoint(const struct control_server *server);
const char *control_server_key(const struct control_server *server);

/* 0, or -1 with ENOTCONN (not joined), EMSGSIZE, EINVAL (type), EAGAIN (its queue is full). */
int control_server_send(struct control_server *server, size_t rank, const char *type,
			const void *payload, size_t size);
/* To every admitted agent; returns how many it was queued for. */
size_t control_server_broadcast(struct control_server *server, const char *type,
				const void *payload, size_t size);

/* The agent's side. */

struct control_client;

struct control_client_options {
	const char *endpoint;	/* as control_server_endpoint() gave it; checked: tcp:// only */
	const char *server_key; /* Z85 */
	const char *job_id;
	size_t rank;
	const char *node;
	size_t agents, span;		/* the head's; span 0: a star */
	unsigned port_first, port_last; /* of a branch; 0,0: the kernel's choice */
	int64_t silence_ms, munge_ms;	/* for tests; 0: CONTROL_SILENCE_MS and so on */
	int64_t heartbeat_ms;		/* the same, of a branch */
};

struct control_client_callbacks {
	void (*welcomed)(void *arg); /* admitted; may be called again after a reconnection */
	void (*message)(const char *type, const void *payload, size_t size, void *arg);
	/* Turned away for good, or the head was not heard for CONTROL_SILENCE_MS, nor by a new
	 * connection within CONTROL_RETURN_TIMES as long. The client is of no use afterwards
	 * and may be destroyed from within. */
	void (*lost)(const char *reason, void *arg);
	void *arg;
};

struct control_client *control_client_create(struct loop *loop,
					     const struct control_client_options *options,
					     const struct control_client_callbacks *callbacks,
					     struct reason *reason);
/* As control_server_destroy. */
void control_client_destroy(struct control_client *client);

/* What the head said by branch(); of a branch that is not this agent's, or again, it does no
 * harm. */
void control_client_branch(struct control_client *client, size_t rank, const char *endpoint,
			   const char *key);

/* 0, or -1 with ENOTCONN (not welcomed yet, or connecting again), EMSGSIZE, EINVAL (type),
 * EAGAIN (the queue is full). */
int control_client_send(struct control_client *client, const char *type, const void *payload,
			size_t size);

#endif
