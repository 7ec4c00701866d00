/* SPDX-License-Identifier: MIT */
/*
 * The timers of the event loop: a binary heap whose nearest deadline bounds epoll_wait, so that
 * there is no timer descriptor and no extra wake-up.  Called by loop.c and by its users, as the
 * user.
 */
#include "launcher/loop_private.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

enum { NS_PER_MS = 1000000 };

struct loop_timer {
	LIST_ENTRY(loop_timer) link;
	struct loop *loop;
	int64_t deadline;  /* ns of CLOCK_MONOTONIC */
	uint64_t sequence; /* of arming: orders equal deadlines, keeps a round finite */
	size_t slot;	   /* in the heap, or NOT_ARMED */
	loop_timer_callback *callback;
	void *arg;
};
static const size_t NOT_ARMED = SIZE_MAX;

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 * NS_PER_MS + now.tv_nsec;
}

int64_t loop_now(void)
{
	return now_ns() / NS_PER_MS;
}

static bool timer_before(const struct loop_timer *a, const struct loop_timer *b)
{
	if (a->deadline != b->deadline)
		return a->deadline < b->deadline;
	return a->sequence < b->sequence;
}

static void heap_put(struct loop *loop, size_t slot, struct loop_timer *timer)
{
	loop->heap[slot] = timer;
	timer->slot = slot;
}

/* Moves the timer from the slot to where it belongs. */
static void heap_settle(struct loop *loop, size_t slot, struct loop_timer *timer)
{
	while (slot > 0 && timer_before(timer, loop->heap[(slot - 1) / 2])) {
		heap_put(loop, slot, loop->heap[(slot - 1) / 2]);
		slot = (slot - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * slot + 1;

		if (child >= loop->heap_count)
			break;
		if (child + 1 < loop->heap_count &&
		    timer_before(loop->heap[child + 1], loop->heap[child]))
			child++;
		if (!timer_before(loop->heap[child], timer))
			break;
		heap_put(loop, slot, loop->heap[child]);
		slot = child;
	}
	heap_put(loop, slot, timer);
}

static void timer_disarm(struct loop_timer *timer)
{
	struct loop *loop = timer->loop;
	size_t slot = timer->slot;

	if (slot == NOT_ARMED)
		return;
	timer->slot = NOT_ARMED;
	loop->heap_count--;
	if (slot < loop->heap_count)
		heap_settle(loop, slot, loop->heap[loop->heap_count]);
}

struct loop_timer *loop_timer_create(struct loop *loop, loop_timer_callback *callback,
				     void *arg)
{
	struct loop_timer *timer;

	if (loop->timer_count == loop->heap_size) {
		size_t size = loop->heap_size ? 2 * loop->heap_size : 16;
		struct loop_timer **heap = reallocarray(loop->heap, size, sizeof(*heap));

		if (!heap)
			return NULL;
		loop->heap = heap;
		loop->heap_size = size;
	}
	timer = calloc(1, sizeof(*timer));
	if (!timer)
		return NULL;
	timer->loop = loop;
	timer->slot = NOT_ARMED;
	timer->callback = callback;
	timer->arg = arg;
	LIST_INSERT_HEAD(&loop->timers, timer, link);
	loop->timer_count++;
	return timer;
}

void loop_timer_set(struct loop_timer *timer, int64_t delay_ms)
{
	struct loop *loop = timer->loop;
	int64_t now = now_ns();

	timer_disarm(timer);
	if (delay_ms < 0)
		return;
	timer->deadline = delay_ms > (INT64_MAX - now) / NS_PER_MS ? INT64_MAX
								   : now + delay_ms * NS_PER_MS;
	timer->sequence = loop->sequence++;
	loop->heap_count++;
	heap_settle(loop, loop->heap_count - 1, timer);
}

void loop_timer_destroy(struct loop_timer *timer)
{
	if (!timer)
		return;
	timer_disarm(timer);
	LIST_REMOVE(timer, link);
	timer->loop->timer_count--;
	free(timer);
}

/* Runs what was due when it began.  What a callback arms is left to the next round, even with
 * no delay: its deadline is not before now, and among equal deadlines its sequence is later. */
void loop_timer_dispatch(struct loop *loop)
{
	int64_t now;
	uint64_t sequence = loop->sequence;

	if (!loop->heap_count)
		return;
	now = now_ns();
	while (!loop->stop && loop->heap_count) {
		struct loop_timer *timer = loop->heap[0];

		if (timer->deadline > now || timer->sequence >= sequence)
			break;
		timer_disarm(timer);
		timer->callback(timer->arg);
	}
}

int loop_timer_wait(const struct loop *loop)
{
	int64_t wait;

	if (!loop->heap_count)
		return -1;
	wait = loop->heap[0]->deadline - now_ns();
	if (wait <= 0)
		return 0;
	wait = wait / NS_PER_MS + (wait % NS_PER_MS != 0);
	return wait > INT_MAX ? INT_MAX : (int) wait;
}
