# SPDX-License-Identifier: MIT
"""Makes the session's token the classic Notebook's, whatever the user's own configuration says.

Notebook 6 reads this file in the session's server, as the user; why it is there: jupyter_server_config.py beside it.
Notebook 7 reads it too, and has its token from that one.
"""

import importlib.util
import os
import sys

_path = os.environ.get("JUPYTER_TOKEN_FILE")
if _path and importlib.util.find_spec("notebook.notebookapp") is not None:
    try:
        with open(_path, encoding="ascii") as _file:
            _token = _file.read().strip()
    except (OSError, ValueError) as _error:
        _token = ""
        print(f"JUPYTER_TOKEN_FILE: {_error}", file=sys.stderr)
    if not _token:
        # Jupyter goes on without a configuration file that fails, so without a token: end it.
        sys.exit("JUPYTER_TOKEN_FILE: no token there: unset it to start a server of your own")
    get_config().NotebookApp.token = _token  # noqa: F821 - Jupyter defines it
