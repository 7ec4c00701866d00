# SPDX-License-Identifier: MIT
"""Jupyter kernels in Slurm jobs: the kernel provisioner of spank-jupyter.

Imported by jupyter_client through the entry point ``spank-provisioner``, in the process of a
Jupyter server or console, as the user; by a Jupyter server also as an extension, for the events
of waiting.py.
"""

from .provisioner import SpankProvisioner
from .waiting import register

__version__ = "0.1.0"
__all__ = ["SpankProvisioner"]


def _jupyter_server_extension_points():
    """What jupyter_server asks of an extension."""
    return [{"module": "jupyter_spank_provisioner"}]


def _load_jupyter_server_extension(server):
    """Called by the server (ServerApp) when it starts."""
    register(server)
