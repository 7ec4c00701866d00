/* SPDX-License-Identifier: MIT */
/*
 * The end of a head whose srun has ended before it: nobody but its lock tells.  In
 * jupyter-launch, as the user.
 */
#ifndef LAUNCH_HEAD_WAIT_H
#define LAUNCH_HEAD_WAIT_H

#include "launcher/loop.h"

/* Runs the loop until no head of the session in that state directory lives. */
void head_wait(struct loop *loop, int state_fd);

#endif
