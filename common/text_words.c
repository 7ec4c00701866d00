/* SPDX-License-Identifier: MIT */
/*
 * Shell words, split and quoted: the second half of text.h.  Used by jupyter-launch and
 * jupyter-agent for the commands of recipes, and by sjupyter for lines that a person copies
 * into a shell, all as the user.
 */
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/*
 * Copies the word at *cursor, without its quotes, to *out, and moves both behind it.  The copy
 * is never longer than the source.  -1 with EINVAL when a quote or a backslash has no end.
 */
static int word_copy(const char **cursor, char **out)
{
	const char *in = *cursor;
	char *to = *out;
	char quote = '\0';

	for (; *in != '\0' && (quote != '\0' || !is_blank(*in)); in++) {
		if (*in == quote) {
			quote = '\0';
		} else if (quote == '\0' && (*in == '\'' || *in == '"')) {
			quote = *in;
		} else if (*in == '\\' && quote != '\'') {
			in++;
			if (*in == '\0')
				goto error;
			if (*in == '\n') /* a joined line */
				continue;
			if (quote == '"' && strchr("$`\"\\", *in) == NULL)
				*to++ = '\\';
			*to++ = *in;
		} else {
			*to++ = *in;
		}
	}
	if (quote != '\0')
		goto error;
	*to++ = '\0';
	*cursor = in;
	*out = to;
	return 0;

error:
	errno = EINVAL;
	return -1;
}

/* Moves behind blanks and joined lines, which are no words. */
static const char *blanks_skip(const char *text)
{
	for (;;) {
		if (is_blank(*text))
			text++;
		else if (text[0] == '\\' && text[1] == '\n')
			text += 2;
		else
			return text;
	}
}

char **text_words(const char *text, size_t max)
{
	size_t length = strlen(text);
	size_t room = length / 2 + 1; /* each word but the last takes a blank */
	size_t count = 0;
	char **words, *out;
	int saved;

	if (room > max)
		room = max;
	/* One block, the array and behind it the words, so that there is one thing to free. */
	words = malloc((room + 1) * sizeof(*words) + length + 1);
	if (words == NULL)
		return NULL;
	out = (char *) (words + room + 1);
	for (text = blanks_skip(text); *text != '\0'; text = blanks_skip(text)) {
		if (count == room) {
			errno = E2BIG;
			goto error;
		}
		words[count++] = out;
		if (word_copy(&text, &out) != 0)
			goto error;
	}
	words[count] = NULL;
	return words;

error:
	saved = errno;
	free(words);
	errno = saved;
	return NULL;
}

void text_words_free(char **words)
{
	free(words);
}

char *text_shell_quote(const char *word)
{
	/* No "=": a word that holds one could be read as an assignment.  No "~": it expands. */
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_@%+:,./-";
	size_t quotes = 0;
	char *text, *to;

	if (*word != '\0' && word[strspn(word, plain)] == '\0')
		return strdup(word);
	for (const char *at = word; *at != '\0'; at++)
		quotes += *at == '\'';
	text = malloc(strlen(word) + 3 * quotes + 3);
	if (text == NULL)
		return NULL;
	to = text;
	*to++ = '\'';
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			to = stpcpy(to, "'\\''");
		else
			*to++ = *word;
	}
	*to++ = '\'';
	*to = '\0';
	return text;
}

void text_free(char **text)
{
	int saved = errno;

	free(*text);
	*text = NULL;
	errno = saved;
}
