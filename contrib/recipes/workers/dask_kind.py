# SPDX-License-Identifier: MIT
"""Dask, for preload.py: [workers dask] of the recipe beside it.  In the host and its forks, as the user."""
import os

from dask_worker import preload, worker  # noqa: F401

if os.environ.get("SPANK_JUPYTER_NODE_RANK", "0") == "0":
    from dask_scheduler import controller  # noqa: F401
