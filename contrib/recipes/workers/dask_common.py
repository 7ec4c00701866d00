# SPDX-License-Identifier: MIT
"""What dask_scheduler.py and dask_worker.py share, and import first: distributed without what they do
not need of it, and what holds for all its servers here.  In the host of preload.py and its forks, as
the user.

Servers have no HTTP server, neither the scheduler's (the dashboard) nor the workers': it has no
authentication, and every user of the node could ask it.
"""
import contextlib
import functools
import ssl

from lazy_package import package_lazy, packages_missing


@contextlib.contextmanager
def libyaml():
    """Within it, PyYAML's safe_load() takes libyaml where there is one, which is ten times as fast."""
    try:
        import yaml
        from yaml import CSafeLoader
    except ImportError:
        yield
        return
    slow = yaml.safe_load
    yaml.safe_load = lambda stream: yaml.load(stream, CSafeLoader)
    try:
        yield
    finally:
        yaml.safe_load = slow


# Clusters, diagnostics and clients are not wanted; numpy is the workers' business, each with its own
# CPUs.
package_lazy("distributed")
with libyaml(), packages_missing("numpy"):
    import distributed.config  # as distributed does: first
    import dask
    import distributed.comm.tcp
    import distributed.protocol.utils
    import distributed.worker  # noqa: F401
    import tornado.iostream
    import tornado.tcpserver

ARRAY_MIN = 1 << 20  # bytes of a message from which numpy's memory is worth having numpy


def host_array(size):
    """Memory (memoryview) of size (int) bytes for a message, as distributed's function.

    That one takes numpy's where there is numpy, and has imported it for it.
    """
    if size >= ARRAY_MIN:
        try:
            import numpy

            return numpy.empty((size,), dtype="u1").data
        except ImportError:
            pass
    return memoryview(bytearray(size))


distributed.protocol.utils.host_array = host_array
distributed.comm.tcp.host_array = host_array


# A connection that a server has accepted has its TLS context.  Tornado makes another for it, which
# reads all of the system's certificates, takes longer than the rest of a worker's start, and is
# never used.
tornado.tcpserver.SSLIOStream = functools.partial(
    tornado.iostream.SSLIOStream, ssl_options=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


class NoHTTP:
    """A server without the one for HTTP."""

    def start_http_server(self, *args, **kwargs):
        pass


def configure():
    """Dask's configuration, before a server is made."""
    # A worker that does nothing looks 150 times a second at itself, which takes more than 2 % of a
    # CPU.  It looks less often, where the user does not want it otherwise.
    dask.config.update_defaults({"distributed": {
        "admin": {"tick": {"interval": "200ms"}},
        "worker": {"profile": {"interval": "100ms"}},
    }})
    # Nobody changes what the session rests on.
    dask.config.set({
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.scheduler.contact-address": None,
    })
