/* SPDX-License-Identifier: MIT */
/*
 * The memory in which libzmq keeps secrets while a CURVE handshake lasts.  Used by the head and
 * the agents, as the user, from ZeroMQ's I/O threads.
 *
 * libzmq takes nine small buffers for a handshake from libsodium's sodium_allocarray(), and
 * gives each back within microseconds.  There each costs eleven system calls that change the
 * process's memory map, which is a third of the time of a handshake (measured with
 * libzmq 4.3.4, libsodium 1.0.18).  So the program has a sodium_allocarray() and a
 * sodium_free() of its own, which the dynamic linker prefers for libzmq: slots of one region
 * that is made once as libsodium makes each of its own, locked in memory, left out of core
 * dumps and between two pages that cannot be touched; a slot is wiped when it is given back.
 * What does not fit takes a region of its own.
 */
#ifndef CONTROL_SECRET_MEMORY_H
#define CONTROL_SECRET_MEMORY_H

#include <stddef.h>

/* Makes the region, once in a process; before ZeroMQ's threads are there.  Without it, and when
 * there is no memory for it, every buffer takes a region of its own. */
void secret_memory_open(void);

/* Slots that are in use, for tests. */
unsigned secret_memory_used(void);

#endif
