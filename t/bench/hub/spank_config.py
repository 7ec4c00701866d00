# SPDX-License-Identifier: MIT
"""Our spawner with its defaults, for t/bench/hub.sh.

Further lines of contrib/cluster/lib/hub_config.py, read by JupyterHub as the hub's account.
"""

c = get_config()  # noqa: F821

c.SpankHub.queue_interval = 10
c.SpankSpawner.wait_command = "date +%s.%N >$HOME/.bench-begun; sjupyter wait"
