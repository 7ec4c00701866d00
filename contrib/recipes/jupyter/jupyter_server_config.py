# SPDX-License-Identifier: MIT
"""Makes the session's token the server's, whatever the user's own configuration says.

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
