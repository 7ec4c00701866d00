/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the control plane's benchmark share; see control.c.
 */
#ifndef BENCH_CONTROL_H
#define BENCH_CONTROL_H

#include <sys/resource.h>
#include <time.h>
#include <zmq.h>

#include "launcher/control/control.h"
#include "unit/munged.h"

#define JOB "4711"

/* Where a rank's agents connect: what the rendezvous of a session carries. */
struct place {
	size_t rank; /* 0: the head */
	char endpoint[CONTROL_ENDPOINT_MAX];
	char key[CONTROL_KEY_SIZE];
};

double now(void);	       /* seconds, of a clock that goes forward */
double process_cpu(pid_t pid); /* seconds that all its threads have had so far */
void allow_files(rlim_t count);

/* The ranks 1..agents-1 are simulated by `packs` processes; this one has those of the blocks of
 * span ranks (span 0: of single ranks) whose number modulo packs is its own. */
struct pack {
	size_t number, packs, agents, span;
	int places; /* struct place after struct place, as they become known; the first: go */
	int ready;  /* a byte is written to it when all is prepared */
};

_Noreturn void pack_main(const struct pack *pack);

/* Processor seconds of one agent that no design can save with this libzmq and munge; plain is
 * a handshake without secret_memory.h. */
struct floor {
	double handshake, munge, plain;
};
struct floor floor_measure(const struct munged *munged);

#endif
