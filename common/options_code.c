/* SPDX-License-Identifier: MIT */
/*
 * The options as one word, and back: see options.h.  The plugin encodes, in sbatch, salloc,
 * srun and slurmstepd; jupyter-launch and jupyter-agent decode, as the user, what went through
 * an environment that anybody may have changed.
 */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options_check.h"
#include "text.h"

/* What stands for itself: RFC 3986's unreserved characters, and some that keep paths and URLs
 * legible. */
static const char plain[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/:,";

/* A word that grows at its end within the room it was given. */
struct word {
	char *text;
	size_t used;
	size_t room;
};

static int word_add(struct word *word, const char *text, size_t length)
{
	if (length >= word->room - word->used) {
		errno = EMSGSIZE;
		return -1;
	}
	memcpy(word->text + word->used, text, length);
	word->used += length;
	word->text[word->used] = '\0';
	return 0;
}

/* Adds name=value, value escaped; nothing for a value of NULL. */
static int word_add_option(struct word *word, const char *name, const char *value)
{
	static const char hex[] = "0123456789ABCDEF";

	if (value == NULL)
		return 0;
	if (word->used > 0 && word_add(word, "&", 1) != 0)
		return -1;
	if (word_add(word, name, strlen(name)) != 0 || word_add(word, "=", 1) != 0)
		return -1;
	for (; *value != '\0'; value++) {
		unsigned char byte = (unsigned char) *value;
		char escape[3] = {'%', hex[byte >> 4], hex[byte & 15]};
		bool is_plain = strchr(plain, *value) != NULL;

		if (word_add(word, is_plain ? value : escape, is_plain ? 1 : 3) != 0)
			return -1;
	}
	return 0;
}

/* Adds each of them on its own. */
static int word_add_params(struct word *word, const char *params)
{
	struct options_param param;
	const char *at = NULL;

	while (options_param_next(params, &at, &param)) {
		char value[OPTIONS_VALUE_MAX];
		size_t length = param.name_length + 1 + param.value_length;

		memcpy(value, param.name, length); /* options_set lets no longer one through */
		value[length] = '\0';
		if (word_add_option(word, "jupyter-param", value) != 0)
			return -1;
	}
	return 0;
}

static int word_add_time(struct word *word, const char *name, long seconds)
{
	char digits[24];

	if (seconds == OPTIONS_TIME_UNSET)
		return 0;
	snprintf(digits, sizeof(digits), "%ld", seconds);
	return word_add_option(word, name, digits);
}

char *options_encode(const struct options *options)
{
	struct word word = {.room = OPTIONS_ENCODED_MAX};
	char *shrunk;
	int saved;

	word.text = malloc(word.room);
	if (word.text == NULL)
		return NULL;
	word.text[0] = '\0';
	if (word_add_option(&word, "jupyter", options->app) != 0 ||
	    word_add_option(&word, "jupyter-workers", options->workers) != 0 ||
	    word_add_option(&word, "jupyter-hub", options->hub) != 0 ||
	    word_add_option(&word, "jupyter-init", options->init) != 0 ||
	    word_add_option(&word, "jupyter-start", options->start_manual ? "manual" : NULL) !=
		    0 ||
	    word_add_time(&word, "jupyter-idle", options->idle_s) != 0 ||
	    word_add_time(&word, "jupyter-warn", options->warn_s) != 0 ||
	    word_add_option(&word, "jupyter-dir", options->dir) != 0 ||
	    word_add_option(&word, "jupyter-output", options->output) != 0 ||
	    word_add_params(&word, options->params) != 0)
		goto error;
	shrunk = realloc(word.text, word.used + 1);
	return shrunk != NULL ? shrunk : word.text;

error:
	saved = errno;
	free(word.text);
	errno = saved;
	return NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Resolves the escapes of length bytes at text into value.  -1 with EINVAL or EMSGSIZE. */
static int value_decode(const char *text, size_t length, char value[OPTIONS_VALUE_MAX])
{
	size_t used = 0;

	for (size_t at = 0; at < length; at++) {
		int c = (unsigned char) text[at];

		if (c == '%') {
			/* text[length] is "&" or the final NUL, so neither read leaves the
			 * text. */
			int high = hex_digit(text[at + 1]);
			int low = high >= 0 ? hex_digit(text[at + 2]) : -1;

			c = low >= 0 ? high * 16 + low : 0;
			at += 2;
		} else if (strchr(plain, c) == NULL) {
			c = 0;
		}
		if (c == 0) { /* no option's value holds a NUL */
			errno = EINVAL;
			return -1;
		}
		if (used + 1 == OPTIONS_VALUE_MAX) {
			errno = EMSGSIZE;
			return -1;
		}
		value[used++] = (char) c;
	}
	value[used] = '\0';
	return 0;
}

/* The place of a name in options_table, -1 when it is not there. */
static int option_index(const char *name, size_t length)
{
	for (int i = 0; options_table[i].name != NULL; i++) {
		if (strlen(options_table[i].name) == length &&
		    memcmp(options_table[i].name, name, length) == 0)
			return i;
	}
	return -1;
}

/* Where a time is kept; NULL for the other options. */
static long *time_field(struct options *options, const char *name)
{
	if (strcmp(name, "jupyter-idle") == 0)
		return &options->idle_s;
	if (strcmp(name, "jupyter-warn") == 0)
		return &options->warn_s;
	return NULL;
}

/* Decodes one name=value of length bytes.  seen has a bit for each option of the table. */
static int option_decode(const char *text, size_t length, struct options *options,
			 unsigned *seen, struct reason *reason)
{
	const char *equals = memchr(text, '=', length);
	char value[OPTIONS_VALUE_MAX], shown[OPTION_SHOWN_MAX];
	unsigned long seconds;
	size_t name_length;
	const char *name;
	long *time;
	int index = -1;

	if (equals != NULL)
		index = option_index(text, (size_t) (equals - text));
	if (index < 0) {
		errno = EINVAL; /* not shown: it may be the rest of anything, a secret too */
		return reason_set(reason, "an option with an unknown name");
	}
	name = options_table[index].name;
	name_length = strlen(name);
	if ((*seen & 1U << index) != 0 && !options_table[index].repeated) {
		errno = EINVAL;
		return reason_set(reason, "--%s is there twice", name);
	}
	*seen |= 1U << index;
	if (value_decode(equals + 1, length - name_length - 1, value) != 0)
		return reason_set(reason, "--%s has a damaged or too long value", name);
	if (*value == '\0') {
		errno = EINVAL;
		return reason_set(reason, "--%s has an empty value", name);
	}
	time = time_field(options, name);
	if (time == NULL)
		return options_set(options, name, value, reason);
	/* Plain seconds, as options_encode writes them. */
	if (text_to_ulong(value, 0, TEXT_SECONDS_MAX, &seconds) != 0)
		return reason_set(reason, "--%s: \"%s\" is not a number of seconds", name,
				  text_excerpt(value, shown, sizeof(shown)));
	*time = (long) seconds;
	return 0;
}

int options_decode(const char *encoded, struct options *options, struct reason *reason)
{
	struct options decoded;
	unsigned seen = 0;

	options_init(&decoded);
	if (strnlen(encoded, OPTIONS_ENCODED_MAX) == OPTIONS_ENCODED_MAX) {
		errno = EMSGSIZE;
		reason_set(reason, "they are longer than %d bytes", OPTIONS_ENCODED_MAX - 1);
		goto error;
	}
	while (*encoded != '\0') {
		size_t length = strcspn(encoded, "&");

		if (option_decode(encoded, length, &decoded, &seen, reason) != 0)
			goto error;
		encoded += length;
		if (*encoded == '\0')
			break;
		encoded++;
		if (*encoded == '\0') {
			errno = EINVAL;
			reason_set(reason, "they are cut behind \"&\"");
			goto error;
		}
	}
	*options = decoded;
	return 0;

error:
	options_clear(&decoded);
	return reason_prefix(reason, "the encoded --jupyter options");
}
