# SPDX-License-Identifier: MIT
"""Jupyter kernels in Slurm jobs: the kernel provisioner of spank-jupyter.

Imported by jupyter_client through the entry point ``spank-provisioner``, in the process of a
Jupyter server or console, as the user.
"""

from .provisioner import SpankProvisioner

__version__ = "0.1.0"
__all__ = ["SpankProvisioner"]
