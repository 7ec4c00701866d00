# SPDX-License-Identifier: MIT
"""batchspawner as its documentation sets it up: the peer of t/bench/hub.sh.

Further lines of contrib/cluster/lib/hub_config.py, read by JupyterHub as the hub's account.  What that file has
set for --jupyter=singleuser is batchspawner's own default again; batchspawner-singleuser and the same
jupyterhub-singleuser are in the PATH of the job.
"""

import os

c = get_config()  # noqa: F821

peers = os.environ["CLUSTER_HUB_DIR"] + "-peers"

c.JupyterHub.spawner_class = "batchspawner.SlurmSpawner"
c.Spawner.cmd = ["jupyterhub-singleuser"]
c.SlurmSpawner.batch_submit_cmd = "sbatch --parsable"
c.SlurmSpawner.batchspawner_singleuser_cmd = "batchspawner-singleuser"
c.SlurmSpawner.req_srun = "srun"
c.SlurmSpawner.req_partition = "main"
c.SlurmSpawner.req_nprocs = "1"
c.SlurmSpawner.req_runtime = "30:00"
# Where it is installed, and when the script has begun.
c.SlurmSpawner.req_prologue = "date +%%s.%%N >$HOME/.bench-begun\nexport PATH=%s/bin:$PATH" % peers
