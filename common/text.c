/* SPDX-License-Identifier: MIT */
/*
 * Numbers, times, UTF-8 and names: see text.h.  Used by every program as the user, and by the
 * plugin inside Slurm's processes, so it needs nothing but libc and keeps no state.  Words are
 * in text_words.c.
 */
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Reads digits at *cursor and moves it behind them.  Saturates at ULONG_MAX: every bound is
 * below. */
static int digits_read(const char **cursor, unsigned long *value)
{
	const char *at = *cursor;
	unsigned long sum = 0;

	if (!is_digit(*at)) {
		errno = EINVAL;
		return -1;
	}
	for (; is_digit(*at); at++) {
		unsigned long digit = (unsigned long) (*at - '0');

		if (sum > (ULONG_MAX - digit) / 10)
			sum = ULONG_MAX;
		else
			sum = sum * 10 + digit;
	}
	*cursor = at;
	*value = sum;
	return 0;
}

int text_to_ulong(const char *text, unsigned long min, unsigned long max, unsigned long *value)
{
	unsigned long number;

	if (digits_read(&text, &number) != 0)
		return -1;
	if (*text != '\0') {
		errno = EINVAL;
		return -1;
	}
	if (number < min || number > max || number == ULONG_MAX) {
		errno = ERANGE;
		return -1;
	}
	*value = number;
	return 0;
}

/* What each of the numbers of a time counts, in seconds; by whether days are given and how many
 * follow. */
static const unsigned long units_plain[3][3] = {{60}, {60, 1}, {3600, 60, 1}};
static const unsigned long units_days[3][3] = {{3600}, {3600, 60}, {3600, 60, 1}};

int text_to_seconds(const char *text, long *seconds)
{
	unsigned long numbers[3], days = 0, sum = 0;
	const unsigned long *units;
	bool with_days = false;
	size_t count = 0;

	if (strcasecmp(text, "UNLIMITED") == 0 || strcasecmp(text, "INFINITE") == 0) {
		*seconds = 0;
		return 0;
	}
	for (;;) {
		if (digits_read(&text, &numbers[count]) != 0)
			return -1;
		if (*text == '-' && count == 0 && !with_days) {
			with_days = true;
			days = numbers[0];
		} else {
			count++;
			if (*text != ':' || count == 3)
				break;
		}
		text++;
	}
	if (*text != '\0') {
		errno = EINVAL;
		return -1;
	}
	units = with_days ? units_days[count - 1] : units_plain[count - 1];
	/* Each part is checked before it is multiplied, so that nothing can overflow. */
	if (days > TEXT_SECONDS_MAX / 86400)
		goto too_long;
	sum = days * 86400;
	for (size_t i = 0; i < count; i++) {
		if (numbers[i] > TEXT_SECONDS_MAX / units[i])
			goto too_long;
		sum += numbers[i] * units[i];
	}
	if (sum > TEXT_SECONDS_MAX)
		goto too_long;
	*seconds = (long) sum;
	return 0;

too_long:
	errno = ERANGE;
	return -1;
}

const char *text_from_seconds(long seconds, char *buffer, size_t size)
{
	const long most = 999999L * 86400;
	int hours, minutes, rest;

	if (seconds < 0)
		seconds = 0;
	if (seconds > most)
		seconds = most;
	hours = (int) (seconds / 3600 % 24);
	minutes = (int) (seconds / 60 % 60);
	rest = (int) (seconds % 60);
	if (seconds >= 86400)
		snprintf(buffer, size, "%ld-%02d:%02d:%02d", seconds / 86400, hours, minutes,
			 rest);
	else
		snprintf(buffer, size, "%02d:%02d:%02d", hours, minutes, rest);
	return buffer;
}

/* Characters that move the cursor, end a line or turn the direction of what follows. */
static bool is_command(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || /* C0, DEL, C1 */
	       (code >= 0x2028 && code <= 0x202e) ||		/* separators, bidi embedding */
	       (code >= 0x2066 && code <= 0x2069);		/* bidi isolates */
}

size_t text_char_size(const char *text)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char) text[0];
	uint32_t code;
	size_t size;

	if (first < 0x80)
		return is_command(first) ? 0 : 1;
	if ((first & 0xe0) == 0xc0)
		size = 2;
	else if ((first & 0xf0) == 0xe0)
		size = 3;
	else if ((first & 0xf8) == 0xf0)
		size = 4;
	else
		return 0;
	code = first & (0x7fU >> size);
	for (size_t i = 1; i < size; i++) {
		unsigned char next = (unsigned char) text[i];

		if ((next & 0xc0) != 0x80) /* the final NUL too ends here */
			return 0;
		code = code << 6 | (next & 0x3fU);
	}
	if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ||
	    is_command(code))
		return 0;
	return size;
}

bool text_printable(const char *text)
{
	while (*text != '\0') {
		size_t size = text_char_size(text);

		if (size == 0)
			return false;
		text += size;
	}
	return true;
}

/* text_excerpt() of the first length bytes; what it has written, without the NUL. */
static size_t part_excerpt(const char *text, size_t length, char *buffer, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	const char *end = text + length;
	size_t used = 0,
	       cut = 0; /* cut: the last end of a character that leaves room for dots */

	while (text < end) {
		unsigned char byte = (unsigned char) *text;
		char escape[4] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
		size_t whole = text_char_size(text);
		size_t piece = whole > 0 ? whole : sizeof(escape);

		if (used + piece >= size) {
			memcpy(buffer + cut, "...", 3);
			used = cut + 3;
			break;
		}
		memcpy(buffer + used, whole > 0 ? text : escape, piece);
		used += piece;
		if (used + 4 <= size)
			cut = used;
		text += whole > 0 ? whole : 1;
	}
	buffer[used] = '\0';
	return used;
}

const char *text_excerpt(const char *text, char *buffer, size_t size)
{
	part_excerpt(text, strlen(text), buffer, size);
	return buffer;
}

bool text_lines_printable(const char *text)
{
	bool is_begin = true;

	for (size_t size; *text != '\0'; text += size) {
		size = *text == '\n' ? 1 : text_char_size(text);
		if (size == 0)
			return false;
		is_begin = *text == '\n';
	}
	return is_begin;
}

/* The bytes that a line takes with what is not printable as \xNN. */
static size_t line_room(const char *line, size_t length)
{
	const char *end = line + length;
	size_t room = 0;

	while (line < end) {
		size_t whole = text_char_size(line);

		room += whole > 0 ? whole : 4;
		line += whole > 0 ? whole : 1;
	}
	return room;
}

const char *text_excerpt_lines(const char *text, char *buffer, size_t size)
{
	size_t end = strlen(text), room = size - 1, used = 0;
	const char *begin = text + end, *line, *last;

	/* From the end back, as long as there is room; of the last line as much as fits. */
	last = text + (end > 0 && text[end - 1] == '\n' ? end - 1 : end);
	while (begin > text) {
		for (line = last; line > text && line[-1] != '\n';)
			line--;
		size_t needed = line_room(line, (size_t) (last - line)) + 1;
		if (needed > room && *begin != '\0')
			break;
		begin = line;
		if (needed > room)
			break;
		room -= needed;
		last = line - 1;
	}
	while (*begin != '\0') {
		size_t length = strcspn(begin, "\n");

		used += part_excerpt(begin, length, buffer + used, size - used - 1);
		buffer[used++] = '\n';
		begin += length + (begin[length] == '\n');
	}
	buffer[used] = '\0';
	return buffer;
}

bool text_is_name(const char *text, size_t max)
{
	size_t length;

	if (*text == '-' || *text == '.')
		return false;
	for (length = 0; text[length] != '\0'; length++) {
		char c = text[length];

		if (length + 1 >= max)
			return false;
		if (!is_digit(c) && !is_letter(c) && c != '.' && c != '_' && c != '-')
			return false;
	}
	return length > 0;
}
