/* SPDX-License-Identifier: MIT */
/* See doctor_line.h. */
#include "launcher/sjupyter/doctor_line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void send_line(json_t *json)
{
	if (json && json_dumpf(json, stdout, JSON_COMPACT) == 0)
		putchar('\n');
	fflush(stdout);
	json_decref(json);
}

void doctor_line_send_credential(const char *credential)
{
	send_line(json_pack("{s:s}", "credential", credential));
}

void doctor_line_send_port(const char *ip, unsigned port)
{
	send_line(json_pack("{s:s, s:i}", "ip", ip, "port", (int) port));
}

static int copy(char *to, size_t size, const char *from)
{
	if (strnlen(from, size) >= size)
		return -1;
	memcpy(to, from, strlen(from) + 1);
	return 0;
}

int doctor_line_parse(const char *text, struct doctor_line *line)
{
	unsigned char address[sizeof(struct in6_addr)];
	json_t *json = strnlen(text, DOCTOR_LINE_MAX) < DOCTOR_LINE_MAX
			       ? json_loads(text, 0, NULL)
			       : NULL;
	struct doctor_line read = {.kind = DOCTOR_LINE_PORT};
	const char *word;
	int port = 0, rc = -1;

	if (!json)
		goto out;
	if (json_unpack(json, "{s:s !}", "credential", &word) == 0) {
		read.kind = DOCTOR_LINE_CREDENTIAL;
		rc = copy(read.credential, sizeof(read.credential), word);
	} else if (json_unpack(json, "{s:s, s:i !}", "ip", &word, "port", &port) == 0 &&
		   port > 0 && port <= 65535 &&
		   (inet_pton(AF_INET, word, address) == 1 ||
		    inet_pton(AF_INET6, word, address) == 1)) {
		read.port = (unsigned) port;
		rc = copy(read.ip, sizeof(read.ip), word);
	}
out:
	json_decref(json);
	if (rc == 0)
		*line = read;
	else
		errno = EPROTO;
	return rc;
}
