/* SPDX-License-Identifier: MIT */
/* See span.h. */
#include "launcher/control/span.h"

#include "launcher/control/control.h"

size_t control_span(size_t agents, size_t star_max)
{
	size_t span = CONTROL_SPAN_MIN;

	if (agents <= star_max)
		return 0;
	while (span * span < agents)
		span++;
	return span;
}

size_t span_branch_of(size_t rank, size_t span)
{
	if (span == 0 || rank < span || rank % span == 0)
		return SPAN_NO_BRANCH;
	return rank - rank % span;
}

bool span_is_branch(size_t rank, size_t span)
{
	return span > 0 && rank > 0 && rank % span == 0;
}

size_t span_direct(size_t agents, size_t span)
{
	if (span == 0 || agents <= span)
		return agents;
	return span + (agents - 1) / span;
}
