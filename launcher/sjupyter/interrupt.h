/* SPDX-License-Identifier: MIT */
/*
 * Ctrl-C and its like in the commands that have something to say before they end.  Until
 * interrupt_catch() is called the signals do what they do to any program.  In sjupyter, as the
 * user; one thread.
 */
#ifndef SJUPYTER_INTERRUPT_H
#define SJUPYTER_INTERRUPT_H

#include <poll.h>
#include <stdint.h>

/* From now on SIGINT, SIGTERM and SIGHUP are noted, and interrupt only interrupt_poll(). */
void interrupt_catch(void);

/* The first of them that came, 0 none. */
int interrupt_signal(void);

/*
 * poll(2), timeout in milliseconds, negative for ever.  -1 with EINTR when one of the signals
 * has come, also when it came before.  fds of -1 are passed over, as poll does.
 */
int interrupt_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ms);

#endif
