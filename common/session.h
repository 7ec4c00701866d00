/* SPDX-License-Identifier: MIT */
/*
 * The session record, session.json in the user's state directory: what jupyter-launch and the
 * head write and sjupyter reads, all as the user.  A reader takes every byte of it as hostile.
 */
#ifndef COMMON_SESSION_H
#define COMMON_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "reason.h"

enum {
	SESSION_VERSION = 1,
	SESSION_FILE_MAX = 8 << 20, /* bytes; 10,000 nodes take less than 1 MiB, and workers of
				     * one kind on them another */
	SESSION_NODES_MAX = 65536,  /* Slurm's own limit of nodes in a job is MAX_SLURM_NODES */
	SESSION_WORKERS_MAX = 32,   /* kinds of workers in one session */
	SESSION_WORKERS_NODE_MAX = 1024, /* workers of one kind on a node */
	SESSION_MISSING_MAX = 32,	 /* missing workers that are named, of each kind */
	SESSION_MISSING_REASON = 1024,	 /* bytes of why one is missing, NUL included */
	SESSION_KERNELS_MAX = 32,	 /* bare kernels: as many as live, or have ended last */
	SESSION_KERNEL_NAME = 64,
	SESSION_MISSING_LOG = 4096 /* bytes of a missing worker's last lines, NUL included */
};

enum session_state {
	SESSION_STARTING, /* from the launcher's first line */
	SESSION_SERVING,  /* the server has answered the probe */
	SESSION_READY,	  /* and so have all workers */
	SESSION_DEGRADED, /* serving, but workers or nodes are missing: see reason */
	SESSION_DRAINING, /* ending in order */
	SESSION_ENDED,	  /* as asked: see reason */
	SESSION_FAILED	  /* see reason */
};

/* The moments of a session in order, as unix time in seconds; 0: not yet. */
enum session_phase {
	PHASE_TRIGGERED, /* slurm_spank_task_init, or sjupyter start */
	PHASE_LAUNCHED,	 /* srun of the session step is started */
	PHASE_HEAD,	 /* the head owns ip:port and has sent its endpoint */
	PHASE_NODES,	 /* agents of all nodes are admitted */
	PHASE_SPAWNED,	 /* the server process is started */
	PHASE_SERVING,	 /* the server has answered the probe */
	PHASE_READY,	 /* everything asked for is up */
	PHASE_DRAINING,
	PHASE_ENDED,
	PHASE_COUNT
};

struct session_node {
	char *name;
	char state[16]; /* "expected", "up" or "lost" */
};

/* A worker that should be there and is not. */
struct session_missing {
	char *node;	/* Slurm's name */
	unsigned index; /* on its node, from 0 */
	char *reason;	/* a person's words */
	char *log;	/* its last lines, each with its newline, or NULL */
};

struct session_workers_node {
	unsigned expected, ready;
};

/* The workers of one kind. */
struct session_workers {
	char *kind;
	char state[16]; /* "starting", "ready", "degraded" or "failed" */
	bool settled;	/* nothing that is missing is on its way any more */
	char *reason;	/* why degraded or failed */
	unsigned expected, ready;
	struct session_workers_node *nodes; /* session.node_count of them, in its order */
	struct session_missing *missing;    /* the first SESSION_MISSING_MAX */
	size_t missing_count;
};

/* A bare kernel, of --jupyter=kernel or started beside it. */
struct session_kernel {
	unsigned number;		/* from 1 */
	char name[SESSION_KERNEL_NAME]; /* its kernelspec's */
	char state[16]; /* "starting", "ready", "hung", "restarting", "exited", "ending" or
			 * "ended" */
};

/* All strings are owned, NULL where not known. */
struct session {
	char *job_id;	    /* raw SLURM_JOB_ID, digits */
	char *array_job_id; /* of a job array's task */
	char *array_task_id;
	char *step_id;	  /* of the session step, digits */
	unsigned restart; /* SLURM_RESTART_COUNT */
	char *cluster;
	char *user;
	char *app;
	enum session_state state;
	char *reason; /* a person's words: why degraded, ended or failed */
	char *url;    /* without token: http://ip:port/path */
	char *ip;
	unsigned port;
	char *head_node;
	pid_t head_pid;	   /* 0: not known */
	char *runtime_dir; /* node-local, on head_node */
	char *log;	   /* path of session.log */
	unsigned server_restarts;
	char *notebook;	      /* that is executed, by --jupyter=run */
	char *output;	      /* the executed one */
	unsigned cell, cells; /* that runs, or has been the last, of how many; 0: none yet */
	char *hub_url;	  /* of the hub's API; NULL, as all of these: no hub is told */
	char *hub_mode;	  /* "spawn", "stock" or "adopt" */
	char *hub_state;  /* one of session_hub_states */
	char *hub_reason; /* a person's words: why it is waiting, refused or an orphan */
	struct session_node *nodes;
	size_t node_count;
	struct session_workers *workers; /* by session_workers_add() */
	size_t workers_count;
	unsigned kernels_port; /* of a server's session: where its bare kernels are; 0: none */
	struct session_kernel kernels[SESSION_KERNELS_MAX];
	size_t kernel_count;
	double phases[PHASE_COUNT];
	double job_end_time; /* unix seconds, 0 unlimited or not known */
	double updated;	     /* set by session_write */
};

/* What a hub knows of a session; the list ends with NULL. */
extern const char *const session_hub_states[];

struct session *session_create(void);
void session_destroy(struct session *session);

const char *session_state_name(enum session_state state);
int session_state_parse(const char *name, enum session_state *state);
bool session_state_final(enum session_state state); /* ended or failed */
const char *session_phase_name(enum session_phase phase);

/* Sets an owned string; NULL clears.  0, or -1 with ENOMEM and the old one in place. */
int session_set(char **field, const char *value);

/*
 * Begins the workers of a kind, behind those that are there: "starting", nothing expected yet,
 * with a place for each of session->nodes, which stay as they are from then on.  The pointer
 * stays good.  NULL with EINVAL (not a name of text_is_name() below OPTIONS_NAME_MAX bytes, or
 * the kind is there), E2BIG (over SESSION_WORKERS_MAX) or ENOMEM.
 */
struct session_workers *session_workers_add(struct session *session, const char *kind);

/* Those of a kind; NULL when there are none. */
struct session_workers *session_workers_find(const struct session *session, const char *kind);

/* Forgets who is missing, to name them anew. */
void session_missing_clear(struct session_workers *workers);

/*
 * Names one that is missing.  reason may be any words, log any bytes (or NULL): both are kept
 * escaped, of reason the begin, of log the last lines.  0; 1 and nothing done when
 * SESSION_MISSING_MAX are named already; or -1 with EINVAL (node is no name, index is beyond
 * SESSION_WORKERS_NODE_MAX) or ENOMEM.
 */
int session_missing_add(struct session_workers *workers, const char *node, unsigned index,
			const char *reason, const char *log);

/* Now, as the phases and `updated` count it: CLOCK_REALTIME in seconds. */
double session_now(void);

/*
 * Writes session.json into the directory: a temporary file of mode 0600, fsync'd, then renamed,
 * so that a reader sees the old or the new one whole, also on a full disk.  0, or -1 with
 * errno.
 */
int session_write(struct session *session, int dirfd);

/*
 * Reads and checks it: a regular file of the caller's uid, not a link, at most
 * SESSION_FILE_MAX, every field of the right type and within bounds, unknown fields ignored.
 * The caller destroys *session. -1 with errno ENOENT (no session), EPROTO (hostile or cut),
 * ENOTSUP (version from the future, said in the reason), EPERM (not the caller's).
 */
int session_read(int dirfd, struct session **session, struct reason *reason);

/* As JSON text for --json, the same form as the file.  Caller frees; NULL with ENOMEM. */
char *session_to_json(const struct session *session);

#endif
