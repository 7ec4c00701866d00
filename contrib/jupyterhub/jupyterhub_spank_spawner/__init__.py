# SPDX-License-Identifier: MIT
"""JupyterHub's side of spank-jupyter: a spawner over sbatch and salloc, and the handler that sessions call.

Set c.JupyterHub.spawner_class = "jupyterhub_spank_spawner.SpankSpawner"; README.md has the rest.  Importing
the package adds its handlers to JupyterHub's.
"""

from . import cancel, handler  # noqa: F401  they register themselves
from .service import SpankHub
from .spawner import SpankSpawner

__all__ = ["SpankHub", "SpankSpawner"]
__version__ = "0.1"
