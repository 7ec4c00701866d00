# SPDX-License-Identifier: MIT
"""usage: ipyparallel_slurm.py COUNT PER_NODE CONTROLLER_IP STAMP

ipyparallel's own Slurm launcher, configured as "Using ipyparallel on batch systems" of its documentation
says: engines by a batch job of its own, the controller on this host, on an address which the nodes
reach.  The template is the documentation's with a line which notes when the job began, and no binding,
for which the nodes of the private cluster do not have the processors that they name.
"""

import sys

import clients
import ipyparallel
from traitlets.config import Config

count, per_node, ip, stamp = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
config = Config()
config.SlurmEngineSetLauncher.batch_template = f"""#!/bin/sh
#SBATCH --export=ALL
#SBATCH --job-name=ipengines
#SBATCH --ntasks={{n}}
#SBATCH --ntasks-per-node={per_node}
#SBATCH --output=/dev/null
export SLURM_CPU_BIND=none
date +%s.%N >{stamp}
srun {{program_and_args}}
"""
cluster = ipyparallel.Cluster(
    engines="slurm", controller_ip=ip, n=count, config=config, log_level=40
)
cluster.start_cluster_sync()
try:
    client = cluster.connect_client_sync()
    clients.tell(*clients.engines_answer(client, count))
finally:
    cluster.stop_cluster_sync()
