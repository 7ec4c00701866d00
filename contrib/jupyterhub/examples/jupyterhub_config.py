# SPDX-License-Identifier: MIT
"""An example of a JupyterHub on a login or service node of a Slurm cluster, with spank-jupyter's spawner.

Read by JupyterHub, as the hub's account.  ../README.md explains every setting; replace what names example.org.
"""

c = get_config()  # noqa: F821

# Where browsers reach the proxy, and where the sessions on the compute nodes reach the hub: an address of
# the cluster's network, never 127.0.0.1.
c.JupyterHub.bind_url = "https://hub.example.org"
c.JupyterHub.ssl_key = "/etc/jupyterhub/tls.key"
c.JupyterHub.ssl_cert = "/etc/jupyterhub/tls.crt"
c.JupyterHub.hub_bind_url = "http://10.1.0.10:8081"

# A restart of the hub ends nobody's server.
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False

# Users log in with their account on the cluster.
c.JupyterHub.authenticator_class = "pam"
c.Authenticator.allow_all = True  # JupyterHub 5 and later; 4 does so by itself
c.PAMAuthenticator.open_sessions = False

# Users may have several servers, and may add jobs of their own (sbatch --jupyter=lab --jupyter-hub=...).
c.JupyterHub.allow_named_servers = True

# A spawn that waits in the queue costs the hub nothing; JupyterHub's own limit is 100 at a time.
c.JupyterHub.concurrent_spawn_limit = 0

c.JupyterHub.spawner_class = "jupyterhub_spank_spawner.SpankSpawner"

# Slurm's own words, before those of the form.
c.SpankSpawner.options = ["--jupyter-init=/etc/jupyterhub/jupyter.sh", "--jupyter-idle=4:00:00"]
c.SpankSpawner.wait_command = "/opt/spank-jupyter/bin/sjupyter wait"
c.SpankSpawner.stop_session_command = "/opt/spank-jupyter/bin/sjupyter stop {job_id}"

# From the moment that the job runs; in the queue it may wait for as long as it takes.
c.SpankSpawner.start_timeout = 300

# What the form offers: to everybody, and more to members of Unix groups.
c.SpankSpawner.unix_groups = True
c.SpankSpawner.limits = {
    "": {
        "app": ["lab", "notebook"],
        "partition": ["interactive"],
        "account": ["*"],
        "nodes": 2,
        "cpus": 32,
        "time": "8:00:00",
        "workers": ["dask", "ipyparallel"],
        "workers_per_node": 32,
    },
    "gpu-users": {"partition": ["gpu"], "gpus": 4},
    "staff": {"partition": ["normal", "debug"], "nodes": 64, "time": "1-00:00:00", "reservation": ["*"]},
}
c.SpankSpawner.defaults = {"app": "lab", "partition": "interactive", "nodes": 1, "cpus": 4, "time": "1:00:00"}
c.SpankSpawner.profiles = [
    {
        "name": "small",
        "title": "Small: 4 CPUs for 4 hours",
        "options": {"partition": "interactive", "nodes": 1, "cpus": 4, "time": "4:00:00"},
    },
    {
        "name": "course",
        "title": "Course: one GPU, in the course's reservation",
        "groups": ["course"],
        "options": {"partition": "gpu", "reservation": "course", "nodes": 1, "gpus": 1, "time": "2:00:00"},
    },
]
