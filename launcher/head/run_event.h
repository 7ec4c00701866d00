/* SPDX-License-Identifier: MIT */
/*
 * What the program that executes a notebook (contrib/recipes/run/run_notebook.py) tells the
 * head, a line of JSON each.  In the head's event loop, as the user.
 */
#ifndef HEAD_RUN_EVENT_H
#define HEAD_RUN_EVENT_H

#include <stddef.h>

#include "common/reason.h"

enum run_event_kind {
	RUN_READY,  /* the kernel answers */
	RUN_CELL,   /* a cell begins: cell of cells */
	RUN_SAY,    /* text for the job's log */
	RUN_DEAD,   /* the kernel has died in this cell: status as of waitpid() */
	RUN_FAILED, /* why, in text */
	RUN_DONE    /* all cells, and the executed notebook is written */
};

enum { RUN_CELLS_MAX = 10000000 /* of a notebook: far more than 100 MiB hold */ };

struct run_event {
	enum run_event_kind kind;
	unsigned cell, cells;
	int status; /* -1: not known */
	struct reason text;
};

/*
 *     {"event": "ready"}
 *     {"event": "cell", "cell": 3, "cells": 12}
 *     {"event": "say", "text": "..."}
 *     {"event": "dead", "code": -9}         as Python's returncode, or null
 *     {"event": "failed", "text": "..."}
 *     {"event": "done"}
 *
 * 0, or -1 with EPROTO.
 */
int run_event_parse(const char *line, size_t size, struct run_event *event);

#endif
