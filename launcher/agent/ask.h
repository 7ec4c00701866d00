/* SPDX-License-Identifier: MIT */
/*
 * `jupyter-agent --ask=RUNTIME_DIR`: carries one command from stdin to the head of a session on
 * this node and its answer back.  Started by sjupyter by way of srun, as the user.
 */
#ifndef AGENT_ASK_H
#define AGENT_ASK_H

/* The exit status: 0, or 1 when the answer is an error or there is none; why is on stderr. */
int ask_run(const char *runtime_dir);

#endif
