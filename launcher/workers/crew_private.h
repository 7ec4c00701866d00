/* SPDX-License-Identifier: MIT */
/*
 * What the files of a crew share: crew.c (its workers), crew_prepare.c (what is done before the
 * first of them) and crew_tell.c (what the head is told).  Nobody else includes it; crew.h is
 * the interface.
 */
#ifndef WORKERS_CREW_PRIVATE_H
#define WORKERS_CREW_PRIVATE_H

#include <netinet/in.h>

#include "launcher/workers/crew.h"
#include "launcher/workers/host.h"
#include "launcher/workers/prepare.h"
#include "launcher/workers/variables.h"
#include "launcher/workers/worker.h"

struct crew {
	struct crew_options options;
	struct variables_options variables_options;
	struct variables variables;
	char ip[INET6_ADDRSTRLEN]; /* of the head */
	struct worker_kind kind;
	int share_fd, log_fd;
	struct prepare *prepare;
	bool prepared; /* prepare_node has ended well, or there is none */
	struct host *host;
	struct env *host_environment;
	char *host_argv[4];
	struct worker **workers; /* by index; NULL where there is none */
	unsigned slots;		 /* of workers */
	bool started;		 /* the head has said so */
	bool starting;		 /* start_due() runs */
	bool stopping, killed, stopped;
	struct loop_timer *timer; /* of stopping: the kill, then giving up */
	struct reason failure;	  /* why none can be started; "" */
	char failure_tail[WORKERS_TAIL_MAX];
};

/* crew_prepare.c */
/* Directories, variables, the host.  0, or -1 with a reason. */
int crew_setup(struct crew *crew, const struct workers_message *begin, struct reason *reason);
/* Runs prepare_node, then the host.  What fails is told. */
void crew_prepare(struct crew *crew);
void crew_cleanup(struct crew *crew); /* frees what both have made */

/* crew.c */
void crew_prepared(struct crew *crew);
void crew_failed(struct crew *crew, const char *reason, const char *tail);
void crew_check_stopped(struct crew *crew);

/* crew_tell.c */
void crew_tell_here(struct crew *crew);
/* Of a step, once its tasks may start here: they come by another way than the head's messages.
 */
void crew_tell_shared(struct crew *crew);
void crew_tell_failed(struct crew *crew);
/* What the worker is now, in a message's words: started, exited. */
void crew_tell_worker(struct crew *crew, const struct worker *worker);
void crew_tell_ready(struct crew *crew, const struct worker *worker);
void crew_tell_retired(struct crew *crew, const struct worker *worker);

#endif
