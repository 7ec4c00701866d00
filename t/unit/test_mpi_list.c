/* SPDX-License-Identifier: MIT */
/*
 * Tests of the choice among srun's kinds of MPI (launcher/workers/mpi_list.h).  Run by `make
 * check`, as anybody.
 */
#include "launcher/workers/mpi_list.h"

#include "tap.h"

int main(void)
{
	/* Slurm 22.05 and 24.11 print it so. */
	static const char both[] = "MPI plugin types are...\n\tpmix\n\tnone\n\tcray_shasta\n"
				   "\tpmi2\nspecific pmix plugin versions available: pmix_v4";
	static const char old[] = "MPI plugin types are...\n\tnone\n\tpmi2\n";

	is_str(mpi_list_choose(both, NULL), "pmix", "pmix where it is");
	is_str(mpi_list_choose(both, "pmix"), "pmi2", "pmi2 when that was refused");
	is_str(mpi_list_choose(both, "pmi2"), NULL, "and nothing after that");
	is_str(mpi_list_choose(old, NULL), "pmi2", "pmi2 where pmix is not");
	is_str(mpi_list_choose("pmi2", NULL), "pmi2", "without the end of the line");
	is_str(mpi_list_choose("pmix_v4\n", NULL), NULL, "a version is not the kind");
	is_str(mpi_list_choose("specific pmix plugin\n", NULL), NULL,
	       "nor is a word in a line");
	is_str(mpi_list_choose("", NULL), NULL, "nothing");
	is_str(mpi_list_choose("\n\n \n", NULL), NULL, "empty lines");

	ok(mpi_list_refused("srun: error: MPI: Unable to load any plugin\nsrun: error: Invalid "
			    "MPI type 'pmix', --mpi=list for acceptable types\n"),
	   "srun refuses what it has listed");
	ok(!mpi_list_refused("srun: error: n1: task 0: Exited with exit code 1\n"),
	   "which is not any failure");
	return done_testing();
}
