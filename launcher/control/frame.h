/* SPDX-License-Identifier: MIT */
/*
 * The wire format of the control plane, version 1, and the parsers of what arrives on it.  Used
 * by the head and the agents, as the user.  Pure functions without state: what they take is
 * hostile.
 *
 * A message is two ZeroMQ frames, TYPE and PAYLOAD, or three, TYPE, ROUTE and PAYLOAD; on a
 * ROUTER socket ZeroMQ puts the sender's routing id before them.  TYPE is a name (text_is_name)
 * shorter than CONTROL_TYPE_MAX, PAYLOAD at most CONTROL_PAYLOAD_MAX bytes.  Types that begin
 * with "control." are the protocol's own, all others belong to the callers of control.h.
 * "Server" is the head, and for the agents that join through a branch (span.h) the branch:
 *
 *   from     TYPE             PAYLOAD
 *   agent    control.hello    the claim, an empty line, a munge credential whose payload is the
 *                             claim byte for byte
 *   server   control.welcome  the hello's nonce: admitted; from a branch it may come again
 *   server   control.reject   the nonce, a space, the reason: turned away for good, and the
 *                             connection is closed a second later
 *   server   control.retry    the nonce, a space, the reason: not now (munged does not answer),
 *                             come again with a new hello
 *   server   control.elsewhere  the nonce, a space, the reason: there is no room here
 *   server   control.ping     empty; to every admitted agent once per CONTROL_HEARTBEAT_MS
 *   agent    control.pong     empty; the answer to each ping
 *
 * Between head and branch besides, where a batch is what batch.h describes:
 *
 *   from     TYPE             ROUTE      PAYLOAD
 *   branch   control.branch              "ENDPOINT KEY" where agents may join through it, or
 *                                        "- REASON" why they cannot
 *   branch   control.asks                batch, words are the nodes: agents whose credential is
 *                                        good, and which want to join through it
 *   branch   control.gone                batch, words are reasons: they have gone
 *   branch   control.from     RANK TYPE  what that agent sent
 *   branch   control.tells               words for the log: it turned somebody away
 *   branch   control.bye                 empty: this branch ends in order
 *   head     control.takes               batch, no words: asked for, and admitted
 *   head     control.refuses             batch, words are reasons: asked for, and turned away
 *   head     control.to       RANK TYPE  for that agent
 *   head     control.all      TYPE       for the branch and all that have joined through it
 *
 * The claim is text, every line ended by a newline, in this order and nothing else:
 *
 *   spank-jupyter control 1   what is signed here and can be used nowhere else; the version
 *   job 4711                  SLURM_JOB_ID
 *   rank 3
 *   node n4                   a name
 *   head Z85                  the CURVE public key of the server that the hello is for
 *   agent Z85                 the CURVE public key of the agent's connection
 *   nonce 16 hex digits       tells the answer to this hello from the answer to an older one:
 *                             8 count the agent's hellos, 8 are random
 *
 * An agent sends hello once per connection, and again after control.retry; anything else that
 * it sends before control.welcome is dropped.  After a connection was lost both sides begin
 * anew.
 */
#ifndef CONTROL_FRAME_H
#define CONTROL_FRAME_H

#include <stddef.h>

#include "common/reason.h"
#include "launcher/control/control.h"

enum {
	FRAME_VERSION = 1,
	FRAME_JOB_MAX = 12,    /* bytes with NUL: a job id is a uint32_t */
	FRAME_NONCE_MAX = 17,  /* bytes with NUL */
	FRAME_CLAIM_MAX = 512, /* bytes with NUL: 256 of the node's name, 82 of keys, words */
	FRAME_CREDENTIAL_MAX =
		2048, /* bytes with NUL: munge 0.5 makes 4/3 of the claim and 150 more */
	FRAME_RANK_MAX = 1 << 20, /* no rank is as high; Slurm's MAX_SLURM_NODES is 65,536 */
	FRAME_ROUTE_MAX = CONTROL_TYPE_MAX + 8 /* bytes with NUL: rank, space, type */
};

#define FRAME_TYPE_PREFIX "control."

/* In control.reject, when the hello and so its nonce could not be read. */
#define FRAME_NO_NONCE "0000000000000000"

/* What a message is, by its type. */
enum frame_kind {
	FRAME_HELLO,
	FRAME_WELCOME,
	FRAME_REJECT,
	FRAME_RETRY,
	FRAME_ELSEWHERE,
	FRAME_PING,
	FRAME_PONG,
	FRAME_BRANCH,
	FRAME_ASKS,
	FRAME_GONE,
	FRAME_FROM,
	FRAME_TELLS,
	FRAME_BYE,
	FRAME_TAKES,
	FRAME_REFUSES,
	FRAME_TO,
	FRAME_ALL,
	FRAME_MESSAGE,	/* the callers' */
	FRAME_MALFORMED /* not a name, too long, or "control." and unknown */
};

struct frame_claim {
	char job_id[FRAME_JOB_MAX];
	size_t rank;
	char node[CONTROL_NODE_MAX];
	char head_key[CONTROL_KEY_SIZE];
	char agent_key[CONTROL_KEY_SIZE];
	char nonce[FRAME_NONCE_MAX];
};

/* type is not NUL-terminated, size its bytes. */
enum frame_kind frame_kind(const void *type, size_t size);
/* The type of a kind of the protocol's own. */
const char *frame_type(enum frame_kind kind);

/* Whether the callers may send it: 0, or -1 with EINVAL (type) or EMSGSIZE. */
int frame_message_check(const char *type, size_t size);

/* Whether it is the Z85 text of a key; a job id; a nonce. */
int frame_key_valid(const char *key);
int frame_job_valid(const char *job_id);
int frame_nonce_valid(const char *nonce);

/* Writes the claim's text with NUL and returns its bytes without, or -1 with EINVAL (a field
 * that the format does not allow). */
int frame_claim_format(const struct frame_claim *claim, char text[FRAME_CLAIM_MAX]);

/*
 * Takes a hello's payload apart: the claim, its text (with NUL) and the credential (with NUL).
 * -1 with EPROTO, or ENOTSUP when the version is another, and a reason.
 */
struct frame_hello {
	struct frame_claim claim;
	char text[FRAME_CLAIM_MAX];
	char credential[FRAME_CREDENTIAL_MAX];
};
int frame_hello_parse(const void *payload, size_t size, struct frame_hello *hello,
		      struct reason *reason);

/* Takes the payload of welcome, reject, retry or elsewhere apart; the words are made printable
 * and may be empty.  -1 with EPROTO. */
int frame_answer_parse(const void *payload, size_t size, char nonce[FRAME_NONCE_MAX],
		       struct reason *words);

#endif
