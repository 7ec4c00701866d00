/* SPDX-License-Identifier: MIT */
/*
 * The site's settings and the recipes: spank-jupyter.conf and the shipped recipe files, INI,
 * read with libinih by jupyter-launch, jupyter-agent and sjupyter, as the user (never by the
 * plugin).
 */
#ifndef LAUNCHER_SETTINGS_H
#define LAUNCHER_SETTINGS_H

#include <stddef.h>

#include "common/reason.h"
#include "launcher/recipe.h"

enum {
	SETTINGS_FILE_MAX = 1 << 20, /* bytes of one file */
	SETTINGS_RECIPES_MAX = 256,  /* apps, kinds of workers, recipe files */

	/*
	 * Bytes of the path of a session's runtime directory.  In it jupyter_client names a
	 * kernel's socket /kernel-UUID-ipc-N (50), and a unix socket's path has 107 bytes
	 * (sun_path, unix(7)); measured: 57 works, 58 does not.
	 */
	SETTINGS_RUNTIME_MAX = 57,
	/* Bytes of tmpdir, in which even the shortest name of that directory takes 21. */
	SETTINGS_TMPDIR_MAX = 36
};

/* The severities of a log, as settings.log_level holds them. */
enum settings_log {
	SETTINGS_LOG_ERROR,
	SETTINGS_LOG_WARNING,
	SETTINGS_LOG_INFO,
	SETTINGS_LOG_DEBUG
};

struct settings {
	char *network; /* CIDR to find the node's address in, or NULL */
	char *allow;   /* allowed peers, CIDRs separated by commas alone, or NULL: all */
	unsigned port_first, port_last; /* 0,0: any */
	char *tmpdir;			/* node-local, absolute, default /tmp */
	char *hub;	/* default --jupyter-hub (an http or https URL, or "none"), or NULL */
	char *hub_user; /* the hub's account, a name or a uid, or NULL */
	long orphan_grace_s; /* of a session that its hub does not know any more; 0: for ever */
	long idle_default_s, idle_max_s; /* 0: none; the default is never beyond the ceiling */
	long warn_default_s;		 /* 0: none */
	long init_timeout_s;
	unsigned server_restarts_max;
	int log_level;	    /* enum settings_log */
	long log_max_bytes; /* of session.log */
	unsigned star_max;  /* agents that all connect to the head */
	struct recipe *apps;
	size_t app_count;
	struct recipe *kinds; /* of workers */
	size_t kind_count;
};

/*
 * Reads the shipped recipes (every *.conf of the package's recipes directory, in order of
 * name), then file: a section there of the same name replaces the shipped one.  file NULL: the
 * package's default path, which may be missing; a path given must be there.  NULL with a reason
 * that names file, line, what was found and what is allowed; errno EINVAL for what a file says,
 * else that of open or
 * read.
 */
struct settings *settings_load(const char *file, struct reason *reason);
void settings_destroy(struct settings *settings);

/* The same with the recipes of another directory; absolute; NULL: the package's. */
struct settings *settings_load_from(const char *recipes_dir, const char *file,
				    struct reason *reason);

/* NULL with ENOENT and a reason that lists the known apps. */
const struct recipe *settings_app(const struct settings *settings, const char *name,
				  struct reason *reason);

/* The same for a kind of workers. */
const struct recipe *settings_workers(const struct settings *settings, const char *kind,
				      struct reason *reason);

#endif
