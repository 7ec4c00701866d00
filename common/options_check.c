/* SPDX-License-Identifier: MIT */
/*
 * The grammar of each option's value: see options_check.h.  Runs wherever options.c does, on
 * values that anybody may have written, as the user and, in slurmstepd, as root.
 */
#include "options_check.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "options.h"
#include "text.h"

/* The usual refusal: the value, why, and what is allowed. */
static int refuse(const char *name, const char *value, const char *why, const char *allowed,
		  struct reason *reason)
{
	char shown[OPTION_SHOWN_MAX];

	errno = EINVAL;
	return reason_set(reason, "--%s: \"%s\" %s: give %s", name,
			  text_excerpt(value, shown, sizeof(shown)), why, allowed);
}

int option_check_size(const char *name, const char *value, struct reason *reason)
{
	char shown_name[OPTION_SHOWN_MAX];

	if (strnlen(value, OPTIONS_VALUE_MAX) < OPTIONS_VALUE_MAX)
		return 0;
	errno = EMSGSIZE;
	/* Not shown: so much text is no typing error, and in a URL it may be a secret. */
	return reason_set(reason, "--%s: the value of %zu bytes is too long: give at most %d",
			  text_excerpt(name, shown_name, sizeof(shown_name)), strlen(value),
			  OPTIONS_VALUE_MAX - 1);
}

int option_check_app(const char *name, const char *value, struct reason *reason)
{
	static const char kernel[] = "kernel:", run[] = "run:";

	if (strncmp(value, run, strlen(run)) == 0 && value[strlen(run)] != '\0')
		return option_check_path(name, value, reason);
	if (strcmp(value, "run") == 0 || strcmp(value, run) == 0)
		return refuse(name, value, "has no notebook", "run:NOTEBOOK.ipynb", reason);

	if (strncmp(value, kernel, strlen(kernel)) == 0) {
		if (text_is_name(value + strlen(kernel), OPTIONS_NAME_MAX))
			return 0;
		return refuse(name, value, "has a wrong kernel name",
			      "kernel:KERNELSPEC with one of those that 'jupyter kernelspec "
			      "list' names",
			      reason);
	}
	if (text_is_name(value, OPTIONS_NAME_MAX))
		return 0;
	return refuse(
		name, value, "is not an app's name",
		"lab, notebook, server, kernel[:KERNELSPEC], run:NOTEBOOK.ipynb, singleuser, "
		"or an app of the site",
		reason);
}

static const char letters_digits[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/* How many bytes at the start of text are letters, digits or one of `more`. */
static size_t span(const char *text, const char *more)
{
	size_t length = 0;

	while (text[length] != '\0' && (strchr(letters_digits, text[length]) != NULL ||
					strchr(more, text[length]) != NULL))
		length++;
	return length;
}

int option_check_param(const char *name, const char *value, struct reason *reason)
{
	static const char allowed[] = "NAME=VALUE, NAME of letters, digits and _, as alpha=0.1";
	size_t length = span(value, "_");

	if (value[length] != '=' || length == 0 || strchr("0123456789", *value) != NULL)
		return refuse(name, value, "is not a parameter", allowed, reason);
	if (length >= OPTIONS_NAME_MAX)
		return refuse(name, value, "has too long a name", "a NAME of at most 63 bytes",
			      reason);
	if (!text_printable(value))
		return refuse(name, value, "has control characters or is not UTF-8",
			      "printable text; in JSON, \"\\n\" is a newline", reason);
	return 0;
}

int option_check_workers(const char *name, const char *value, struct reason *reason)
{
	struct options_workers list[OPTIONS_KINDS_MAX];

	if (options_worker_list(value, list, OPTIONS_KINDS_MAX) >= 0)
		return 0;
	switch (errno) {
	case E2BIG:
		return refuse(name, value, "has too many kinds", "at most 32", reason);
	case EEXIST:
		return refuse(name, value, "has a kind twice", "each kind once, with the sum",
			      reason);
	case ERANGE:
		return refuse(name, value, "has a wrong number of workers",
			      "1 to 1024 for each node, as in dask:2", reason);
	default:
		return refuse(name, value, "is not a list of workers",
			      "KIND[:N][,KIND[:N]...] with N from 1 to 1024, as in dask:2,mpi",
			      reason);
	}
}

/*
 * Whether the value has a place where people put secrets: before "@", or in a query.  Also
 * where it is escaped, and where the value is no URL at all, because it is then shown as it is.
 */
static bool may_hold_secret(const char *value)
{
	return strpbrk(value, "@?#") != NULL || strcasestr(value, "%40") != NULL ||
	       strcasestr(value, "%3f") != NULL || strcasestr(value, "token=") != NULL;
}

/* Reads HOST[:PORT], HOST a name, an IPv4 or a bracketed IPv6 address; what is behind it, or
 * NULL. */
static const char *authority_read(const char *text)
{
	enum { HOST_MAX = 255 }; /* RFC 1035, 2.3.4 */
	size_t length, digits;
	char port[6];
	unsigned long number;

	if (*text == '[') {
		length = span(text + 1, ":.");
		if (length < 2 || text[1 + length] != ']') /* "::" is the shortest */
			return NULL;
		text += length + 2;
	} else {
		length = span(text, "-._");
		if (length == 0 || length > HOST_MAX || *text == '-' || *text == '.')
			return NULL;
		text += length;
	}
	if (*text != ':')
		return text;
	text++;
	digits = strspn(text, "0123456789");
	if (digits >= sizeof(port))
		return NULL;
	memcpy(port, text, digits);
	port[digits] = '\0';
	if (text_to_ulong(port, 1, 65535, &number) != 0)
		return NULL;
	return text + digits;
}

int option_check_hub(const char *name, const char *value, struct reason *reason)
{
	const char *at;

	if (strcmp(value, "none") == 0)
		return 0;
	if (may_hold_secret(value)) {
		errno = EINVAL;
		return reason_set(reason,
				  "--%s: the value (not shown) has a user name, a query or a "
				  "token: give the "
				  "plain URL, a secret is never an option's value",
				  name);
	}
	if (strncmp(value, "http://", 7) == 0)
		at = authority_read(value + 7);
	else if (strncmp(value, "https://", 8) == 0)
		at = authority_read(value + 8);
	else
		at = NULL;
	/* The path: what RFC 3986 allows there. */
	if (at == NULL || (*at != '\0' && *at != '/') ||
	    at[span(at, "/-._~%!$&'()*+,;=:")] != '\0')
		return refuse(name, value, "is not a hub's URL",
			      "http://HOST[:PORT]/PATH, https://HOST[:PORT]/PATH, or none",
			      reason);
	return 0;
}

int option_check_path(const char *name, const char *value, struct reason *reason)
{
	if (text_printable(value))
		return 0;
	return refuse(name, value, "has control characters or is not UTF-8",
		      "a path of printable characters", reason);
}

int option_parse_start(const char *name, const char *value, bool *manual, struct reason *reason)
{
	if (strcmp(value, "now") != 0 && strcmp(value, "manual") != 0)
		return refuse(name, value, "is not allowed", "now or manual", reason);
	*manual = strcmp(value, "manual") == 0;
	return 0;
}

int option_parse_time(const char *name, const char *value, long *seconds, struct reason *reason)
{
	static const char formats[] = "minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S or UNLIMITED";

	if (text_to_seconds(value, seconds) == 0)
		return 0;
	if (errno == ERANGE)
		return refuse(name, value, "is too long", "at most 366 days, or UNLIMITED",
			      reason);
	return refuse(name, value, "is not a time", formats, reason);
}
