/* SPDX-License-Identifier: MIT */
/* See gpus.h. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "launcher/workers/gpus.h"

/* gres.html of Slurm: which it sets depends on the make of the GPUs. */
const char *const gpus_variables[] = {"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
				      "GPU_DEVICE_ORDINAL", NULL};

/* Where the device begins; devices_count: the end of the list, behind its NUL. */
static const char *device_at(const char *devices, size_t index)
{
	while (index-- > 0)
		devices += strcspn(devices, ",") + 1;
	return devices;
}

char *gpus_share(const char *devices, unsigned index, unsigned count)
{
	size_t total = 1, begin, end;

	if (!devices || !*devices || !strcmp(devices, "NoDevFiles") || *devices == '-' ||
	    !count) {
		errno = ENOENT;
		return NULL;
	}
	for (const char *at = devices; (at = strchr(at, ',')); at++)
		total++;
	index %= count;
	if (count <= total) {
		begin = index * total / count;
		end = (index + 1) * total / count;
	} else {
		begin = index % total;
		end = begin + 1;
	}
	const char *first = device_at(devices, begin);
	return strndup(first, (size_t) (device_at(devices, end) - first) - 1);
}
