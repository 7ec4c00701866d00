/* SPDX-License-Identifier: MIT */
/* See worker.h. */
#include "launcher/control/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Bytes of the thread's stack; libmunge keeps its messages on the heap. */
enum { STACK_SIZE = 256 * 1024 };

struct queue {
	struct worker_job *first, **last;
};

/* What thread and loop share; the last of the two frees it. */
struct shared {
	pthread_mutex_t mutex;
	pthread_cond_t work;
	struct queue waiting, finished;
	size_t count; /* of waiting */
	int event_fd; /* readable: something is finished; -1 once the worker is gone */
	bool idle, busy, stop;
	bool threaded; /* the thread holds it too */
};

struct worker {
	struct loop_fd *watch;
	struct shared *shared;
	pthread_t thread;
	size_t max;
	bool dispatching, ending; /* destroyed from within done() */
};

static void queue_init(struct queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

static void queue_push(struct queue *queue, struct worker_job *job)
{
	job->next = NULL;
	*queue->last = job;
	queue->last = &job->next;
}

static struct worker_job *queue_pop(struct queue *queue)
{
	struct worker_job *job = queue->first;

	if (job) {
		queue->first = job->next;
		if (!queue->first)
			queue->last = &queue->first;
	}
	return job;
}

static void queue_drop(struct queue *queue)
{
	struct worker_job *job;

	while ((job = queue_pop(queue)))
		job->drop(job);
}

static void shared_free(struct shared *shared)
{
	pthread_cond_destroy(&shared->work);
	pthread_mutex_destroy(&shared->mutex);
	free(shared);
}

static void *thread_main(void *arg)
{
	struct shared *shared = arg;
	struct worker_job *job;

	pthread_setname_np(pthread_self(), "worker");
	pthread_mutex_lock(&shared->mutex);
	for (;;) {
		while (!shared->stop && !shared->waiting.first) {
			shared->idle = true;
			pthread_cond_wait(&shared->work, &shared->mutex);
			shared->idle = false;
		}
		if (shared->stop)
			break;
		job = queue_pop(&shared->waiting);
		shared->count--;
		shared->busy = true;
		pthread_mutex_unlock(&shared->mutex);
		job->run(job);
		pthread_mutex_lock(&shared->mutex);
		shared->busy = false;
		if (shared->stop) {
			/* Nobody joins: worker_destroy found the thread busy and detached it.
			 */
			pthread_mutex_unlock(&shared->mutex);
			job->drop(job);
			shared_free(shared);
			return NULL;
		}
		/* The loop has been woken for what is there. */
		if (!shared->finished.first)
			eventfd_write(shared->event_fd, 1);
		queue_push(&shared->finished, job);
	}
	pthread_mutex_unlock(&shared->mutex);
	return NULL;
}

static void on_finished(uint32_t events, void *arg)
{
	struct worker *worker = arg;
	struct worker_job *job;
	struct queue finished;
	eventfd_t count;

	(void) events;
	queue_init(&finished);
	pthread_mutex_lock(&worker->shared->mutex);
	eventfd_read(worker->shared->event_fd, &count);
	while ((job = queue_pop(&worker->shared->finished)))
		queue_push(&finished, job);
	pthread_mutex_unlock(&worker->shared->mutex);
	worker->dispatching = true;
	while (!worker->ending && (job = queue_pop(&finished)))
		job->done(job);
	worker->dispatching = false;
	if (worker->ending) {
		queue_drop(&finished);
		free(worker);
	}
}

struct worker *worker_create(struct loop *loop, size_t max)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	struct shared *shared = calloc(1, sizeof(*shared));
	int saved;

	if (!worker || !shared)
		goto error;
	shared->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (shared->event_fd < 0)
		goto error;
	worker->watch = loop_fd_add(loop, shared->event_fd, EPOLLIN, on_finished, worker);
	if (!worker->watch)
		goto error;
	pthread_mutex_init(&shared->mutex, NULL);
	pthread_cond_init(&shared->work, NULL);
	queue_init(&shared->waiting);
	queue_init(&shared->finished);
	worker->shared = shared;
	worker->max = max;
	return worker;

error:
	saved = errno;
	if (shared && shared->event_fd > 0)
		close(shared->event_fd);
	free(shared);
	free(worker);
	errno = saved;
	return NULL;
}

/* With all signals blocked: they are for the loop's signalfd. */
static int thread_start(struct worker *worker)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int error = pthread_attr_init(&attributes);

	if (error == 0) {
		pthread_attr_setstacksize(&attributes, STACK_SIZE);
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		error = pthread_create(&worker->thread, &attributes, thread_main,
				       worker->shared);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		pthread_attr_destroy(&attributes);
	}
	if (error != 0) {
		errno = error;
		return -1;
	}
	worker->shared->threaded = true;
	return 0;
}

int worker_submit(struct worker *worker, struct worker_job *job)
{
	struct shared *shared = worker->shared;
	bool full;

	if (!shared->threaded && thread_start(worker) < 0)
		return -1;
	pthread_mutex_lock(&shared->mutex);
	full = shared->count >= worker->max;
	if (!full) {
		queue_push(&shared->waiting, job);
		shared->count++;
		if (shared->idle)
			pthread_cond_signal(&shared->work);
	}
	pthread_mutex_unlock(&shared->mutex);
	if (full) {
		errno = EAGAIN;
		return -1;
	}
	return 0;
}

void worker_destroy(struct worker *worker)
{
	struct shared *shared;
	bool detached = false;
	int saved = errno;

	if (!worker)
		return;
	shared = worker->shared;
	loop_fd_remove(worker->watch);
	pthread_mutex_lock(&shared->mutex);
	shared->stop = true;
	close(shared->event_fd);
	queue_drop(&shared->waiting);
	queue_drop(&shared->finished);
	if (shared->busy) {
		detached = true;
		pthread_detach(worker->thread);
	}
	pthread_cond_signal(&shared->work);
	pthread_mutex_unlock(&shared->mutex);
	if (!detached) {
		if (shared->threaded)
			pthread_join(worker->thread, NULL);
		shared_free(shared);
	}
	worker->ending = true;
	if (!worker->dispatching)
		free(worker);
	errno = saved;
}
