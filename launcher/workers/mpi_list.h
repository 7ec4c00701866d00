/* SPDX-License-Identifier: MIT */
/*
 * Which of srun's kinds of MPI is for the ranks of a step.  In the head, as the user.
 */
#ifndef WORKERS_MPI_LIST_H
#define WORKERS_MPI_LIST_H

#include <stdbool.h>

/*
 * From what `srun --mpi=list` prints, a kind on each line: "pmix", else "pmi2"; with tried, the
 * one to try after that.  NULL where there is none.
 */
const char *mpi_list_choose(const char *output, const char *tried);

/* Whether srun's words say that it cannot use the kind that it has listed: Slurm lists pmix
 * where its plugin is there, and finds out later that PMIx' library is not. */
bool mpi_list_refused(const char *words);

#endif
