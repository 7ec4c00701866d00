/* SPDX-License-Identifier: MIT */
/*
 * Strict parsing and careful printing of text: numbers, times as Slurm writes them, UTF-8,
 * shell words.  Used everywhere; needs nothing but libc.
 */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The longest time that is accepted, in seconds: 366 days; Slurm's own partitions rarely allow
 * 365. */
enum { TEXT_SECONDS_MAX = 366 * 24 * 60 * 60 };

/* Decimal digits only, no sign, no space.  0, or -1 with EINVAL or ERANGE; *value untouched. */
int text_to_ulong(const char *text, unsigned long min, unsigned long max, unsigned long *value);

/*
 * Slurm's time formats (sbatch(1), --time): "M", "M:S", "H:M:S", "D-H", "D-H:M", "D-H:M:S",
 * "UNLIMITED", "INFINITE" (both 0).  Seconds in *seconds.  Bounded to TEXT_SECONDS_MAX.
 * -1 with EINVAL or ERANGE.
 */
int text_to_seconds(const char *text, long *seconds);

/*
 * "1-02:03:04", "02:03:04", for people.  buffer of at least 24 bytes.  Less than 0 shows as 0,
 * more than 999,999 days as those.
 */
const char *text_from_seconds(long seconds, char *buffer, size_t size);

/*
 * The bytes of the character that text begins with: 1 to 4, or 0 when it is not valid UTF-8 or
 * not printable.  Not printable are the control characters (C0 with tab, DEL, C1), the line and
 * paragraph separators, and the marks that turn the direction of the text that follows.
 */
size_t text_char_size(const char *text);

/* Whether it is valid UTF-8 and printable throughout. */
bool text_printable(const char *text);

/*
 * The text as it can be shown: what is not printable as \xNN, and what does not fit into size
 * bytes (at least 4, NUL included) cut between characters and ended with "...".  Returns
 * buffer.
 */
const char *text_excerpt(const char *text, char *buffer, size_t size);

/* Whether it is lines, each printable and ended by a newline. */
bool text_lines_printable(const char *text);

/*
 * The same line by line, each ended by a newline, with the last ones where not all fit into
 * size bytes (at least 5, NUL included).  Returns buffer.
 */
const char *text_excerpt_lines(const char *text, char *buffer, size_t size);

/* Letters, digits and "._-" only, not empty, not beginning with "-" or ".", shorter than max.
 */
bool text_is_name(const char *text, size_t max);

/*
 * Splits into words as a POSIX shell does with quotes and backslashes, but without any
 * expansion: what a recipe's command is.  Returns a NULL-terminated array that holds its words
 * too, in one block (caller frees with text_words_free), or NULL with EINVAL (an open quote, a
 * backslash at the end), E2BIG (over max words) or ENOMEM.
 */
char **text_words(const char *text, size_t max);
void text_words_free(char **words);

/* The word quoted so that a POSIX shell reads it back as one word.  Caller frees.
 * NULL with ENOMEM. */
char *text_shell_quote(const char *word);

/* Frees *text and sets it to NULL.  Keeps errno.  For cleanup attributes. */
void text_free(char **text);

#endif
