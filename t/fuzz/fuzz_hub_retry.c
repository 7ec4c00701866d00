/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the value of a Retry-After header, hub-callback/retry.h.
 */
#include "fuzz.h"

#include <string.h>

#include "hub-callback/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char value[256];
	int64_t ms;

	if (size >= sizeof(value))
		return 0;
	memcpy(value, data, size);
	value[size] = '\0';
	ms = retry_after_parse(value, 784111777);
	REQUIRE(ms >= -1 && ms <= RETRY_AFTER_MS && (ms == -1 || ms % 1000 == 0));
	return 0;
}
