/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the options' values and their encoding, common/options.h.  The input is an
 * encoded word, and, behind a first byte that chooses the option, a value.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "common/options.h"
#include "common/text.h"

static struct reason reason;

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What is refused is told in one line, with one of the documented errors. */
static void check_refusal(void)
{
	REQUIRE(errno == EINVAL || errno == ERANGE || errno == EMSGSIZE);
	REQUIRE(reason.text[0] != '\0');
	REQUIRE(text_printable(reason.text));
	REQUIRE(strlen(reason.text) < 400);
}

static void check_workers(const char *workers)
{
	struct options_workers list[OPTIONS_KINDS_MAX];
	int count = options_worker_list(workers, list, OPTIONS_KINDS_MAX);

	REQUIRE(workers == NULL ? count == 0 : count > 0);
	for (int i = 0; i < count; i++) {
		REQUIRE(text_is_name(list[i].kind, OPTIONS_NAME_MAX));
		REQUIRE(list[i].count <= OPTIONS_WORKERS_MAX);
	}
}

/* What is taken is harmless, and comes back from its encoding as it is. */
static void check_taken(const struct options *options)
{
	struct options decoded;
	char *word = options_encode(options), name[OPTIONS_NAME_MAX];

	REQUIRE(word != NULL);
	REQUIRE(strlen(word) < OPTIONS_ENCODED_MAX);
	REQUIRE(strpbrk(word, " \t\n\r'\"\\$`;") == NULL);
	REQUIRE(options_decode(word, &decoded, &reason) == 0);
	REQUIRE(same(options->app, decoded.app));
	REQUIRE(same(options->workers, decoded.workers));
	REQUIRE(same(options->hub, decoded.hub));
	REQUIRE(same(options->init, decoded.init));
	REQUIRE(same(options->dir, decoded.dir));
	REQUIRE(same(options->params, decoded.params));
	REQUIRE(same(options->output, decoded.output));
	REQUIRE(options->start_manual == decoded.start_manual);
	REQUIRE(options->idle_s == decoded.idle_s && options->warn_s == decoded.warn_s);
	REQUIRE(options->idle_s >= OPTIONS_TIME_UNSET && options->idle_s <= TEXT_SECONDS_MAX);
	REQUIRE(options->hub == NULL || strpbrk(options->hub, "@?# \"") == NULL);
	REQUIRE(options->init == NULL || text_printable(options->init));
	REQUIRE(options->dir == NULL || text_printable(options->dir));
	check_workers(options->workers);
	options_app_name(options, name);
	REQUIRE(options->app == NULL || text_is_name(name, sizeof(name)));
	options_clear(&decoded);
	free(word);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options options;
	char *text = malloc(size + 1);
	size_t count = 0;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';

	options_init(&options);
	reason.text[0] = '\0';
	errno = 0;
	if (options_decode(text, &options, &reason) == 0)
		check_taken(&options);
	else
		check_refusal();
	options_clear(&options);

	if (size > 0) {
		while (options_table[count].name != NULL)
			count++;
		reason.text[0] = '\0';
		errno = 0;
		if (options_set(&options, options_table[data[0] % count].name, text + 1,
				&reason) == 0)
			check_taken(&options);
		else
			check_refusal();
		options_clear(&options);
	}
	free(text);
	return 0;
}
