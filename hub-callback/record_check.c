/* SPDX-License-Identifier: MIT */
/*
 * The fields of each action: see record.h.  The head's lines and the command line are checked
 * here before anything is made of them, and so is what a fuzzer gives.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "common/options.h"
#include "common/session.h"
#include "common/text.h"
#include "hub-callback/record.h"

enum {
	WORDS_MAX = 1024,      /* bytes of a reason with NUL, as struct reason has them */
	PHASES_MAX = 64,       /* far above what a session has */
	PHASE_NAME_MAX = 64,   /* bytes with NUL */
	WORKERS_MAX = 67108864 /* of one kind: SESSION_NODES_MAX * SESSION_WORKERS_NODE_MAX */
};

/* 253402300799 is the last second of the year 9999. */
static const double TIME_LAST = 253402300799.0;

/* Whether a value is what a field may hold. */
typedef bool value_check(const json_t *value);

static bool in(const json_t *value, const char *const words[])
{
	const char *text = json_string_value(value);

	for (; text && *words; words++)
		if (!strcmp(text, *words))
			return true;
	return false;
}

static bool is_between(const json_t *value, json_int_t least, json_int_t most)
{
	return json_is_integer(value) && json_integer_value(value) >= least &&
	       json_integer_value(value) <= most;
}

static bool is_ip(const json_t *value)
{
	const char *text = json_string_value(value);
	unsigned char address[sizeof(struct in6_addr)];

	return text && (inet_pton(AF_INET, text, address) == 1 ||
			inet_pton(AF_INET6, text, address) == 1);
}

static bool is_port(const json_t *value)
{
	return is_between(value, 1, UINT16_MAX);
}

static bool is_scheme(const json_t *value)
{
	return in(value, (const char *const[]){"http", "https", NULL});
}

static bool is_node(const json_t *value)
{
	return json_is_string(value) && text_is_name(json_string_value(value), HUB_NAME_MAX);
}

static bool is_nodes(const json_t *value)
{
	size_t count = json_array_size(value);

	if (count < 1 || count > RECORD_NODES_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!is_node(json_array_get(value, i)))
			return false;
	return true;
}

static bool is_app(const json_t *value)
{
	return json_is_string(value) &&
	       text_is_name(json_string_value(value), OPTIONS_NAME_MAX);
}

static bool is_state(const json_t *value)
{
	return in(value, (const char *const[]){"starting", "serving", "ready", "degraded",
					       "draining", NULL});
}

static bool is_end(const json_t *value)
{
	return in(value, (const char *const[]){"ended", "failed", NULL});
}

static bool is_words(const json_t *value)
{
	return json_is_string(value) && json_string_length(value) < WORDS_MAX &&
	       text_printable(json_string_value(value));
}

static bool is_time(const json_t *value)
{
	return json_is_number(value) && json_number_value(value) >= 0 &&
	       json_number_value(value) <= TIME_LAST;
}

static bool is_bool(const json_t *value)
{
	return json_is_boolean(value);
}

static bool is_phases(const json_t *value)
{
	const char *name;
	json_t *moment;

	if (!json_is_object(value) || json_object_size(value) > PHASES_MAX)
		return false;
	json_object_foreach((json_t *) value, name, moment)
	{
		if (!text_is_name(name, PHASE_NAME_MAX) || !is_time(moment))
			return false;
	}
	return true;
}

static bool is_workers(const json_t *value)
{
	if (!json_is_array(value) || json_array_size(value) > SESSION_WORKERS_MAX)
		return false;
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *workers = json_array_get(value, i);

		if (json_object_size(workers) != 3 ||
		    !is_app(json_object_get(workers, "kind")) ||
		    !is_between(json_object_get(workers, "expected"), 0, WORKERS_MAX) ||
		    !is_between(json_object_get(workers, "ready"), 0, WORKERS_MAX))
			return false;
	}
	return true;
}

struct field {
	const char *name;
	value_check *check;
	const char *empty; /* JSON of one that is left out; NULL: it may not be */
	const char *form;  /* a person's words for what is allowed */
};

#define NAME_FORM "a name of letters, digits and \"._-\""

static const struct field adoption[] = {{"app", is_app, NULL, NAME_FORM}, {0}};
static const struct field serving[] = {{"ip", is_ip, NULL, "an IPv4 or IPv6 address"},
				       {"port", is_port, NULL, "1 to 65535"},
				       {"scheme", is_scheme, NULL, "http or https"},
				       {"nodes", is_nodes, NULL, "1 to 64 names of nodes"},
				       {"head", is_node, NULL, NAME_FORM},
				       {"app", is_app, NULL, NAME_FORM},
				       {0}};
static const struct field status[] = {
	{"state", is_state, NULL, "starting, serving, ready, degraded or draining"},
	{"reason", is_words, "\"\"", "at most 1023 printable bytes"},
	{"phases", is_phases, "{}", "names with seconds of the Unix epoch"},
	{"workers", is_workers, "[]", "at most 32 kinds with expected and ready"},
	{0}};
static const struct field activity[] = {
	{"last_activity", is_time, NULL, "seconds of the Unix epoch"},
	{"busy", is_bool, NULL, "true or false"},
	{0}};
static const struct field ended[] = {
	{"state", is_end, NULL, "ended or failed"},
	{"reason", is_words, "\"\"", "at most 1023 printable bytes"},
	{0}};
static const struct field nothing[] = {{0}};

static const struct field *const fields_of[HUB_ACTIONS] = {
	[HUB_ENVIRONMENT] = nothing, [HUB_ADOPTION] = adoption, [HUB_SERVING] = serving,
	[HUB_STATUS] = status,	     [HUB_ACTIVITY] = activity, [HUB_ENDED] = ended};

static const struct field *field_find(const struct field *field, const char *name)
{
	for (; field->name; field++)
		if (!strcmp(field->name, name))
			return field;
	return NULL;
}

static int refuse(enum hub_action action, const char *name, const char *what,
		  struct reason *reason)
{
	errno = EINVAL;
	return reason_set(reason, "%s: \"%.64s\" %s", hub_action_name(action), name, what);
}

int record_check(enum hub_mode mode, enum hub_action action, const json_t *fields,
		 struct reason *reason)
{
	const struct field *field;
	const char *name;
	json_t *value;

	json_object_foreach((json_t *) fields, name, value)
	{
		field = field_find(fields_of[action], name);
		if (!field)
			return refuse(action, name, "is not a field of it", reason);
		if (!field->check(value)) {
			errno = EINVAL;
			return reason_set(reason, "%s: \"%s\" is wrong; allowed: %s",
					  hub_action_name(action), name, field->form);
		}
	}
	for (field = fields_of[action]; field->name; field++) {
		/* batchspawner is told the port and nothing else. */
		bool required = mode == HUB_STOCK ? field->check == is_port : !field->empty;

		if (required && !json_object_get(fields, field->name))
			return refuse(action, field->name, "is missing", reason);
	}
	return 0;
}

int record_complete(enum hub_action action, json_t *record)
{
	for (const struct field *field = fields_of[action]; field->name; field++)
		if (field->empty && !json_object_get(record, field->name) &&
		    json_object_set_new(record, field->name,
					json_loads(field->empty, JSON_DECODE_ANY, NULL)) < 0) {
			errno = ENOMEM;
			return -1;
		}
	return 0;
}
