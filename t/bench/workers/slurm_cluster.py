# SPDX-License-Identifier: MIT
"""usage: slurm_cluster.py NODES PER_NODE SCHEDULER_IP STAMP

dask-jobqueue's SLURMCluster as its documentation says: one job for each node with as many worker processes
as it has CPUs, the scheduler on this host, on an address which the nodes reach.  A line of the job's
prologue notes when each job began.
"""

import sys

import clients
import distributed
from dask_jobqueue import SLURMCluster

nodes, per_node, ip, stamp = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
if __name__ == "__main__":
    cluster = SLURMCluster(
        cores=per_node,
        processes=per_node,
        memory="8GB",
        walltime="00:10:00",
        scheduler_options={"host": ip, "dashboard": False},
        job_script_prologue=[f"date +%s.%N >>{stamp}"],
        job_extra_directives=["--output=/dev/null"],
    )
    cluster.scale(jobs=nodes)
    client = distributed.Client(cluster)
    try:
        clients.tell(*clients.dask_answers(client, nodes * per_node))
    finally:
        client.close()
        cluster.close()
