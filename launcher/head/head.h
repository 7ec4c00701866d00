/* SPDX-License-Identifier: MIT */
/*
 * What the head's files share: head.c (the end), state.c (the session's states), nodes.c (the
 * agents of the job's nodes), workers.c and kind*.c (their workers), documents.c (what is open
 * in browsers) and words.c (what the user is told).  In the agent of rank 0, as the user.
 */
#ifndef HEAD_HEAD_H
#define HEAD_HEAD_H

#include <netinet/in.h>
#include <stdbool.h>

#include "launcher/agent/agent.h"
#include "launcher/agent/init_file.h"
#include "launcher/runtime_dir.h"
#include "launcher/control/control.h"
#include "launcher/network.h"
#include "launcher/head/idle.h"
#include "launcher/head/job_end.h"
#include "launcher/head/record.h"
#include "launcher/head/relay.h"
#include "launcher/head/save.h"
#include "launcher/head/server.h"
#include "launcher/session_log.h"

/* Where each "${name}" of a recipe comes from. */
enum { HEAD_VARIABLES_MAX = 16 };

struct branches;
struct kernel_app;
struct kernel_host;
struct commands;
struct run_app;
struct hub;

struct head {
	struct agent *agent;
	struct runtime_dir runtime;
	int state_fd; /* the user's state directory, or runtime.fd when that cannot be had */
	int lock_fd;
	struct session_log *log;
	struct record *record;
	char *token_file, *socket_path, *root_dir;
	char ip[INET6_ADDRSTRLEN];
	char port[8];
	const char *variables[2 * HEAD_VARIABLES_MAX + 1];
	struct relay *relay;
	struct control_server *control;
	struct branches *branches; /* NULL: the agents are a star */
	struct init_file *init;
	struct workers *workers;	 /* NULL: none were asked for */
	struct kernel_app *kernel_app;	 /* of --jupyter=kernel, else NULL */
	struct run_app *run_app;	 /* of --jupyter=run, else NULL */
	struct kernel_host *kernel_host; /* NULL: no bare kernel was wanted yet */
	struct hub *hub;		 /* NULL: no JupyterHub is told */
	struct commands *commands;
	struct env *server_environment;
	struct server_options server_options;
	struct server *server;
	struct job_end *job_end;
	struct idle *idle;
	struct save *save; /* while the server is asked for one */
	struct loop_timer *nodes_deadline;
	struct loop_timer *end_timer; /* of members, once the server has ended */
	size_t nodes_up, nodes_lost;
	bool prepared, serving, serving_announced, announced, ending, ending_members;
	enum session_state final_state;
	int status; /* exit status */
};

/* nodes.c */
int head_nodes_start(struct head *head, struct reason *reason);
void head_nodes_stop(struct head *head);	   /* tells the members to end */
bool head_nodes_all_gone(const struct head *head); /* no member is connected */

/* words.c */
void head_say(struct head *head, const char *format, ...) __attribute__((format(printf, 2, 3)));
void head_log(struct head *head, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* setup.c */
/* What can fail before there is a record to tell it. */
int head_prepare(struct head *head, struct reason *reason);
int head_start(struct head *head, struct reason *reason);
/* On the session's address: the descriptor, *port and who is let in (the caller frees), or -1
 * with a reason. */
int head_listen(struct head *head, unsigned *port, struct network **networks, size_t *count,
		struct reason *reason);

/* app.c */
int head_start_app(struct head *head, struct reason *reason);
/* All kinds of workers are prepared: the server may start. */
void head_prepared(struct head *head);
/* The hub has said what the server needs of it, or it goes without. */
void head_hub_decided(struct head *head);
/* What happens to the app, a server or a kernel: its callbacks, arg is the head. */
void head_app_spawned(void *arg);
void head_app_serving(void *arg);
void head_app_restarting(const char *reason, void *arg);
void head_app_ended(bool in_order, const char *reason, void *arg);

/* head.c: the session begins to end; only the first call counts. */
void head_begin_end(struct head *head, enum session_state final_state, const char *reason);
/* head.c: the server has ended: the members may go, then we. */
void head_end_members(struct head *head);
/* head.c: what is open in browsers is saved, the server is told to end, then the members, then
 * we. */
void head_end_in_order(struct head *head, const char *reason);
/* head.c: the part of that behind the saving. */
void head_end_app(struct head *head);
/* head.c: both of these at once, with the state failed. */
void head_fail(struct head *head, const char *reason);
/* head.c: the members had their time. */
void head_finish_timer(void *head);

/* documents.c */
/* The job ends then: what is unsaved is saved, and its user told. */
void head_documents_warn(struct head *head, time_t end);
/* The session ends: true when head_end_app() is called as soon as all is saved, or a few
 * seconds later. */
bool head_documents_end(struct head *head);

/* state.c: nodes or workers have come or gone, so the session's state may be another. */
void head_update(struct head *head);
/* head.c: a member has gone while the session ends. */
void head_member_gone(struct head *head);
/* head.c: the workers of this node and all controllers have ended. */
void head_workers_gone(struct head *head);

#endif
