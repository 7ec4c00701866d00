# SPDX-License-Identifier: MIT
"""The JupyterHub of a private cluster; see hub.sh, which says by environment what it is to be.

Read by JupyterHub, on the login host, as the hub's account or root.  A site starts from the example in
contrib/jupyterhub/examples/ instead: here anybody logs in with any password.
"""

import os
import sys

c = get_config()  # noqa: F821

directory = os.environ["CLUSTER_HUB_DIR"]
ip = os.environ["CLUSTER_HUB_IP"]
port = int(os.environ["CLUSTER_HUB_PORT"])
users = os.environ["CLUSTER_HUB_USERS"].split()
spawner = os.environ.get("CLUSTER_HUB_SPAWNER", "spank")


def secret(name):
    with open(os.path.join(directory, name)) as file:
        return file.read().strip()


sys.path.insert(0, os.path.join(directory, "python"))

c.JupyterHub.bind_url = "http://%s:%d" % (ip, port)
c.JupyterHub.public_url = "http://%s:%d/" % (ip, port)
c.JupyterHub.hub_bind_url = "http://%s:%d" % (ip, port + 2)
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:%d" % (port + 1)
c.ConfigurableHTTPProxy.auth_token = secret("proxy-token")
c.ConfigurableHTTPProxy.should_start = False
c.JupyterHub.cleanup_servers = False
c.JupyterHub.db_url = "sqlite:///" + os.path.join(directory, "jupyterhub.sqlite")
c.JupyterHub.cookie_secret_file = os.path.join(directory, "cookie-secret")
c.JupyterHub.log_level = "DEBUG"

# Between the hub, the proxy and the servers then is TLS, with keys on both sides.  A session has none before its
# first call, so it calls through the proxy, which in front of this hub is without TLS for everybody.
if os.environ.get("CLUSTER_HUB_INTERNAL_SSL") == "1":
    c.JupyterHub.internal_ssl = True
    c.JupyterHub.internal_certs_location = os.path.join(directory, "internal-ssl")
    c.JupyterHub.trusted_alt_names = ["IP:" + ip]
    c.JupyterHub.hub_bind_url = "https://%s:%d" % (ip, port + 2)
    c.ConfigurableHTTPProxy.api_url = "https://127.0.0.1:%d" % (port + 1)
    c.SpankHub.api_url = "http://%s:%d/hub/api" % (ip, port)

c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = set(users)
c.JupyterHub.allow_named_servers = True
# Spawns that wait in Slurm's queue cost the hub nothing.
c.JupyterHub.concurrent_spawn_limit = 0

# For the tests; the token is in a file that root and the hub's account can read.
c.JupyterHub.services = [{"name": "tests", "api_token": secret("api-token")}]
c.JupyterHub.load_roles = [
    {"name": "tests", "services": ["tests"], "scopes": ["admin:users", "admin:servers", "admin:server_state", "tokens"]}
]

if spawner == "spank":
    c.JupyterHub.spawner_class = "jupyterhub_spank_spawner.SpankSpawner"
    c.SpankHub.queue_interval = 2
    c.SpankSpawner.submit_with = os.environ.get("CLUSTER_HUB_SUBMIT", "sbatch")
    c.SpankSpawner.state_dir = os.path.join(directory, "spawns")
    c.SpankSpawner.poll_interval = 5
    c.SpankSpawner.limits = {
        "": {
            "app": ["lab", "notebook"],
            "partition": ["main"],
            "nodes": 4,
            "time": "1:00:00",
            "cpus": 8,
            "workers": ["dask", "ipyparallel", "mpi"],
            "workers_per_node": 8,
        }
    }
    c.SpankSpawner.defaults = {"app": "lab", "partition": "main", "nodes": 1, "time": "30:00"}
else:
    # Unmodified batchspawner: the session is the server, and the job's script waits for its end.
    import batchspawner  # noqa: F401  it adds its handler to JupyterHub's

    c.JupyterHub.spawner_class = "batchspawner.SlurmSpawner"
    c.SlurmSpawner.batch_submit_cmd = "sbatch --parsable --jupyter=singleuser"
    c.SlurmSpawner.batchspawner_singleuser_cmd = "sjupyter wait #"
    c.SlurmSpawner.req_srun = ""
    c.SlurmSpawner.req_keepvars_extra = "PATH"
    c.SlurmSpawner.http_timeout = 60
    if os.geteuid() == 0:
        c.SlurmSpawner.exec_prefix = "runuser -u {username} --"

if os.environ.get("CLUSTER_HUB_CONFIG"):
    load_subconfig(os.environ["CLUSTER_HUB_CONFIG"])  # noqa: F821
