/* SPDX-License-Identifier: MIT */
/*
 * The contract of an unmodified batchspawner: one POST with the port, found by the server's
 * token; and how a session notices that its hub has no use for it any more.  In
 * jupyter-hub-callback, as the user.
 */
#ifndef HUB_CALLBACK_BATCHSPAWNER_H
#define HUB_CALLBACK_BATCHSPAWNER_H

#include <jansson.h>
#include <stdbool.h>

#include "common/reason.h"

/* Below the API's URL. */
#define BATCHSPAWNER_PATH      "/batchspawner"
#define BATCHSPAWNER_SELF_PATH "/user" /* the model of who holds the token */

/* {"port": N} of the fields of `serving`.  Caller frees.  NULL with ENOMEM. */
char *batchspawner_body(const json_t *fields);

enum { BATCHSPAWNER_STARTED_MAX = 64 /* bytes of a server's start time with NUL */ };

/* What the hub was last seen to know of our server. */
struct batchspawner {
	bool seen;
	char started[BATCHSPAWNER_STARTED_MAX];
};

/*
 * Whether the hub still knows the server, by the answer to BATCHSPAWNER_SELF_PATH (of any
 * size, hostile).  A token reads that much only where the site has given it read:servers!server
 * (Spawner.server_token_scopes); where it does not, and before the server was seen once, the
 * answer is yes: that the hub still takes the token is all there is to go by then.
 */
bool batchspawner_known(struct batchspawner *batchspawner, const char *server_name,
			const char *body, size_t size, struct reason *reason);

#endif
