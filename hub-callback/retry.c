/* SPDX-License-Identifier: MIT */
/* See retry.h. */
#include <string.h>

#include "hub-callback/retry.h"

bool retry_next(struct retry *retry, int64_t now_ms, int64_t deadline_ms, int64_t after_ms,
		uint64_t random, int64_t *delay_ms)
{
	int64_t cap = deadline_ms > 0 ? RETRY_CAP_MS : RETRY_GENTLE_MS, most = RETRY_BASE_MS;
	int64_t delay;

	if (deadline_ms > 0 && now_ms >= deadline_ms)
		return false;
	for (unsigned i = 0; i < retry->failures && most < cap; i++)
		most *= 2;
	if (most > cap)
		most = cap;
	if (retry->failures < 32) /* long past every cap */
		retry->failures++;
	delay = (int64_t) (random % (uint64_t) (most + 1));
	if (after_ms >= 0)
		delay += after_ms;
	else if (deadline_ms > 0 && delay > deadline_ms - now_ms)
		delay = deadline_ms - now_ms;
	*delay_ms = delay;
	return true;
}

/* Exactly `count` digits; -1 for anything else. */
static int digits(const char *text, int count)
{
	int value = 0;

	for (int i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

/* Which of the three-letter names text begins with; -1: none. */
static int name_index(const char *text, const char *names)
{
	for (int i = 0; names[3 * i]; i++)
		if (!strncmp(text, names + (size_t) 3 * (size_t) i, 3))
			return i;
	return -1;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT": IMF-fixdate.  -1 for anything else. */
static time_t date_parse(const char *text)
{
	static const char form[] = "..., .. ... .... ..:..:.. GMT";
	struct tm date = {0};

	if (strlen(text) != sizeof(form) - 1)
		return -1;
	for (size_t i = 0; i < sizeof(form) - 1; i++)
		if (form[i] != '.' && text[i] != form[i])
			return -1;
	date.tm_mday = digits(text + 5, 2);
	date.tm_mon = name_index(text + 8, "JanFebMarAprMayJunJulAugSepOctNovDec");
	date.tm_year = digits(text + 12, 4) - 1900;
	date.tm_hour = digits(text + 17, 2);
	date.tm_min = digits(text + 20, 2);
	date.tm_sec = digits(text + 23, 2);
	if (name_index(text, "MonTueWedThuFriSatSun") < 0 || date.tm_mday < 1 ||
	    date.tm_mday > 31 || date.tm_mon < 0 || date.tm_year < 70 || date.tm_hour < 0 ||
	    date.tm_hour > 23 || date.tm_min < 0 || date.tm_min > 59 || date.tm_sec < 0 ||
	    date.tm_sec > 60)
		return -1;
	return timegm(&date);
}

int64_t retry_after_parse(const char *value, time_t now)
{
	const int64_t most = RETRY_AFTER_MS / 1000;
	size_t length = strspn(value, "0123456789");
	int64_t seconds;

	if (length > 0 && value[length] == '\0') {
		/* More digits than these are above every bound, whatever they are. */
		seconds = length <= 9 ? digits(value, (int) length) : most;
	} else {
		time_t date = date_parse(value);

		if (date < 0)
			return -1;
		seconds = date > now ? (int64_t) (date - now) : 0;
	}
	return (seconds < most ? seconds : most) * 1000;
}
