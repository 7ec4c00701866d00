/* SPDX-License-Identifier: MIT */
/*
 * Reads what squeue and scontrol print: see queue.h.  Another user cannot write there, but a
 * job's own texts stand in it, so every field is checked.
 */
#include "launcher/sjupyter/queue.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

enum {
	FIELDS = 10,	      /* of QUEUE_FORMAT */
	LINE_MAX_SIZE = 4096, /* bytes; a reason is the only text without a bound of its own */
	JOBS_FIRST = 16,
	NODES_MAX = 65536 /* Slurm's MAX_SLURM_NODES */
};

static bool is_number(const char *text)
{
	unsigned long number;

	return text_to_ulong(text, 0, UINT32_MAX, &number) == 0;
}

/* "12", or "2K" for exactly 2048, or "1-4" while it is pending; 0 when it is anything else. */
static unsigned read_nodes(char *text)
{
	unsigned long number, factor = 1;
	size_t digits;

	text[strcspn(text, "-")] = '\0';
	digits = strspn(text, "0123456789");
	if (!strcmp(text + digits, "K")) {
		factor = 1024;
		text[digits] = '\0';
	}
	if (text_to_ulong(text, 0, NODES_MAX / factor, &number) < 0)
		return 0;
	return (unsigned) (number * factor);
}

/* Unix seconds, or 0 for what Slurm writes when it does not know. */
static double read_time(const char *text)
{
	unsigned long seconds;

	/* Year 2242: more is NO_VAL or the like. */
	return text_to_ulong(text, 0, 1UL << 33, &seconds) < 0 ? 0 : (double) seconds;
}

static int read_id(const char *text, char id[QUEUE_ID_MAX])
{
	if (!is_number(text) || strlen(text) >= QUEUE_ID_MAX)
		return -1;
	memcpy(id, text, strlen(text) + 1);
	return 0;
}

static int read_state(const char *text, char state[QUEUE_STATE_MAX])
{
	size_t size = strlen(text);

	if (size == 0 || size >= QUEUE_STATE_MAX ||
	    text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")])
		return -1;
	memcpy(state, text, size + 1);
	return 0;
}

/* line is changed. */
static int read_line(char *line, struct queue_job *job)
{
	char *field[FIELDS], *rest = line;
	unsigned long uid;

	/* The reason is the last and may hold "|". */
	for (size_t i = 0; i < FIELDS; i++) {
		if (!rest)
			return -1;
		field[i] = i + 1 < FIELDS ? strsep(&rest, "|") : rest;
	}
	memset(job, 0, sizeof(*job));
	if (read_id(field[0], job->id) < 0 || read_state(field[3], job->state) < 0 ||
	    text_to_ulong(field[7], 0, UINT32_MAX, &uid) < 0)
		return -1;
	if (strcmp(field[2], "N/A") != 0) {
		if (read_id(field[1], job->array_id) < 0)
			return -1;
		/* "0-100%2": those that wait together have no number yet. */
		(void) read_id(field[2], job->task_id);
	}
	job->nodes = read_nodes(field[4]);
	job->start = read_time(field[5]);
	job->end = read_time(field[6]);
	job->uid = (uid_t) uid;
	if (text_is_name(field[8], sizeof(job->node)))
		strcpy(job->node, field[8]);
	text_excerpt(field[9], job->reason, sizeof(job->reason));
	return 0;
}

int queue_parse(const char *text, struct queue_job **jobs, size_t *count, struct reason *reason)
{
	struct queue_job *read = NULL;
	size_t used = 0, room = 0;
	char line[LINE_MAX_SIZE];

	while (*text) {
		size_t size = strcspn(text, "\n");
		const char *next = text + size + (text[size] == '\n');
		bool is_heading = !strncmp(text, "CLUSTER: ", 9); /* squeue --clusters */

		if (used == room) {
			struct queue_job *more;
			room = room ? 2 * room : JOBS_FIRST;
			if (!(more = reallocarray(read, room, sizeof(*read)))) {
				reason_set(reason, "squeue: %s", strerror(errno));
				goto error;
			}
			read = more;
		}
		if (size > 0 && !is_heading) {
			if (size >= sizeof(line))
				goto strange;
			memcpy(line, text, size);
			line[size] = '\0';
			if (read_line(line, &read[used]) < 0)
				goto strange;
			used++;
		}
		text = next;
	}
	*jobs = read;
	*count = used;
	return 0;

strange:
	reason_set(reason, "squeue has answered what cannot be understood: %.200s", text);
	errno = EPROTO;
error:
	room = (size_t) errno;
	free(read);
	errno = (int) room;
	return -1;
}

char *queue_parse_value(const char *text, const char *key)
{
	size_t key_size = strlen(key);

	for (;;) {
		const char *at = text + strspn(text, " ");
		size_t size = strcspn(text, "\n");

		if (!strncmp(at, key, key_size)) {
			at += key_size;
			at += strspn(at, " ");
			if (*at == '=') {
				at++;
				at += strspn(at, " ");
				char *value = strndup(at, strcspn(at, "\n"));
				if (value && !text_printable(value)) {
					free(value);
					value = NULL;
					errno = EPROTO;
				}
				return value;
			}
		}
		if (!text[size])
			break;
		text += size + 1;
	}
	errno = ENOENT;
	return NULL;
}

const struct queue_job *queue_find(const struct queue_job *jobs, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(jobs[i].id, id))
			return &jobs[i];
	return NULL;
}
