/* SPDX-License-Identifier: MIT */
/* See rejections.h. */
#include "launcher/control/rejections.h"

int rejections_add(struct rejections *rejections, const char *address, const char *reason,
		   int64_t now)
{
	struct reason line;

	reason_set(&line, "%s: %s", address[0] != '\0' ? address : "unknown address", reason);
	if (now - rejections->since >= REJECTIONS_MS) {
		rejections->since = now;
		rejections->told = 0;
	}
	if (rejections->told >= REJECTIONS_MAX) {
		rejections->held++;
		rejections->last = line;
		return 0;
	}
	rejections->told++;
	rejections->tell(line.text, rejections->arg);
	return 1;
}

void rejections_rest(struct rejections *rejections)
{
	struct reason line;

	if (rejections->held == 0)
		return;
	reason_set(&line, "%llu more messages or agents were turned away, the last: %s",
		   (unsigned long long) rejections->held, rejections->last.text);
	rejections->held = 0;
	rejections->tell(line.text, rejections->arg);
}
