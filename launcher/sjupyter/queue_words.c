/* SPDX-License-Identifier: MIT */
/*
 * Slurm's states and reasons of jobs, for people: see queue.h.
 */
#include "launcher/sjupyter/queue.h"

#include <stdio.h>
#include <string.h>

/* Of squeue(1), JOB REASON CODES: those that people meet.  The first whose name the reason
 * begins with counts, so the longer of two comes first. */
static const struct {
	const char *name;
	const char *words;
} reasons[] = {
	{"Priority", "jobs of a higher priority come first"},
	{"Resources", "waiting for free resources"},
	{"DependencyNeverSatisfied", "a job it depends on has failed: it will never start"},
	{"Dependency", "waiting for a job it depends on"},
	{"BeginTime", "its begin time has not come yet"},
	{"JobHeldUser", "held: `scontrol release` lets it start"},
	{"JobHeldAdmin", "held by an administrator"},
	{"JobArrayTaskLimit", "its array runs as many tasks at once as it may"},
	{"PartitionTimeLimit", "its time limit is longer than the partition allows"},
	{"PartitionNodeLimit", "it asks for more nodes than the partition has or allows"},
	{"PartitionDown", "the partition is down"},
	{"PartitionInactive", "the partition starts no jobs at present"},
	{"ReqNodeNotAvail", "a node it needs is not available"},
	{"NodeDown", "a node it needs is down"},
	{"BadConstraints", "no node has what it asks for"},
	{"Licenses", "waiting for a license"},
	{"Reservation", "waiting for its reservation"},
	{"InvalidAccount", "its account is not valid"},
	{"InvalidQOS", "its quality of service is not valid"},
	{"QOS", "a limit of its quality of service is reached"},
	{"MaxJobs", "as many jobs run as may at once"},
	{"Assoc", "a limit of its account is reached"},
	{"Prolog", "its nodes are being prepared"},
	{"Cleaning", "its nodes are being cleaned up for another run"},
	{"TimeLimit", "its time was over"},
	{"OutOfMemory", "it used more memory than it had asked for"},
	{"NonZeroExitCode", "its script ended with an error"},
	{"RaisedSignal", "it was ended by a signal"},
	{"JobLaunchFailure", "Slurm could not start it"},
};

static const char *const final_states[] = {
	"BOOT_FAIL", "CANCELLED",     "COMPLETED", "DEADLINE", "FAILED",
	"NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",  "TIMEOUT"};

static const char *const pending_states[] = {"PENDING",	    "CONFIGURING",  "REQUEUED",
					     "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD",
					     "SPECIAL_EXIT"};

static bool is_any(const char *state, const char *const states[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(state, states[i]))
			return true;
	return false;
}

bool queue_state_is_final(const char *state)
{
	return is_any(state, final_states, sizeof(final_states) / sizeof(final_states[0]));
}

bool queue_state_is_pending(const char *state)
{
	return is_any(state, pending_states,
		      sizeof(pending_states) / sizeof(pending_states[0]));
}

const char *queue_words(const char *reason, char buffer[QUEUE_WORDS_MAX])
{
	if (!*reason || !strcmp(reason, "None") || !strcmp(reason, "(null)")) {
		snprintf(buffer, QUEUE_WORDS_MAX, "Slurm has not looked at it yet");
		return buffer;
	}
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (!strncmp(reason, reasons[i].name, strlen(reasons[i].name))) {
			snprintf(buffer, QUEUE_WORDS_MAX, "%s (%s)", reasons[i].words, reason);
			return buffer;
		}
	}
	snprintf(buffer, QUEUE_WORDS_MAX, "%s", reason);
	return buffer;
}
