/* SPDX-License-Identifier: MIT */
/* See kernels.h; what clients ask is in kernels_answer.c. */
#include "launcher/kernel/kernels.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/kernel/kernels_private.h"

enum {
	/* For a kernel that nobody waits for any more; as for one that is shut down. */
	LEFT_GRACE_MS = 5000
};

/* Its directory in the session's. */
static void directory_name(unsigned number, char name[16])
{
	snprintf(name, 16, "k%u", number);
}

static int make_directory(struct one *one, struct reason *reason)
{
	const struct kernel_options *common = one->kernels->options;
	char name[16];

	if (one->is_own) {
		one->options.runtime = common->runtime;
		one->options.runtime_fd = common->runtime_fd;
		return 0;
	}
	directory_name(one->number, name);
	if (asprintf(&one->path, "%s/%s", common->runtime, name) < 0)
		one->path = NULL;
	if (!one->path || mkdirat(common->runtime_fd, name, 0700) < 0 ||
	    (one->fd = openat(common->runtime_fd, name,
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return reason_set(reason, "%s/%s: %s", common->runtime, name, strerror(errno));
	one->options.runtime = one->path;
	one->options.runtime_fd = one->fd;
	return 0;
}

/* What the kernel itself has left there goes with the session's directory. */
static void remove_directory(struct one *one)
{
	char name[16];

	if (one->fd < 0)
		return;
	(void) unlinkat(one->fd, CONNECTION_FILE, 0);
	for (int i = 1; i <= CONNECTION_CHANNELS; i++) {
		snprintf(name, sizeof(name), "kernel-%d", i);
		(void) unlinkat(one->fd, name, 0);
	}
	directory_name(one->number, name);
	(void) unlinkat(one->kernels->options->runtime_fd, name, AT_REMOVEDIR);
	fd_close(&one->fd);
}

/* Its number, name and reason stay. */
static void one_end(struct one *one)
{
	kernel_destroy(one->kernel);
	one->kernel = NULL;
	one->client = NULL;
	remove_directory(one);
	memory_kill_destroy(one->memory);
	one->memory = NULL;
	kernel_choice_clear(&one->choice);
	free(one->path);
	one->path = NULL;
}

static void one_free(struct one *one)
{
	if (!one)
		return;
	one_end(one);
	free(one);
}

static void changed(struct one *one)
{
	one->kernels->callbacks.changed(one->kernels->callbacks.arg);
}

static void on_spawned(void *arg)
{
	struct one *one = arg;

	if (one->is_own)
		one->own.spawned(one->own.arg);
	changed(one);
}

static void on_ready(void *arg)
{
	struct one *one = arg;
	const struct kernels_callbacks *callbacks = &one->kernels->callbacks;

	callbacks->sockets(one->number, kernel_connection(one->kernel), callbacks->arg);
	if (one->is_own)
		one->own.ready(one->own.arg);
	changed(one);
}

static void on_hung(const char *reason, void *arg)
{
	struct one *one = arg;

	if (one->is_own)
		one->own.hung(reason, one->own.arg);
	changed(one);
}

static void on_restarting(const char *reason, void *arg)
{
	struct one *one = arg;

	if (one->is_own)
		one->own.restarting(reason, one->own.arg);
	changed(one);
}

static void on_ended(bool in_order, const char *reason, void *arg)
{
	struct one *one = arg;
	const struct kernels_callbacks *callbacks = &one->kernels->callbacks;

	reason_set(&one->reason, "%s%s",
		   one->is_left ? "who had it started has left before he was led to it: " : "",
		   reason);
	one->restarts = kernel_restarts(one->kernel);
	callbacks->sockets(one->number, NULL, callbacks->arg);
	one_end(one);
	if (one->is_own)
		one->own.ended(in_order, one->reason.text, one->own.arg);
	/* Last, since the session may end by it. */
	changed(one);
}

/* A free place, or that of the one whose end is known longest.  NULL: all live. */
static struct one **find_place(struct kernels *kernels)
{
	struct one **oldest = NULL;

	for (size_t i = 0; i < KERNELS_MAX; i++) {
		struct one **place = &kernels->ones[i];

		if (!*place)
			return place;
		if (!(*place)->kernel && (!oldest || (*place)->number < (*oldest)->number))
			oldest = place;
	}
	return oldest;
}

static int prepare(struct one *one, const char *name, struct reason *reason)
{
	const struct kernels_callbacks *callbacks = &one->kernels->callbacks;
	struct kernel_callbacks own = {on_spawned,    on_ready, on_hung,
				       on_restarting, on_ended, one};

	if (callbacks->choose(name, &one->choice, reason, callbacks->arg) < 0)
		return -1;
	one->options = *one->kernels->options;
	if (make_directory(one, reason) < 0)
		return -1;
	snprintf(one->name, sizeof(one->name), "%s", one->choice.spec->name);
	one->memory = memory_kill_create("");
	one->options.spec = one->choice.spec;
	one->options.python = one->choice.python;
	one->options.memory = one->memory;
	if (!one->memory ||
	    !(one->kernel = kernel_create(one->kernels->loop, &one->options, &own)))
		return reason_set(reason, "kernel: %s", strerror(errno));
	return 0;
}

int kernels_start(struct kernels *kernels, const char *name, const struct kernel_callbacks *own,
		  struct reason *reason)
{
	struct one **place = find_place(kernels), *one;

	if (!place) {
		errno = EMFILE;
		return reason_set(reason,
				  "%d kernels live in this session, as many as may: shut one "
				  "down first",
				  KERNELS_MAX);
	}
	if (!(one = calloc(1, sizeof(*one))))
		return reason_set(reason, "kernel: %s", strerror(errno));
	*one = (struct one){.kernels = kernels,
			    .number = kernels->last + 1,
			    .fd = -1,
			    .is_own = own != NULL};
	if (own)
		one->own = *own;
	if (prepare(one, name, reason) < 0) {
		int error = errno;

		one_free(one);
		errno = error;
		return -1;
	}
	one_free(*place);
	*place = one;
	kernels->last = one->number;
	if (kernel_start(one->kernel, reason) == 0)
		return (int) one->number;
	one_free(one);
	*place = NULL;
	return -1;
}

struct one *kernels_one(const struct kernels *kernels, unsigned number)
{
	for (size_t i = 0; i < KERNELS_MAX; i++)
		if (kernels->ones[i] && kernels->ones[i]->number == number)
			return kernels->ones[i];
	return NULL;
}

struct kernel *kernels_find(const struct kernels *kernels, unsigned number)
{
	const struct one *one = kernels_one(kernels, number);

	return one ? one->kernel : NULL;
}

size_t kernels_alive(const struct kernels *kernels)
{
	size_t alive = 0;

	for (size_t i = 0; i < KERNELS_MAX; i++)
		alive += kernels->ones[i] && kernels->ones[i]->kernel;
	return alive;
}

void kernels_leave(struct kernels *kernels, const void *client)
{
	for (size_t i = 0; i < KERNELS_MAX; i++) {
		struct one *one = kernels->ones[i];

		if (!one || !one->client || one->client != client)
			continue;
		one->client = NULL;
		one->is_left = true;
		kernel_stop(one->kernel, LEFT_GRACE_MS);
	}
}

void kernels_stop(struct kernels *kernels, int64_t grace_ms)
{
	for (size_t i = 0; i < KERNELS_MAX; i++)
		if (kernels->ones[i] && kernels->ones[i]->kernel)
			kernel_stop(kernels->ones[i]->kernel, grace_ms);
}

void kernels_end(struct kernels *kernels)
{
	for (size_t i = 0; i < KERNELS_MAX; i++)
		if (kernels->ones[i])
			one_end(kernels->ones[i]);
}

void kernels_each(const struct kernels *kernels,
		  void (*each)(unsigned number, const char *name, const char *state, void *arg),
		  void *arg)
{
	unsigned number = 0;

	for (size_t left = KERNELS_MAX; left > 0; left--) {
		const struct one *next = NULL;

		for (size_t i = 0; i < KERNELS_MAX; i++) {
			const struct one *one = kernels->ones[i];

			if (one && one->number > number &&
			    (!next || one->number < next->number))
				next = one;
		}
		if (!next)
			return;
		number = next->number;
		each(number, next->name,
		     kernel_state_name(next->kernel ? kernel_state(next->kernel)
						    : KERNEL_ENDED),
		     arg);
	}
}

struct kernels *kernels_create(struct loop *loop, const struct kernel_options *options,
			       const struct kernels_callbacks *callbacks)
{
	struct kernels *kernels = calloc(1, sizeof(*kernels));

	if (!kernels)
		return NULL;
	kernels->loop = loop;
	kernels->options = options;
	kernels->callbacks = *callbacks;
	return kernels;
}

void kernels_destroy(struct kernels *kernels)
{
	int error = errno;

	if (!kernels)
		return;
	for (size_t i = 0; i < KERNELS_MAX; i++)
		one_free(kernels->ones[i]);
	free(kernels);
	errno = error;
}
