/* SPDX-License-Identifier: MIT */
/* See head_wait.h. */
#include "launcher/launch/head_wait.h"

#include "common/lock.h"

enum {
	/* Between two looks: soon at first, since it mostly ends with its srun. */
	LOOK_FIRST_MS = 200,
	LOOK_MAX_MS = 5000
};

struct wait {
	struct loop *loop;
	int state_fd;
	struct loop_timer *timer;
	int64_t delay_ms;
};

static void look(void *arg)
{
	struct wait *wait = arg;

	if (!lock_is_held(wait->state_fd, "head.lock")) {
		loop_stop(wait->loop);
		return;
	}
	loop_timer_set(wait->timer, wait->delay_ms);
	wait->delay_ms *= 2;
	if (wait->delay_ms > LOOK_MAX_MS)
		wait->delay_ms = LOOK_MAX_MS;
}

void head_wait(struct loop *loop, int state_fd)
{
	struct wait wait = {.loop = loop, .state_fd = state_fd, .delay_ms = LOOK_FIRST_MS};

	if (!(wait.timer = loop_timer_create(loop, look, &wait)))
		return;
	loop_timer_set(wait.timer, 0);
	loop_run(loop);
	loop_timer_destroy(wait.timer);
}
