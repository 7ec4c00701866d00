/* SPDX-License-Identifier: MIT */
/*
 * What is open and unsaved in the browsers of the session's user: saved before the job ends,
 * and again at the session's end, while the relay still carries what the pages send.  In the
 * agent of rank 0, as the user.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/head/head.h"
#include "launcher/head/hub.h"

static void say(struct head *head, const struct save_result *result)
{
	char words[REASON_MAX];

	if (!result)
		head_log(head, LOG_INFO,
			 "the server does not say what is unsaved in a browser");
	else if (*save_words(result, words, sizeof(words)))
		head_say(head, "%s", words);
	else
		head_log(head, LOG_INFO, "no page of a browser was there to save from");
}

/* Whatever is under way has had its time. */
static int start(struct head *head, struct save_options *options, save_callback *callback)
{
	const struct server_options *server = &head->server_options;
	char *path = NULL;
	int rc = -1;

	save_destroy(head->save);
	head->save = NULL;
	/* One that speaks TLS wants a client's certificate as well. */
	if (!head->server || !head->serving || !server->recipe->save || server->tls)
		return -1;
	if (asprintf(&path, "%s%s", server->base ? server->base : "", server->recipe->save) < 0)
		return -1;
	options->socket_path = head->socket_path;
	options->token_file =
		head_hub_guards(head) ? head_hub_token_file(head) : head->token_file;
	options->path = path;
	if ((head->save = save_start(head->agent->loop, options, callback, head)))
		rc = 0;
	else
		head_log(head, LOG_WARNING, "what is unsaved in a browser: %s",
			 strerror(errno));
	free(path);
	return rc;
}

static void on_warn_saved(const struct save_result *result, void *arg)
{
	struct head *head = arg;

	say(head, result);
	save_destroy(head->save);
	head->save = NULL;
}

void head_documents_warn(struct head *head, time_t end)
{
	struct save_options options = {.why = "warn", .end = end, .deadline_ms = SAVE_WARN_MS};

	start(head, &options, on_warn_saved);
}

static void on_end_saved(const struct save_result *result, void *arg)
{
	struct head *head = arg;

	on_warn_saved(result, head);
	head_end_app(head);
}

bool head_documents_end(struct head *head)
{
	struct save_options options = {
		.why = "end", .end = time(NULL), .deadline_ms = SAVE_END_MS};

	return start(head, &options, on_end_saved) == 0;
}
