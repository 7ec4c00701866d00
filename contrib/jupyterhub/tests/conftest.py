# SPDX-License-Identifier: MIT
"""The fixtures of the tests; see stand_in.py.  They run as root, since a session has a uid of its own."""

import os
import sys
import zlib

import pytest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

from stand_in import Hub, Munged, Server, Slurm  # noqa: E402


@pytest.fixture(scope="session")
def munged(tmp_path_factory):
    # Other uids have to get to the socket: through pytest's own directories, and no others.
    directory = tmp_path_factory.mktemp("munge")
    base = tmp_path_factory.getbasetemp()
    for parent in (directory, base, base.parent):
        if parent != base.parent or parent.name.startswith("pytest-of-"):
            os.chmod(str(parent), 0o755)
    daemon = Munged(str(directory))
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture()
def make_hub(tmp_path, munged):
    """Makes a hub with a Slurm of its own: make_hub(configuration)."""
    hubs = []

    def make(extra=""):
        slurm = Slurm(str(tmp_path / "slurm"))
        hub = Hub(str(tmp_path), munged, slurm, extra)
        hubs.append(hub)
        hub.start()
        return hub

    yield make
    for hub in hubs:
        if hub.process:
            hub.kill()
        for number in hub.slurm.numbers():
            hub.slurm.set(number, "CANCELLED")


@pytest.fixture(scope="module")
def hub(tmp_path_factory, munged):
    """A hub that the tests of a file share; each uses servers of its own."""
    directory = tmp_path_factory.mktemp("hub")
    shared = Hub(str(directory), munged, Slurm(str(directory / "slurm")))
    shared.start()
    yield shared
    shared.kill()


@pytest.fixture()
def name(request):
    """A name for a server of the shared hub."""
    return "s%08x" % zlib.crc32(request.node.name.encode())


@pytest.fixture()
def server():
    """A single-user server on 127.0.0.1, the address of node n1."""
    one = Server()
    yield one
    one.stop()
