/* SPDX-License-Identifier: MIT */
/*
 * What Slurm's queue says about jobs: asked of squeue and scontrol (queue.c), read from what
 * they print (queue_parse.c), and put into words (queue_words.c).  In sjupyter, as the user.
 */
#ifndef SJUPYTER_QUEUE_H
#define SJUPYTER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/reason.h"

enum {
	QUEUE_ID_MAX = 11,    /* bytes of a number of 32 bits, NUL included */
	QUEUE_STATE_MAX = 24, /* Slurm's longest state is RESV_DEL_HOLD */
	QUEUE_NODE_MAX = 256,
	QUEUE_REASON_MAX = 256, /* of Slurm's reason, which for some is a sentence */
	QUEUE_WORDS_MAX = 512	/* of queue_words() */
};

/* A line of the queue.  Texts are printable. */
struct queue_job {
	char id[QUEUE_ID_MAX];	     /* raw, as SLURM_JOB_ID has it */
	char array_id[QUEUE_ID_MAX]; /* "" when it is not of an array */
	char task_id[QUEUE_ID_MAX];  /* "" for those of an array that wait together */
	char state[QUEUE_STATE_MAX]; /* "RUNNING" */
	unsigned nodes;		     /* 0 not known */
	unsigned components;	     /* of a heterogeneous job; 0 for any other */
	double start, end;	     /* unix seconds, expected while pending; 0 not known */
	uid_t uid;
	char node[QUEUE_NODE_MAX]; /* the first one, "" not known */
	char reason[QUEUE_REASON_MAX];
};

/*
 * The jobs of one id ("123", "123_4"), or all of this user's with NULL, whatever their state;
 * Slurm forgets those that have ended after some minutes (MinJobAge).  The caller frees *jobs.
 * 0, or -1 with ENOENT (Slurm answers that there is no such job) or another errno (it did not
 * answer: nothing is known) and a reason.
 */
int queue_ask(const char *id, struct queue_job **jobs, size_t *count, struct reason *reason);

/* The one of them, or NULL. */
const struct queue_job *queue_find(const struct queue_job *jobs, size_t count, const char *id);

/* The number of the session step that runs in the job, its name being "jupyter".  0, or -1 with
 * ENOENT (there is none, or no such job) or another errno (no answer) and a reason. */
int queue_step(const char *job_id, char step_id[QUEUE_ID_MAX], struct reason *reason);

/* How often the job was started again. 0, or -1 and a reason. */
int queue_restarts(const char *job_id, unsigned *restarts, struct reason *reason);

/* The file that the job's stderr goes to; the caller frees.  NULL with a reason. */
char *queue_error_file(const char *job_id, struct reason *reason);

/* A value of slurm.conf as the controller has it.  The caller frees; NULL with a reason. */
char *queue_config(const char *key, struct reason *reason);

/* Slurm's KillWait, seconds; its default where it cannot be asked. */
long queue_kill_wait(void);

/* scancel's: signal NULL ends the job, or step where step_id is given.  0 or -1 and a reason.
 */
int queue_cancel(const char *job_id, const char *step_id, const char *signal,
		 struct reason *reason);

/* queue_parse.c: */

/* squeue's --format that queue_parse() reads. */
#define QUEUE_FORMAT "%A|%F|%K|%T|%D|%S|%e|%U|%B|%r"

/* Reads all of squeue's output; strict: -1 with EPROTO and a reason at the first line that is
 * not as asked, or with ENOMEM. */
int queue_parse(const char *text, struct queue_job **jobs, size_t *count,
		struct reason *reason);

/* The value of "   KEY=" or "KEY   = " at the beginning of a line of scontrol's output, to the
 * line's end.  The caller frees; NULL with ENOENT, EPROTO or ENOMEM. */
char *queue_parse_value(const char *text, const char *key);

/* queue_words.c: */

bool queue_state_is_pending(const char *state); /* will start, or start again */
bool queue_state_is_final(const char *state);	/* will not: COMPLETED, TIMEOUT, ... */

/* Slurm's reason in words with itself in brackets, "waiting for free resources (Resources)";
 * unknown ones as they are.  Returns buffer. */
const char *queue_words(const char *reason, char buffer[QUEUE_WORDS_MAX]);

#endif
