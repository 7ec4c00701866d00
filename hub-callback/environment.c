/* SPDX-License-Identifier: MIT */
/* See environment.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "hub-callback/environment.h"

struct node_name {
	const char *name; /* with a final '*': all that begin so */
	bool usual;	  /* every hub sends it (Spawner.env_keep of JupyterHub 1 to 5, and what
			   * LocalProcessSpawner adds): nothing to tell */
};

static const struct node_name node_names[] = {
	/* The user's account and the node's places. */
	{"HOME", true},
	{"USER", true},
	{"SHELL", true},
	{"LOGNAME", false},
	{"PWD", false},
	{"OLDPWD", false},
	{"TMPDIR", false},
	{"XDG_RUNTIME_DIR", false},
	{"HOSTNAME", false},
	{"LANG", true},
	{"LC_ALL", true},
	/* Where programs and their libraries are; recipes and --jupyter-init see to that. */
	{"PATH", true},
	{"PYTHONPATH", true},
	{"PYTHONHOME", false},
	{"CONDA_ROOT", true},
	{"CONDA_DEFAULT_ENV", true},
	{"VIRTUAL_ENV", true},
	{"LD_*", false},
	/* What shells run or split words by. */
	{"BASH_ENV", false},
	{"ENV", false},
	{"IFS", false},
	/* The job's and the session's. */
	{"SLURM_*", false},
	{"SLURMD_*", false},
	{"SRUN_*", false},
	{"SBATCH_*", false},
	{"SALLOC_*", false},
	{"SPANK_*", false},
	{"PMI*", false},
	{"MUNGE_*", false}};

static const struct node_name *node_name_find(const char *name)
{
	for (size_t i = 0; i < sizeof(node_names) / sizeof(node_names[0]); i++) {
		const char *own = node_names[i].name;
		size_t length = strlen(own);

		if (own[length - 1] == '*' ? !strncmp(name, own, length - 1)
					   : !strcmp(name, own))
			return &node_names[i];
	}
	return NULL;
}

/* A name as POSIX has it; small letters too, for http_proxy and the like. */
static bool is_variable(const char *name)
{
	size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "_0123456789");

	return length > 0 && name[length] == '\0' && length < ENVIRONMENT_NAME_MAX &&
	       (name[0] < '0' || name[0] > '9');
}

static void leave_out(const char *name, char left_out[ENVIRONMENT_LEFT_OUT_MAX])
{
	size_t used = strlen(left_out), length = strlen(name);

	/* Room for a space, the name and the dots. */
	if (used + 1 + length + sizeof(" ...") <= ENVIRONMENT_LEFT_OUT_MAX)
		snprintf(left_out + used, ENVIRONMENT_LEFT_OUT_MAX - used, "%s%s",
			 used > 0 ? " " : "", name);
	else if (used < 4 || strcmp(left_out + used - 4, " ...") != 0)
		snprintf(left_out + used, ENVIRONMENT_LEFT_OUT_MAX - used, " ...");
}

static int refuse(const char *name, const char *what, struct reason *reason)
{
	errno = EPROTO;
	return reason_set(reason, "in the environment from the hub \"%.64s\" %s", name, what);
}

static int variable_take(json_t *taken, const char *name, json_t *value, size_t *total,
			 char left_out[ENVIRONMENT_LEFT_OUT_MAX], struct reason *reason)
{
	const struct node_name *node_name;

	if (!is_variable(name))
		return refuse(name, "is not the name of a variable: letters, digits and \"_\"",
			      reason);
	if (!json_is_string(value))
		return refuse(name, "is not a string", reason);
	if (json_string_length(value) >= ENVIRONMENT_VALUE_MAX)
		return refuse(name, "is longer than 65535 bytes", reason);
	*total += strlen(name) + json_string_length(value) + 2;
	if (*total > ENVIRONMENT_TOTAL_MAX)
		return refuse(name, "is beyond the 192 KiB that all may have together", reason);
	node_name = node_name_find(name);
	if (node_name) {
		if (!node_name->usual)
			leave_out(name, left_out);
		return 0;
	}
	if (json_object_set(taken, name, value) < 0) {
		errno = ENOMEM;
		return reason_set(reason, "%s", strerror(ENOMEM));
	}
	return 0;
}

json_t *environment_take(const json_t *given, char left_out[ENVIRONMENT_LEFT_OUT_MAX],
			 struct reason *reason)
{
	json_t *taken = json_object();
	const char *name;
	json_t *value;
	size_t total = 0;
	int saved;

	left_out[0] = '\0';
	if (!taken) {
		errno = ENOMEM;
		reason_set(reason, "%s", strerror(ENOMEM));
		return NULL;
	}
	if (json_object_size(given) > ENVIRONMENT_COUNT_MAX) {
		errno = EPROTO;
		reason_set(reason, "the environment from the hub has over %d variables",
			   ENVIRONMENT_COUNT_MAX);
		goto error;
	}
	json_object_foreach((json_t *) given, name, value)
	{
		if (variable_take(taken, name, value, &total, left_out, reason) < 0)
			goto error;
	}
	return taken;

error:
	saved = errno;
	json_decref(taken);
	errno = saved;
	return NULL;
}
