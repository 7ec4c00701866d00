/* SPDX-License-Identifier: MIT */
/* See save.h. */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/head/ask.h"
#include "launcher/head/save.h"

enum { BODY_MAX = 128, NAMED = 4, NAME_SIZE = 80 };

struct save {
	save_callback *callback;
	void *arg;
	struct ask *ask;
};

/* Whether the answer has a count of that name. */
static bool take_count(const json_t *answer, const char *key, long *count)
{
	const json_t *value = json_object_get(answer, key);
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || number > SAVE_COUNT_MAX)
		return false;
	*count = (long) number;
	return true;
}

static bool take_failed(const json_t *list, struct save_result *result)
{
	const json_t *path;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > SAVE_FAILED_MAX)
		return false;
	json_array_foreach(list, i, path)
	{
		if (!json_is_string(path))
			return false;
		result->failed[result->failed_count++] = json_string_value(path);
	}
	return true;
}

int save_parse(const char *body, size_t size, struct save_result *result)
{
	json_t *answer = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);

	*result = (struct save_result){.failed_list = json_object_get(answer, "failed")};
	if (json_object_size(answer) == 3 && take_count(answer, "pages", &result->pages) &&
	    take_count(answer, "saved", &result->saved) &&
	    take_failed(result->failed_list, result)) {
		json_incref(result->failed_list);
		json_decref(answer);
		return 0;
	}
	json_decref(answer);
	*result = (struct save_result){.pages = 0};
	errno = EPROTO;
	return -1;
}

void save_result_clear(struct save_result *result)
{
	json_decref(result->failed_list);
	*result = (struct save_result){.pages = 0};
}

static void name_failed(const struct save_result *result, char *text, size_t size)
{
	char name[NAME_SIZE];
	size_t used = 0;

	for (size_t i = 0; i < result->failed_count && used < size; i++) {
		if (i == NAMED) {
			snprintf(text + used, size - used, " and %zu more",
				 result->failed_count - NAMED);
			return;
		}
		used += (size_t) snprintf(text + used, size - used, "%s%s", i ? ", " : "",
					  text_excerpt(result->failed[i], name, sizeof(name)));
	}
}

const char *save_words(const struct save_result *result, char *text, size_t size)
{
	char failed[NAMED * (NAME_SIZE + 2) + 32] = "";

	name_failed(result, failed, sizeof(failed));
	*text = '\0';
	if (result->saved)
		snprintf(text, size, "saved %ld document%s that %s unsaved in a browser%s%s",
			 result->saved, result->saved > 1 ? "s" : "",
			 result->saved > 1 ? "were" : "was", *failed ? ", but not " : "",
			 failed);
	else if (*failed)
		snprintf(text, size, "could not save what was unsaved in a browser: %s",
			 failed);
	else if (result->pages)
		snprintf(text, size, "nothing was unsaved in a browser");
	return text;
}

static void on_answer(const char *body, size_t size, void *arg)
{
	struct save *save = arg;
	struct save_result result;

	if (!body || save_parse(body, size, &result) < 0) {
		save->callback(NULL, save->arg);
		return;
	}
	save->callback(&result, save->arg);
	save_result_clear(&result);
}

struct save *save_start(struct loop *loop, const struct save_options *options,
			save_callback *callback, void *arg)
{
	char body[BODY_MAX];
	struct ask_options ask = {
		.socket_path = options->socket_path,
		.token_file = options->token_file,
		.path = options->path,
		.body = body,
		.deadline_ms = options->deadline_ms,
	};
	struct save *save = calloc(1, sizeof(*save));

	if (!save)
		return NULL;
	save->callback = callback;
	save->arg = arg;
	snprintf(body, sizeof(body), "{\"why\": \"%s\", \"end\": %lld}", options->why,
		 (long long) options->end);
	if (!(save->ask = ask_start(loop, &ask, on_answer, save))) {
		free(save);
		return NULL;
	}
	return save;
}

void save_destroy(struct save *save)
{
	int error = errno;

	if (!save)
		return;
	ask_destroy(save->ask);
	free(save);
	errno = error;
}
