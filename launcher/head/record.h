/* SPDX-License-Identifier: MIT */
/*
 * The head's hold on the session record: what changes often is gathered into one write, at most
 * a twentieth of the time is spent on these, and what a person waits for is written at once. In
 * the head's event loop, as the user.
 */
#ifndef HEAD_RECORD_H
#define HEAD_RECORD_H

#include "common/session.h"
#include "launcher/loop.h"
#include "launcher/session_log.h"

struct record;

/* dirfd stays the caller's.  Continues what jupyter-launch began there.  NULL with errno. */
struct record *record_create(struct loop *loop, int dirfd, struct session_log *log);
void record_destroy(struct record *record); /* writes what is not written yet; accepts NULL */

/* To read and to change; then record_changed() or record_write(). */
struct session *record_session(struct record *record);

/* Written within a quarter of a second; or within 19 times as long as the last write took, if
 * that is longer, and 10 seconds. */
void record_changed(struct record *record);
void record_write(struct record *record); /* written now */

/* Notes the phase's time, the first time only. */
void record_phase(struct record *record, enum session_phase phase);

#endif
