/* SPDX-License-Identifier: MIT */
/*
 * The phases of a session, told one after the other with their times.  In sjupyter, as the
 * user.
 */
#ifndef SJUPYTER_PHASES_H
#define SJUPYTER_PHASES_H

#include "common/session.h"
#include "launcher/sjupyter/progress.h"

enum { PHASES_TEXT_MAX = 256 };

/* What has happened in this phase, "lab answers"; in text. */
const char *phases_words(const struct session *session, enum session_phase phase,
			 char text[PHASES_TEXT_MAX]);

/*
 * The next phase that the record has and *told has not, in the order of time; PHASE_COUNT when
 * there is none.  *told has one bit for each phase, none at first.
 */
enum session_phase phases_next(const struct session *session, unsigned *told);

/* Prints a line for each phase that was not told yet. */
void phases_show(const struct session *session, unsigned *told, struct progress *progress);

/* Seconds from the session's first phase to this one. */
double phases_since_begin(const struct session *session, enum session_phase phase);

#endif
