# SPDX-License-Identifier: MIT
"""Lets the session's head have saved what is open in browsers before the server ends.

Jupyter Server (JupyterLab, Notebook 7, JupyterHub's single-user server) reads this file in the session's server, as
the user, because the recipes put its directory in front of JUPYTER_CONFIG_PATH.  It is not part of the file beside
its directory: that one has the token, which a server that cannot read this one still has to have.
"""

import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
# Last: nothing of the user's is hidden by it.
if _here not in sys.path:
    sys.path.append(_here)
_config = get_config()  # noqa: F821 - Jupyter defines it
_config.ServerApp.jpserver_extensions.update({"jupyter_spank_save": True})
# What the pages load: in front of what the user has installed, of which nothing has its name.
_config.LabServerApp.extra_labextensions_path.prepend([os.path.join(_here, "labextensions")])
