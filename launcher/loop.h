/* SPDX-License-Identifier: MIT */
/*
 * The one event loop of a process: descriptors (epoll), timers, signals (signalfd) and children
 * (pidfd).  Used by jupyter-launch, jupyter-agent and sjupyter tunnel, as the user.  Single
 * threaded; no callback may block.  With nothing to do it does not wake up.
 */
#ifndef LAUNCHER_LOOP_H
#define LAUNCHER_LOOP_H

#include <stdint.h>
#include <sys/types.h>

struct loop;
struct loop_fd;
struct loop_timer;
struct loop_child;

struct loop *loop_create(void); /* NULL with errno */
/* Not from within a callback.  Frees the watches, timers and children (not reaped) that are
 * left; their descriptors stay open, their signals blocked.  Accepts NULL. */
void loop_destroy(struct loop *loop);

/* Runs callbacks until loop_stop().  0, or -1 with the errno of epoll_wait. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* CLOCK_MONOTONIC in milliseconds, as of now. */
int64_t loop_now(void);

/*
 * Watches fd for EPOLL* events (level-triggered; EPOLLET may be given).  fd stays the caller's:
 * remove before closing.  Removing or adding any watch from within any callback is safe: a
 * removed watch's callback is not called any more, not even for events of the same round.  NULL
 * or -1 with errno.  Under EPOLLET, loop_fd_events() reports what is ready now once more, even
 * unchanged.
 */
typedef void loop_fd_callback(uint32_t events, void *arg);
struct loop_fd *loop_fd_add(struct loop *loop, int fd, uint32_t events,
			    loop_fd_callback *callback, void *arg);
int loop_fd_events(struct loop_fd *watch, uint32_t events); /* change; 0 events: paused */
void loop_fd_remove(struct loop_fd *watch);		    /* accepts NULL */

/* One-shot timers; created disarmed.  delay in milliseconds from now, 0 at once (but not from
 * within the call), negative disarms.  Re-arming replaces.  Tens of thousands of them are fine.
 */
typedef void loop_timer_callback(void *arg);
struct loop_timer *loop_timer_create(struct loop *loop, loop_timer_callback *callback,
				     void *arg);
void loop_timer_set(struct loop_timer *timer, int64_t delay_ms);
void loop_timer_destroy(struct loop_timer *timer); /* accepts NULL */

/* Blocks the signal in the process and calls back for it instead.  0 or -1 with errno. */
typedef void loop_signal_callback(int signo, void *arg);
int loop_signal_add(struct loop *loop, int signo, loop_signal_callback *callback, void *arg);

/*
 * Watches a child of ours by pidfd (SIGCHLD before Linux 5.3); reaps it and calls back once
 * with the status as waitpid gives it (-1 when somebody else has reaped it), then the watch is
 * gone.  loop_child_remove stops watching without reaping; from within the child's own callback
 * it does nothing.
 */
typedef void loop_child_callback(pid_t pid, int status, void *arg);
struct loop_child *loop_child_add(struct loop *loop, pid_t pid, loop_child_callback *callback,
				  void *arg);
int loop_child_kill(struct loop_child *child, int signo); /* by pidfd: never a recycled pid */
void loop_child_remove(struct loop_child *child);	  /* accepts NULL */

/*
 * Makes this process the parent of its descendants whose own parent has ended (a subreaper),
 * and reaps every child that nobody watches.  A child that is still to be watched must
 * therefore be so before the loop runs on.  0 or -1 with errno.
 */
int loop_reap_orphans(struct loop *loop);

#endif
