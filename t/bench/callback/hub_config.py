# SPDX-License-Identifier: MIT
"""A hub whose jobs are none: further lines of contrib/cluster/lib/hub_config.py for the load test.

Read by JupyterHub as the hub's account; see t/lib/hub-load.bash.  The hub, its tokens, its database, its proxy,
the handler and munge are real.  Submitting is left out: server `u1000001` has job 1000001 at once, whose spawn
id goes to where the test finds it, and squeue says that all of them run on the first node.
"""

import os
import pwd

from jupyterhub_spank_spawner import SpankSpawner
from jupyterhub_spank_spawner.state import State

c = get_config()  # noqa: F821

directory = os.environ["CLUSTER_HUB_DIR"]
account = os.environ["CLUSTER_HUB_USERS"].split()[0]
queue = os.path.join(directory, "load-queue")
spawns = os.path.join(directory, "load-spawns")

_STAND_IN = """#!/bin/sh
case $1 in
squeue) exec cat %s ;;
scontrol) exec "$@" ;;
esac
"""


class LoadSpawner(SpankSpawner):
    """Submits nothing."""

    async def _submit(self):
        number = self.user.name[1:]
        self._begin()
        await self._begin_state(State.create("sbatch", self._environment({})))
        with open(queue, "a") as file:
            file.write("%s|RUNNING|%d|N/A|n1|None\n" % (number, pwd.getpwnam(account).pw_uid))
        with open(spawns, "a") as file:
            file.write("%s %s\n" % (number, self.spawn_state.spawn_id))
        self._bind(number)
        await self.save()


stand_in = os.path.join(directory, "load-slurm")
with open(stand_in, "w") as file:
    file.write(_STAND_IN % queue)
os.chmod(stand_in, 0o700)

c.JupyterHub.spawner_class = LoadSpawner
c.SpankHub.query_prefix = [stand_in]
c.SpankHub.queue_interval = 10
c.SpankSpawner.local_username = account
# JupyterHub looks at a thousand servers at once, on a small machine.
c.SpankSpawner.http_timeout = 300
c.SpankSpawner.poll_interval = 30
# Who asks for a server does not wait for it.
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
c.JupyterHub.log_level = "INFO"
