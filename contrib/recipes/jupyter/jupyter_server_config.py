# SPDX-License-Identifier: MIT
"""Makes the session's token and idle time the server's, whatever the user's own configuration says.

Jupyter Server 1 and newer (JupyterLab, Notebook 7) reads this file in the session's server, as the user, because the
recipes put its directory in front of JUPYTER_CONFIG_PATH: what stands here comes before the user's configuration.
There a token = '' is common, which is harmless on a laptop but on a compute node opens the session to everybody.
The token cannot be given as an option, since every user of the node can read those.
"""

import importlib.util
import os
import sys

_path = os.environ.get("JUPYTER_TOKEN_FILE")
if _path:
    try:
        with open(_path, encoding="ascii") as _file:
            _token = _file.read().strip()
    except (OSError, ValueError) as _error:
        _token = ""
        print(f"JUPYTER_TOKEN_FILE: {_error}", file=sys.stderr)
    if not _token:
        # Jupyter goes on without a configuration file that fails, so without a token: end it.
        sys.exit("JUPYTER_TOKEN_FILE: no token there: unset it to start a server of your own")
    _config = get_config()  # noqa: F821 - Jupyter defines it
    if importlib.util.find_spec("jupyter_server.auth.identity") is not None:
        _config.IdentityProvider.token = _token
    else:  # Jupyter Server 1
        _config.ServerApp.token = _token

# --jupyter-idle, in seconds: Jupyter itself knows best what work is.
_idle = int(os.environ.get("JUPYTER_SESSION_IDLE") or 0)
if _idle > 0:
    _config = get_config()  # noqa: F821 - Jupyter defines it
    _config.ServerApp.shutdown_no_activity_timeout = _idle
    for _manager in (_config.MappingKernelManager, _config.TerminalManager):
        _manager.cull_interval = max(1, min(_idle // 4, 60))
    _config.MappingKernelManager.cull_idle_timeout = _idle
    _config.MappingKernelManager.cull_connected = True
    _config.TerminalManager.cull_inactive_timeout = _idle
