/* SPDX-License-Identifier: MIT */
/*
 * --jupyter-idle: notices that a session has had no work for as long as was allowed.  A kernel
 * that is busy is work, whether or not somebody looks on, and so are busy workers.  In the
 * head's event loop, as the user.
 */
#ifndef HEAD_IDLE_H
#define HEAD_IDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "launcher/head/relay.h"
#include "launcher/loop.h"

struct idle;

/* Whether there is work that neither the server nor the relay sees.  *last_ms: when there was
 * last, as loop_now(); 0: never. */
typedef bool idle_work(const void *arg, int64_t *last_ms);

struct idle_options {
	long limit_s; /* above 0 */
	const char
		*api; /* of Jupyter's REST API, "/api"; NULL: what the relay carries is work */
	const char *socket_path, *token_file;
	const struct relay *relay;
	idle_work *work;
	const void *work_arg;
};

/* Once, when the limit is over. */
typedef void idle_callback(void *arg);

/* options' strings, relay and work_arg must outlive it.  NULL with errno. */
struct idle *idle_create(struct loop *loop, const struct idle_options *options,
			 idle_callback *callback, void *arg);
/* From the callback: not idle after all, look again later. */
void idle_go_on(struct idle *idle);
void idle_destroy(struct idle *idle); /* accepts NULL */

/*
 * For the tests: what the API's answers say.  idle_any_busy() takes GET /api/kernels: 1, 0, or
 * -1 for an answer that is none.  idle_last_activity() takes GET /api/status: unix seconds, -1
 * likewise.
 */
int idle_any_busy(const char *kernels, size_t size);
time_t idle_last_activity(const char *status, size_t size);

#endif
