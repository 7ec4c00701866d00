/* SPDX-License-Identifier: MIT */
/* See follow.h. */
#include "launcher/sjupyter/follow.h"

#include <errno.h>
#include <string.h>

#include "common/lock.h"
#include "launcher/loop.h"
#include "launcher/sjupyter/interrupt.h"
#include "launcher/sjupyter/queue.h"

enum {
	TICK_MS = 1000,
	/* Between launcher and head, and between the end of the step and the launcher's last
	 * word, the locks may be free for a moment. */
	DEAD_AFTER_MS = 15000,
	ALIVE_AGAIN_MS = 5000, /* between two looks at the locks */
	QUEUE_AGAIN_MS = 30000 /* between two questions to Slurm */
};

struct state {
	const struct follow *follow;
	struct watch *watch;
	int64_t begun, tick_at, locks_at, free_since; /* loop_now(); free_since 0: held */
};

bool follow_is_serving(enum session_state state)
{
	return state == SESSION_SERVING || state == SESSION_READY || state == SESSION_DEGRADED;
}

bool follow_locks_held(int state_fd)
{
	return lock_is_held(state_fd, "launch.lock") || lock_is_held(state_fd, "head.lock");
}

bool follow_is_alive(const char *job_id, int state_fd)
{
	char step[QUEUE_ID_MAX];

	/* Locks of another node cannot be seen on some file systems: free ones prove nothing
	 * until Slurm says that no session step runs.  That it does not answer proves nothing.
	 */
	return follow_locks_held(state_fd) || queue_step(job_id, step, NULL) == 0 ||
	       errno != ENOENT;
}

/* Whether the record will stay as it is, since nobody is left to change it. */
static bool is_dead(struct state *state)
{
	int64_t now = loop_now();

	if (now < state->locks_at)
		return false;
	state->locks_at = now + ALIVE_AGAIN_MS;
	if (follow_locks_held(watch_state_fd(state->watch))) {
		state->free_since = 0;
		return false;
	}
	if (!state->free_since)
		state->free_since = now;
	if (now - state->free_since < DEAD_AFTER_MS)
		return false;
	state->locks_at = now + QUEUE_AGAIN_MS;
	return !follow_is_alive(state->follow->job_id, watch_state_fd(state->watch));
}

/* Whether the record says the last word on what is waited for. */
static bool is_decided(const struct follow *follow, const struct session *session,
		       enum follow_end *end)
{
	if (follow->until_record) {
		*end = FOLLOW_REACHED;
		return true;
	}
	if (session_state_final(session->state)) {
		*end = follow->until_final ? FOLLOW_REACHED : FOLLOW_FINAL;
		return true;
	}
	*end = FOLLOW_REACHED;
	if (follow->until_final)
		return false;
	if (!follow->verdict)
		return follow_is_serving(session->state);
	int verdict = follow->verdict(session, follow->arg);
	if (verdict < 0)
		*end = FOLLOW_MISSED;
	return verdict != 0;
}

static int64_t least(int64_t a, int64_t b)
{
	return b < a ? b : a;
}

static int64_t time_until(int64_t moment)
{
	int64_t now = loop_now();

	return moment > now ? moment - now : 0;
}

/* Waits for a change, or until it is time to look at something. */
static int pause_until_due(const struct state *state)
{
	const struct follow *follow = state->follow;
	struct pollfd change = {.fd = watch_fd(state->watch), .events = POLLIN};
	int64_t timeout = watch_pause(state->watch);

	if (follow->tick)
		timeout = least(timeout, time_until(state->tick_at));
	if (follow->deadline_ms >= 0)
		timeout = least(timeout, time_until(state->begun + follow->deadline_ms));
	return interrupt_poll(&change, 1, timeout);
}

static bool is_over(const struct state *state, int64_t limit_ms)
{
	return limit_ms >= 0 && loop_now() - state->begun >= limit_ms;
}

static bool is_stopped(struct state *state)
{
	const struct follow *follow = state->follow;

	if (!follow->tick || loop_now() < state->tick_at)
		return false;
	state->tick_at = loop_now() + TICK_MS;
	return follow->tick(watch_session(state->watch), follow->arg) != 0;
}

static enum follow_end run(struct state *state, struct reason *reason)
{
	const struct follow *follow = state->follow;
	enum follow_end end;

	for (;;) {
		int changed = watch_check(state->watch, reason);
		if (changed < 0)
			return FOLLOW_ERROR;
		const struct session *session = watch_session(state->watch);
		if (changed && follow->changed)
			follow->changed(session, follow->arg);
		if (session && is_decided(follow, session, &end))
			return end;
		if (is_over(state, follow->deadline_ms))
			return FOLLOW_TIMEOUT;
		if (!session && is_over(state, follow->record_ms))
			return FOLLOW_NO_RECORD;
		if (is_stopped(state))
			return interrupt_signal() ? FOLLOW_INTERRUPTED : FOLLOW_STOPPED;
		if (session && is_dead(state)) {
			reason_set(reason, "the session has died without a word: neither its "
					   "launcher nor its head is there");
			return FOLLOW_DEAD;
		}
		if (pause_until_due(state) < 0) {
			if (errno == EINTR)
				return FOLLOW_INTERRUPTED;
			reason_set(reason, "poll: %s", strerror(errno));
			return FOLLOW_ERROR;
		}
	}
}

enum follow_end follow_run(const struct follow *follow, struct session **session,
			   struct reason *reason)
{
	struct state state = {.follow = follow, .begun = loop_now()};
	enum follow_end end;

	if (session)
		*session = NULL;
	state.watch = watch_create(follow->job_id, &follow->filter);
	if (!state.watch) {
		reason_set(reason, "%s", strerror(errno));
		return FOLLOW_ERROR;
	}
	end = run(&state, reason);
	if (session)
		*session = watch_take(state.watch);
	watch_destroy(state.watch);
	return end;
}
