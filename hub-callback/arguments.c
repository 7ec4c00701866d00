/* SPDX-License-Identifier: MIT */
/* See arguments.h. */
#include "hub-callback/arguments.h"

#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/text.h"
#include "hub-callback/record.h"
#include "hub-callback/reply.h"

enum { DEADLINE_MAX_S = 86400 };

/* Their order is that of `words`. */
enum option_index {
	WORD_MODE,
	WORD_HUB,
	WORD_HUB_UID,
	WORD_USER,
	WORD_JOB,
	WORD_RESTART,
	WORD_CLUSTER,
	WORD_DEADLINE,
	WORD_HELP,
	/* Those of post. */
	WORD_IP,
	WORD_PORT,
	WORD_SCHEME,
	WORD_NODE,
	WORD_HEAD,
	WORD_APP,
	WORD_STATE,
	WORD_REASON,
	WORD_LAST_ACTIVITY,
	WORD_BUSY,
	WORD_COUNT
};

static const struct option words[] = {
	[WORD_MODE] = {"mode", required_argument, NULL, WORD_MODE},
	[WORD_HUB] = {"hub", required_argument, NULL, WORD_HUB},
	[WORD_HUB_UID] = {"hub-uid", required_argument, NULL, WORD_HUB_UID},
	[WORD_USER] = {"user", required_argument, NULL, WORD_USER},
	[WORD_JOB] = {"job", required_argument, NULL, WORD_JOB},
	[WORD_RESTART] = {"restart", required_argument, NULL, WORD_RESTART},
	[WORD_CLUSTER] = {"cluster", required_argument, NULL, WORD_CLUSTER},
	[WORD_DEADLINE] = {"deadline", required_argument, NULL, WORD_DEADLINE},
	[WORD_HELP] = {"help", no_argument, NULL, WORD_HELP},
	[WORD_IP] = {"ip", required_argument, NULL, WORD_IP},
	[WORD_PORT] = {"port", required_argument, NULL, WORD_PORT},
	[WORD_SCHEME] = {"scheme", required_argument, NULL, WORD_SCHEME},
	[WORD_NODE] = {"node", required_argument, NULL, WORD_NODE},
	[WORD_HEAD] = {"head", required_argument, NULL, WORD_HEAD},
	[WORD_APP] = {"app", required_argument, NULL, WORD_APP},
	[WORD_STATE] = {"state", required_argument, NULL, WORD_STATE},
	[WORD_REASON] = {"reason", required_argument, NULL, WORD_REASON},
	[WORD_LAST_ACTIVITY] = {"last-activity", required_argument, NULL, WORD_LAST_ACTIVITY},
	[WORD_BUSY] = {"busy", no_argument, NULL, WORD_BUSY},
	[WORD_COUNT] = {NULL, 0, NULL, 0}};

/* Values as they are given; NULL where they are not. */
struct given {
	const char *values[WORD_COUNT];
	const char *nodes[RECORD_NODES_MAX];
	size_t node_count;
};

static enum arguments_result wrong(void)
{
	errno = EINVAL;
	return ARGUMENTS_WRONG;
}

static const char *env_text(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static enum arguments_result collect(int argc, char *argv[], bool with_fields,
				     struct given *given, struct reason *reason)
{
	int word;

	opterr = 0;
	optind = 1;
	while ((word = getopt_long(argc, argv, "+", words, NULL)) != -1) {
		if (word == WORD_HELP)
			return ARGUMENTS_HELP;
		if (word == '?' || (!with_fields && word >= WORD_IP)) {
			reason_set(reason, "\"%s\" is not known, or lacks its value",
				   argv[optind - 1]);
			return wrong();
		}
		if (word == WORD_NODE) {
			if (given->node_count == RECORD_NODES_MAX) {
				reason_set(reason, "--node: at most %d are named",
					   RECORD_NODES_MAX);
				return wrong();
			}
			given->nodes[given->node_count++] = optarg;
		}
		given->values[word] = optarg ? optarg : "";
	}
	if (optind < argc) {
		reason_set(reason, "\"%s\" is one argument too many", argv[optind]);
		return wrong();
	}
	return ARGUMENTS_GOOD;
}

/* A number of an option, or of a variable where that is not given; found says whether it is
 * there. */
static int read_number(const struct given *given, enum option_index word, const char *variable,
		       unsigned long most, bool *found, unsigned long *number,
		       struct reason *reason)
{
	const char *text = given->values[word];

	if (!text && variable)
		text = env_text(variable);
	*found = text != NULL;
	if (!text || text_to_ulong(text, 0, most, number) == 0)
		return 0;
	errno = EINVAL;
	if (given->values[word])
		return reason_set(reason, "--%s=%s is wrong; allowed: 0 to %lu",
				  words[word].name, text, most);
	return reason_set(reason, "%s=%s is wrong; allowed: 0 to %lu", variable, text, most);
}

static int read_mode(const struct given *given, struct hub_identity *identity,
		     struct reason *reason)
{
	const char *name = given->values[WORD_MODE];

	if (name && hub_mode_parse(name, &identity->mode) < 0)
		return reason_set(reason, "--mode=%s is wrong; allowed: spawn, stock, adopt",
				  name);
	if (name)
		return 0;
	if (env_text("SPANK_JUPYTER_SPAWN_ID"))
		identity->mode = HUB_SPAWN;
	else if (env_text("JUPYTERHUB_API_TOKEN") && env_text("JUPYTERHUB_API_URL"))
		identity->mode = HUB_STOCK;
	else
		identity->mode = HUB_ADOPT;
	return 0;
}

/* What belongs to the hub of JUPYTERHUB_API_URL is for no other: a job submitted from a server
 * of one hub has its token in the environment. */
static int read_hub(const struct given *given, struct arguments *arguments,
		    struct reason *reason)
{
	struct hub_identity *identity = &arguments->identity;
	const char *own = env_text("JUPYTERHUB_API_URL");
	const char *hub = given->values[WORD_HUB] ? given->values[WORD_HUB] : own;
	char *own_api = NULL;
	bool same;

	if (!hub) {
		errno = EINVAL;
		return reason_set(reason, "--hub is missing, and so is JUPYTERHUB_API_URL");
	}
	arguments->api = hub_api_url(identity->mode, hub, reason);
	if (!arguments->api)
		return -1;
	identity->api = arguments->api;
	if (own)
		own_api = hub_api_url(identity->mode, own, NULL);
	same = !own || (own_api && !strcmp(own_api, arguments->api));
	free(own_api);
	if (!same) {
		if (identity->mode != HUB_STOCK)
			return 0;
		errno = EINVAL;
		return reason_set(reason,
				  "--hub=%s is not JUPYTERHUB_API_URL, the hub whose token "
				  "JUPYTERHUB_API_TOKEN is",
				  hub);
	}
	identity->token = env_text("JUPYTERHUB_API_TOKEN");
	arguments->http.key_file = env_text("JUPYTERHUB_SSL_KEYFILE");
	arguments->http.certificate_file = env_text("JUPYTERHUB_SSL_CERTFILE");
	arguments->http.authority_file = env_text("JUPYTERHUB_SSL_CLIENT_CA");
	return 0;
}

/* Whether both are the same host, one perhaps with its domain. */
static bool same_host(const char *a, const char *b)
{
	size_t length = strcspn(a, ".");

	return length == strcspn(b, ".") && !strncmp(a, b, length);
}

static void read_place(struct arguments *arguments)
{
	const char *submitted = env_text("SLURM_SUBMIT_HOST");
	char host[256];

	arguments->http.hub_may_be_here = true;
	if (submitted && gethostname(host, sizeof(host)) == 0) {
		host[sizeof(host) - 1] = '\0';
		arguments->http.hub_may_be_here = same_host(submitted, host);
	}
}

static const char *or_env(const char *value, const char *variable)
{
	return value ? value : env_text(variable);
}

static int read_who(const struct given *given, struct arguments *arguments,
		    struct reason *reason)
{
	struct hub_identity *identity = &arguments->identity;
	unsigned long number;
	bool found;

	identity->cluster = or_env(given->values[WORD_CLUSTER], "SLURM_CLUSTER_NAME");
	identity->job_id = or_env(given->values[WORD_JOB], "SLURM_JOB_ID");
	identity->spawn_id = env_text("SPANK_JUPYTER_SPAWN_ID");
	identity->server_name = getenv("JUPYTERHUB_SERVER_NAME");
	if (!identity->server_name)
		identity->server_name = "";
	identity->user = given->values[WORD_USER];
	if (!identity->user) {
		const struct passwd *account = getpwuid(geteuid());

		if (account)
			arguments->user = strdup(account->pw_name);
		identity->user = arguments->user;
	}
	if (read_number(given, WORD_HUB_UID, "SPANK_JUPYTER_HUB_UID", UINT32_MAX - 1,
			&identity->hub_uid_known, &number, reason) < 0)
		return -1;
	identity->hub_uid = identity->hub_uid_known ? (uid_t) number : geteuid();
	arguments->http.hub_uid = identity->hub_uid;
	if (read_number(given, WORD_RESTART, "SLURM_RESTART_COUNT", UINT32_MAX, &found, &number,
			reason) < 0)
		return -1;
	identity->restart = found ? (unsigned) number : 0;
	if (read_number(given, WORD_DEADLINE, NULL, DEADLINE_MAX_S, &found, &number, reason) <
	    0)
		return -1;
	arguments->deadline_ms = found ? (int64_t) number * 1000 : -1;
	return hub_identity_check(identity, reason);
}

/* The fields of `post`. */

static int field_text(json_t *fields, const char *name, const char *value)
{
	return value ? json_object_set_new(fields, name, json_string(value)) : 0;
}

static int field_number(json_t *fields, const char *name, const char *value)
{
	unsigned long number;

	if (!value)
		return 0;
	/* What is not a number is for record_check() to refuse. */
	if (text_to_ulong(value, 0, INT64_MAX, &number) < 0)
		return field_text(fields, name, value);
	return json_object_set_new(fields, name, json_integer((json_int_t) number));
}

static int fields_serving(json_t *fields, const struct given *given)
{
	const char *head = or_env(given->values[WORD_HEAD], "SLURMD_NODENAME");
	const char *scheme = given->values[WORD_SCHEME] ? given->values[WORD_SCHEME] : "http";
	json_t *nodes = json_array();
	int rc = 0;

	for (size_t i = 0; i < given->node_count && rc == 0; i++)
		rc = json_array_append_new(nodes, json_string(given->nodes[i]));
	if (rc == 0 && given->node_count == 0 && head)
		rc = json_array_append_new(nodes, json_string(head));
	if (json_array_size(nodes) > 0)
		rc |= json_object_set(fields, "nodes", nodes);
	json_decref(nodes);
	return rc | field_text(fields, "ip", given->values[WORD_IP]) |
	       field_number(fields, "port", given->values[WORD_PORT]) |
	       field_text(fields, "scheme", scheme) | field_text(fields, "head", head) |
	       field_text(fields, "app", given->values[WORD_APP]);
}

static int fields_activity(json_t *fields, const struct given *given)
{
	const char *last = given->values[WORD_LAST_ACTIVITY];
	int rc = last ? field_number(fields, "last_activity", last)
		      : json_object_set_new(fields, "last_activity",
					    json_integer((json_int_t) time(NULL)));

	return rc | json_object_set_new(fields, "busy",
					json_boolean(given->values[WORD_BUSY] != NULL));
}

/* Which of post's options say something of an action. */
static bool is_of(enum hub_action action, enum option_index word)
{
	switch (word) {
	case WORD_IP:
	case WORD_PORT:
	case WORD_SCHEME:
	case WORD_NODE:
	case WORD_HEAD:
		return action == HUB_SERVING;
	case WORD_APP:
		return action == HUB_SERVING || action == HUB_ADOPTION;
	case WORD_STATE:
	case WORD_REASON:
		return action == HUB_STATUS || action == HUB_ENDED;
	default:
		return action == HUB_ACTIVITY;
	}
}

static int read_fields(const struct given *given, struct arguments *arguments,
		       struct reason *reason)
{
	enum hub_action action = arguments->action;
	json_t *fields = arguments->fields = json_object();
	int rc = 0;

	for (int word = WORD_IP; word < WORD_COUNT; word++)
		if (given->values[word] && !is_of(action, (enum option_index) word)) {
			errno = EINVAL;
			return reason_set(reason, "--%s is not of %s", words[word].name,
					  hub_action_name(action));
		}
	if (action == HUB_SERVING)
		rc = fields_serving(fields, given);
	else if (action == HUB_ADOPTION)
		rc = field_text(fields, "app", given->values[WORD_APP]);
	else if (action == HUB_ACTIVITY)
		rc = fields_activity(fields, given);
	else if (action != HUB_ENVIRONMENT)
		rc = field_text(fields, "state", given->values[WORD_STATE]) |
		     field_text(fields, "reason", given->values[WORD_REASON]);
	if (!fields || rc != 0) {
		errno = EINVAL;
		return reason_set(reason, "a value is not UTF-8");
	}
	return record_check(arguments->identity.mode, action, fields, reason);
}

static int read_action(const char *name, struct arguments *arguments, struct reason *reason)
{
	if (!name || hub_action_parse(name, &arguments->action) < 0) {
		errno = EINVAL;
		return reason_set(reason, "post needs what to post: environment, adopt, "
					  "serving, status, activity or ended");
	}
	return 0;
}

static int check_action(const struct arguments *arguments, struct reason *reason)
{
	enum hub_mode mode = arguments->identity.mode;

	if (hub_action_allowed(mode, arguments->action) &&
	    (mode != HUB_STOCK || arguments->action == HUB_SERVING ||
	     arguments->action == HUB_ACTIVITY))
		return 0;
	errno = EINVAL;
	return reason_set(reason, "--mode=%s has no %s", hub_mode_name(mode),
			  hub_action_name(arguments->action));
}

enum arguments_result arguments_read(int argc, char *argv[], bool with_fields,
				     struct arguments *arguments, struct reason *reason)
{
	struct given given = {0};
	enum arguments_result result;

	*arguments = (struct arguments){.deadline_ms = -1, .http = {.reply_max = REPLY_MAX}};
	if (with_fields && argc > 1 && argv[1][0] != '-') {
		if (read_action(argv[1], arguments, reason) < 0)
			return wrong();
		argc--;
		argv++;
	} else if (with_fields && !(argc > 1 && !strcmp(argv[1], "--help"))) {
		read_action(NULL, arguments, reason);
		return wrong();
	}
	result = collect(argc, argv, with_fields, &given, reason);
	if (result != ARGUMENTS_GOOD)
		return result;
	if (read_mode(&given, &arguments->identity, reason) < 0 ||
	    (with_fields && check_action(arguments, reason) < 0) ||
	    read_hub(&given, arguments, reason) < 0 ||
	    read_who(&given, arguments, reason) < 0 ||
	    (with_fields && read_fields(&given, arguments, reason) < 0))
		return ARGUMENTS_WRONG;
	read_place(arguments);
	return ARGUMENTS_GOOD;
}

void arguments_clear(struct arguments *arguments)
{
	json_decref(arguments->fields);
	free(arguments->api);
	free(arguments->user);
	*arguments = (struct arguments){0};
}
