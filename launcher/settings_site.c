/* SPDX-License-Identifier: MIT */
/*
 * The keys of [site]: see settings_site.h.  Runs in jupyter-launch, jupyter-agent and sjupyter,
 * as the user.
 */
#include "launcher/settings_site.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/options.h"
#include "common/text.h"
#include "launcher/control/control.h"
#include "launcher/network.h"

/* The defaults, and what man/spank-jupyter.conf.5 tells of them. */
enum {
	WARN_DEFAULT = 300, /* seconds before the end: time to save a notebook by hand */
	INIT_TIMEOUT_DEFAULT =
		300,		  /* seconds: modules and conda on a cold shared file system */
	INIT_TIMEOUT_MAX = 86400, /* seconds: every wait is bounded */
	ORPHAN_GRACE_DEFAULT = 600, /* seconds: a hub that is put right again has that long */
	RESTARTS_DEFAULT = 3,
	RESTARTS_MAX = 100,
	LOG_BYTES_DEFAULT = 16 << 20,
	LOG_BYTES_MIN = 64 << 10,
	LOG_BYTES_MAX = 1 << 30,
	PORT_MAX = 65535,
	STAR_MAX = 65536 /* SESSION_NODES_MAX */
};

/* A setter takes a value without newlines, and answers -1 with EINVAL for one that is wrong, or
 * with ENOMEM. */
typedef int site_setter(struct settings *settings, size_t offset, const char *value);

static site_setter set_network, set_allow, set_ports, set_tmpdir, set_hub, set_hub_user,
	set_grace, set_time, set_wait, set_restarts, set_log, set_log_size, set_star;

static const struct {
	const char *name;
	site_setter *set;
	size_t offset; /* of the value in struct settings, for setters of several keys */
	const char *allowed;
} keys[SITE_KEYS] = {
	{"network", set_network, 0,
	 "the network of the nodes' addresses as ADDRESS/BITS, 10.0.0.0/8"},
	{"allow", set_allow, 0, "networks as ADDRESS/BITS separated by \",\""},
	{"ports", set_ports, 0, "FIRST-LAST with 1..65535, or 0 for any port"},
	{"tmpdir", set_tmpdir, 0,
	 "an absolute path of at most 36 bytes, on a disk of the node"},
	{"hub", set_hub, 0, "http://HOST[:PORT]/PATH, https://HOST[:PORT]/PATH, or none"},
	{"hub_user", set_hub_user, 0,
	 "the name or the uid of the account that the hub runs as"},
	{"orphan_grace", set_grace, 0,
	 "a time as Slurm writes it (MINUTES, HOURS:MINUTES:SECONDS, ...), or off"},
	{"idle", set_time, offsetof(struct settings, idle_default_s),
	 "a time as Slurm writes it (MINUTES, HOURS:MINUTES:SECONDS, ...), 0 for none"},
	{"idle_max", set_time, offsetof(struct settings, idle_max_s),
	 "a time as Slurm writes it (MINUTES, HOURS:MINUTES:SECONDS, ...), 0 for none"},
	{"warn", set_time, offsetof(struct settings, warn_default_s),
	 "a time as Slurm writes it (MINUTES, HOURS:MINUTES:SECONDS, ...), 0 for none"},
	{"init_timeout", set_wait, offsetof(struct settings, init_timeout_s),
	 "a time as Slurm writes it (MINUTES, HOURS:MINUTES:SECONDS, ...) from 0:01 to 1-0"},
	{"restarts", set_restarts, 0, "0..100"},
	{"log", set_log, 0, "error, warning, info or debug"},
	{"log_size", set_log_size, 0, "bytes, or a number with K, M or G, from 64K to 1G"},
	{"star_max", set_star, 0, "1..65536 nodes"},
};

int site_key(const char *key)
{
	for (int i = 0; i < SITE_KEYS; i++) {
		if (strcmp(key, keys[i].name) == 0)
			return i;
	}
	return -1;
}

const char *site_keys(char *text)
{
	char *at = text;

	for (int i = 0; i < SITE_KEYS; i++)
		at = stpcpy(stpcpy(at, i > 0 ? ", " : ""), keys[i].name);
	return text;
}

int site_init(struct settings *settings)
{
	settings->warn_default_s = WARN_DEFAULT;
	settings->init_timeout_s = INIT_TIMEOUT_DEFAULT;
	settings->orphan_grace_s = ORPHAN_GRACE_DEFAULT;
	settings->server_restarts_max = RESTARTS_DEFAULT;
	settings->log_level = SETTINGS_LOG_INFO;
	settings->log_max_bytes = LOG_BYTES_DEFAULT;
	settings->star_max = CONTROL_STAR_MAX;
	settings->tmpdir = strdup("/tmp");
	return settings->tmpdir != NULL ? 0 : -1;
}

void site_clear(struct settings *settings)
{
	free(settings->network);
	free(settings->allow);
	free(settings->tmpdir);
	free(settings->hub);
	free(settings->hub_user);
}

static int wrong(void)
{
	errno = EINVAL;
	return -1;
}

static int field_set(char **field, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return -1;
	free(*field);
	*field = copy;
	return 0;
}

static int set_network(struct settings *settings, size_t offset, const char *value)
{
	struct network network;

	(void) offset;
	if (strchr(value, '/') == NULL || network_parse(value, &network, NULL) != 0)
		return wrong();
	return field_set(&settings->network, value);
}

/* Kept without white space, as settings.h promises. */
static int set_allow(struct settings *settings, size_t offset, const char *value)
{
	char *copy = strdup(value), *list = malloc(strlen(value) + 1);
	char *rest = copy, *to = list, *item;
	struct network network;
	int result = -1;

	(void) offset;
	if (copy == NULL || list == NULL)
		goto done;
	while ((item = strsep(&rest, ",")) != NULL) {
		item += strspn(item, " ");
		for (size_t end = strlen(item); end > 0 && item[end - 1] == ' '; end--)
			item[end - 1] = '\0';
		if (strchr(item, '/') == NULL || network_parse(item, &network, NULL) != 0) {
			result = wrong();
			goto done;
		}
		to = stpcpy(stpcpy(to, to > list ? "," : ""), item);
	}
	result = field_set(&settings->allow, list);

done:
	free(copy);
	free(list);
	return result;
}

static int set_ports(struct settings *settings, size_t offset, const char *value)
{
	const char *dash = strchr(value, '-');
	unsigned long first, last;
	char text[sizeof("65535")];

	(void) offset;
	if (strcmp(value, "0") == 0) {
		settings->port_first = 0;
		settings->port_last = 0;
		return 0;
	}
	if (dash == NULL || (size_t) (dash - value) >= sizeof(text))
		return wrong();
	*(char *) mempcpy(text, value, (size_t) (dash - value)) = '\0';
	if (text_to_ulong(text, 1, PORT_MAX, &first) != 0 ||
	    text_to_ulong(dash + 1, first, PORT_MAX, &last) != 0)
		return wrong();
	settings->port_first = (unsigned) first;
	settings->port_last = (unsigned) last;
	return 0;
}

static int set_tmpdir(struct settings *settings, size_t offset, const char *value)
{
	(void) offset;
	if (*value != '/' || strlen(value) > SETTINGS_TMPDIR_MAX)
		return wrong();
	return field_set(&settings->tmpdir, value);
}

static int set_hub(struct settings *settings, size_t offset, const char *value)
{
	struct options options;
	int result;

	(void) offset;
	/* The same grammar as the option that it is the default of. */
	options_init(&options);
	result = options_set(&options, "jupyter-hub", value, NULL);
	options_clear(&options);
	if (result != 0)
		return errno == ENOMEM ? -1 : wrong();
	return field_set(&settings->hub, value);
}

/* Whether there is such an account is for each host to find out. */
static int set_hub_user(struct settings *settings, size_t offset, const char *value)
{
	(void) offset;
	if (!text_is_name(value, LOGIN_NAME_MAX))
		return wrong();
	return field_set(&settings->hub_user, value);
}

static int set_grace(struct settings *settings, size_t offset, const char *value)
{
	(void) offset;
	if (strcmp(value, "off") == 0) {
		settings->orphan_grace_s = 0;
		return 0;
	}
	return text_to_seconds(value, &settings->orphan_grace_s) == 0 ? 0 : wrong();
}

static long *seconds_at(struct settings *settings, size_t offset)
{
	return (long *) ((char *) settings + offset);
}

static int set_time(struct settings *settings, size_t offset, const char *value)
{
	return text_to_seconds(value, seconds_at(settings, offset)) == 0 ? 0 : wrong();
}

/* A time to wait at most, which cannot be without end. */
static int set_wait(struct settings *settings, size_t offset, const char *value)
{
	long seconds;

	if (text_to_seconds(value, &seconds) != 0 || seconds < 1 || seconds > INIT_TIMEOUT_MAX)
		return wrong();
	*seconds_at(settings, offset) = seconds;
	return 0;
}

static int set_restarts(struct settings *settings, size_t offset, const char *value)
{
	unsigned long number;

	(void) offset;
	if (text_to_ulong(value, 0, RESTARTS_MAX, &number) != 0)
		return wrong();
	settings->server_restarts_max = (unsigned) number;
	return 0;
}

static int set_log(struct settings *settings, size_t offset, const char *value)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	(void) offset;
	for (int i = SETTINGS_LOG_ERROR; i <= SETTINGS_LOG_DEBUG; i++) {
		if (strcmp(value, names[i]) == 0) {
			settings->log_level = i;
			return 0;
		}
	}
	return wrong();
}

static int set_log_size(struct settings *settings, size_t offset, const char *value)
{
	static const char units[] = "KMG";
	size_t length = strspn(value, "0123456789");
	unsigned long number, unit = 1;
	char digits[sizeof("1073741824")];

	(void) offset;
	if (length == 0 || length >= sizeof(digits))
		return wrong();
	*(char *) mempcpy(digits, value, length) = '\0';
	if (value[length] != '\0') {
		const char *at = strchr(units, value[length]);

		if (at == NULL || value[length + 1] != '\0')
			return wrong();
		unit = 1UL << (10 * (at - units + 1));
	}
	if (text_to_ulong(digits, 0, LOG_BYTES_MAX / unit, &number) != 0 ||
	    number * unit < LOG_BYTES_MIN)
		return wrong();
	settings->log_max_bytes = (long) (number * unit);
	return 0;
}

static int set_star(struct settings *settings, size_t offset, const char *value)
{
	unsigned long number;

	(void) offset;
	if (text_to_ulong(value, 1, STAR_MAX, &number) != 0)
		return wrong();
	settings->star_max = (unsigned) number;
	return 0;
}

int site_set(struct settings *settings, int key, const char *value, struct reason *reason)
{
	bool lines = keys[key].set == set_allow;
	char *joined, *newline;
	int result;

	if (!lines && strchr(value, '\n') != NULL) {
		reason_set(reason,
			   "not allowed here: give one line: of this section only allow may "
			   "go on in lines that begin with white space");
		return wrong();
	}
	joined = strdup(value);
	if (joined == NULL)
		return reason_set(reason, "not enough memory");
	for (newline = strchr(joined, '\n'); newline != NULL; newline = strchr(newline, '\n'))
		*newline = ' ';
	result = keys[key].set(settings, keys[key].offset, joined);
	if (result != 0 && errno == ENOMEM)
		reason_set(reason, "not enough memory");
	else if (result != 0)
		reason_set(reason, "not allowed here: give %s", keys[key].allowed);
	free(joined);
	return result;
}

int site_check(struct settings *settings, unsigned given, const char **key,
	       struct reason *reason)
{
	static const char idle[] = "idle";

	if (settings->idle_max_s == 0)
		return 0;
	if ((given & 1U << site_key(idle)) == 0) {
		settings->idle_default_s = settings->idle_max_s;
		return 0;
	}
	if (settings->idle_default_s > 0 && settings->idle_default_s <= settings->idle_max_s)
		return 0;
	*key = idle;
	reason_set(reason, "not allowed here: give a time that is not beyond idle_max");
	return wrong();
}
