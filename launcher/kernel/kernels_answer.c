/* SPDX-License-Identifier: MIT */
/* See kernels.h: what a client of the control stream asks of all kernels, or of one by its
 * number. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/kernel/kernels_private.h"

/* The one that is meant without a number: the session's own, or the first. */
enum { FIRST = 1 };

static json_t *start(struct kernels *kernels, const void *client, const json_t *words,
		     struct reason *reason)
{
	const char *name = json_string_value(json_object_get(words, "kernel"));
	int number;

	if (json_object_size(words) != 1 || !name || !text_is_name(name, OPTIONS_NAME_MAX)) {
		reason_set(reason,
			   "\"start\" wants a \"kernel\", which is a kernelspec's name");
		return NULL;
	}
	number = kernels_start(kernels, name, NULL, reason);
	if (number < 0)
		return NULL;
	kernels_one(kernels, (unsigned) number)->client = client;
	return json_pack("{s:b, s:i}", "ok", 1, "number", number);
}

static void append(unsigned number, const char *name, const char *state, void *arg)
{
	json_array_append_new(arg, json_pack("{s:i, s:s, s:s}", "number", (int) number,
					     "kernel", name, "state", state));
}

static json_t *list(const struct kernels *kernels)
{
	json_t *array = json_array();

	if (array)
		kernels_each(kernels, append, array);
	return json_pack("{s:o}", "kernels", array);
}

/* "1 python3, 2 ir (ended)". */
static void name_all(unsigned number, const char *name, const char *state, void *arg)
{
	char *text = arg;
	size_t used = strlen(text);

	snprintf(text + used, REASON_MAX / 2 - used, "%s%u %s%s", used ? ", " : "", number,
		 name, strcmp(state, "ended") == 0 ? " (ended)" : "");
}

/* Of one that has ended, or has never been. */
static json_t *gone(struct kernels *kernels, const struct one *one, unsigned number,
		    const char *what, struct reason *reason)
{
	char all[REASON_MAX / 2] = "";

	if (one && strcmp(what, "status") == 0)
		return json_pack("{s:s, s:i, s:s}", "state", kernel_state_name(KERNEL_ENDED),
				 "restarts", (int) one->restarts, "reason", one->reason.text);
	kernels_each(kernels, name_all, all);
	if (one)
		reason_set(reason, "kernel %u of this session has ended: %s", number,
			   one->reason.text);
	else
		reason_set(reason, "this session has no kernel %u: it has %s", number,
			   *all ? all : "none");
	return NULL;
}

static char *to_line(json_t *object, const struct reason *reason)
{
	char *text, *line = NULL;

	if (!object)
		object = json_pack("{s:s}", "error", reason->text);
	text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	if (!text || asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	json_decref(object);
	if (!line)
		errno = ENOMEM;
	return line;
}

char *kernels_answer(struct kernels *kernels, const void *client, const char *line, size_t size)
{
	json_t *order = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
	void *first = json_object_iter(order);
	const char *what = first ? json_object_iter_key(first) : "";
	const json_t *words = first ? json_object_iter_value(first) : NULL;
	const json_t *given = json_object_get(words, "number");
	json_int_t number = given ? json_integer_value(given) : FIRST;
	struct reason reason;
	char *answer;

	reason_set(&reason, "%s", strerror(ENOMEM));
	if (json_object_size(order) == 1 && strcmp(what, "start") == 0) {
		answer = to_line(start(kernels, client, words, &reason), &reason);
	} else if (json_object_size(order) == 1 && strcmp(what, "kernels") == 0 &&
		   json_is_object(words) && json_object_size(words) == 0) {
		answer = to_line(list(kernels), &reason);
	} else {
		struct one *one = number > 0 && number <= INT_MAX
					  ? kernels_one(kernels, (unsigned) number)
					  : NULL;
		/* Before the first there is nothing to be told apart. */
		if ((one && !one->kernel) || (!one && (given || kernels->last > 0)))
			answer = to_line(
				gone(kernels, one,
				     number > 0 && number <= INT_MAX ? (unsigned) number : 0,
				     what, &reason),
				&reason);
		else
			answer = kernel_answer(one ? one->kernel : NULL, line, size);
		if (one && strcmp(what, "connection") == 0)
			one->client = NULL;
	}
	json_decref(order);
	return answer;
}
