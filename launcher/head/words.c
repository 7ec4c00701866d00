/* SPDX-License-Identifier: MIT */
/*
 * What the head tells its user: a line in the job's stderr (by way of jupyter-launch) and in
 * session.log.  As the user.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launcher/head/head.h"
#include "launcher/rendezvous.h"

void head_say(struct head *head, const char *format, ...)
{
	char text[REASON_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	session_log_line(head->log, LOG_INFO, "head", "%s", text);
	/* srun may be gone already: the log has the line. */
	if (rendezvous_say(STDOUT_FILENO, text) < 0)
		session_log_line(head->log, LOG_DEBUG, "head", "stdout: %s", strerror(errno));
}

void head_log(struct head *head, int level, const char *format, ...)
{
	char text[REASON_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	session_log_line(head->log, level, "head", "%s", text);
}
