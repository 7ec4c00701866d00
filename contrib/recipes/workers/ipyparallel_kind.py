# SPDX-License-Identifier: MIT
"""IPython Parallel, for preload.py: [workers ipyparallel], and the controller of [workers mpi], of the
recipes beside it.  In the host and its forks, as the user.
"""
import os

from ipp_engine import preload, worker  # noqa: F401

if os.environ.get("SPANK_JUPYTER_NODE_RANK", "0") == "0":
    from ipp_controller import controller  # noqa: F401
