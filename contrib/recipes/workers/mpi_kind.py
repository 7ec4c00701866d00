# SPDX-License-Identifier: MIT
"""Engines of IPython Parallel that are the ranks of one MPI program: [workers mpi] of the recipe beside it.

Each is a task of the kind's srun step, `python preload.py --worker mpi_kind.py`, as the user.  All share
MPI.COMM_WORLD; an engine's id is its rank.  Their controller is that of
ipyparallel_kind.py.
"""
# First of all: the MPI library wants to be initialised before there are threads.
from mpi4py import MPI

import ipp_engine


def preload():
    """Called after the import."""
    ipp_engine.preload()


def worker(channel):
    """An engine's process.  channel: preload.Channel."""
    app = ipp_engine.Engine.instance()
    app.use_mpi = True  # mpi_rank and mpi_size in the engine's namespace, as with `ipengine --mpi`
    app.mpi_registration_delay = 0.0  # the hub keeps up
    app.id = MPI.COMM_WORLD.Get_rank()
    ipp_engine.worker(channel)
