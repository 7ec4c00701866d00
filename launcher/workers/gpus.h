/* SPDX-License-Identifier: MIT */
/*
 * The GPUs that the job has on this node, as Slurm tells them in the environment, and each
 * worker's share of them.  In jupyter-agent, as the user.
 */
#ifndef WORKERS_GPUS_H
#define WORKERS_GPUS_H

/* The variables that list devices, each divided by itself; ends with NULL. */
extern const char *const gpus_variables[];

/*
 * The part of devices ("0,1,2" or UUIDs) that is the one of worker index of count: some in a
 * row, or one each in turn where there are more workers than devices.  Caller frees.  NULL with
 * ENOENT when there is nothing to divide: no list, an empty one, or a word that means none
 * ("NoDevFiles"); or with ENOMEM.
 */
char *gpus_share(const char *devices, unsigned index, unsigned count);

#endif
