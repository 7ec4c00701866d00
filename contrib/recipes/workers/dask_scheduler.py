# SPDX-License-Identifier: MIT
"""Dask's scheduler, as a fork of preload.py: [workers dask] of the recipe beside it.  On the job's first
node, as the user.

It is distributed's own, but that it listens on a socket that it inherits, whose port clients and
workers know already, and has no HTTP server.  It speaks TLS with the certificate of the job that the
environment names; nobody else gets in.
"""
import asyncio
import resource
import signal
import sys

from dask_common import NoHTTP, configure

import dask
import distributed.comm.registry
import distributed.comm.tcp
import distributed.scheduler
from distributed.comm.addressing import unparse_host_port
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.security import Security
from tornado.ioloop import PeriodicCallback
from tornado.tcpserver import TCPServer

SETTLE = 0.01  # seconds between looks, as distributed takes them
LOOK = 1  # seconds between looks whether workers are busy


class Listener(distributed.comm.tcp.TLSListener):
    """A listener on a socket that listens already."""

    sock = None  # socket.socket

    async def start(self):
        self.sock.setblocking(False)
        self.sock.listen(int(dask.config.get("distributed.comm.socket-backlog")))
        self.tcp_server = TCPServer(
            max_buffer_size=distributed.comm.tcp.MAX_BUFFER_SIZE, **self.server_args)
        self.tcp_server.handle_stream = self._handle_stream
        self.tcp_server.add_sockets([self.sock])
        self.get_host_port()


class Backend(distributed.comm.tcp.TLSBackend):
    """TLS, whose listeners take the inherited sockets."""

    _listener_class = Listener


class Scheduler(NoHTTP, distributed.scheduler.Scheduler):
    """The scheduler; its name is that of its settings in Dask's configuration."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.handlers.update(
            give_back=self.give_back, settle=self.settle, leave_actors=self.leave_actors,
            limit_memory=self.limit_memory)

    def identity(self, *args, **kwargs):
        # Who asks where the dashboard is gets no exception; env.DASK_DISTRIBUTED__DASHBOARD__LINK
        # of the recipe makes nothing of it.
        return {**super().identity(*args, **kwargs), "services": {"dashboard": 0}}

    def give_back(self, address, running):
        """A worker that retires gives back all tasks but those that run.

        address: str; running: [key].
        """
        worker = self.workers.get(address)
        if worker is not None:
            running = set(running)
            for task in [task for task in worker.processing if task.key not in running]:
                self._reschedule(task.key, worker=address, stimulus_id="retire-" + address)

    def leave_actors(self, address):
        """Lets a worker retire that has actors, which end with it.  address: str."""
        if address in self.workers:
            self.workers[address].actors.clear()

    def limit_memory(self, address, limit):
        """What a worker may use from now on.  address: str; limit: int, bytes."""
        if address in self.workers:
            self.workers[address].memory_limit = limit

    async def settle(self, address):
        """Waits until all that a worker has finished is known here.  address: str."""
        while address in self.workers and self.workers[address].processing:
            await asyncio.sleep(SETTLE)


class Members(SchedulerPlugin):
    """Tells the session which workers join and leave."""

    name = "spank-jupyter"

    def __init__(self, channel):
        """channel: preload.Channel."""
        self.channel = channel
        self.workers = {}  # address: worker ID, both str

    def add_worker(self, scheduler, worker):
        name = str(scheduler.workers[worker].name)
        if name.replace(".", "", 1).isdigit():
            self.workers[worker] = name
            self.channel.say("joined " + name)

    def remove_worker(self, scheduler, worker, **kwargs):
        name = self.workers.pop(worker, None)
        if name:
            self.channel.say("left " + name)

    def look(self, scheduler):
        """Tells whether any worker has something to do; what is queued waits for what they do."""
        self.channel.say_busy(any(worker.processing for worker in scheduler.workers.values()))

    async def gone(self, scheduler, name):
        """Forgets the worker of that ID (str), which is known to have ended."""
        for address in [a for a, n in self.workers.items() if n == name]:
            await scheduler.remove_worker(address, stimulus_id="gone-" + name)


async def controller_run(channel, sock):
    """The scheduler, until it is told to end."""
    ip, port = sock.getsockname()[:2]
    Listener.sock = sock
    distributed.comm.registry.backends["tls"] = Backend()
    members = Members(channel)
    scheduler = await Scheduler(
        host="tls://" + unparse_host_port(ip), port=port, plugins=[members], dashboard=False,
        security=Security(require_encryption=True))
    # Listeners of other addresses are the ordinary ones.
    distributed.comm.registry.backends["tls"] = distributed.comm.tcp.TLSBackend()
    loop = asyncio.get_running_loop()
    closing = []

    def end():
        if not closing:
            closing.append(loop.create_task(scheduler.close(reason="the session ends")))

    def handle_line(line):
        words = line.split()
        if words[:1] == ["gone"]:
            for name in words[1:]:
                asyncio.run_coroutine_threadsafe(members.gone(scheduler, name), loop)
        elif words == ["end"]:
            loop.call_soon_threadsafe(end)

    loop.add_signal_handler(signal.SIGTERM, end)
    channel.on_line(handle_line)
    channel.say("listening")
    PeriodicCallback(lambda: members.look(scheduler), LOOK * 1000).start()
    await scheduler.finished()


def controller(channel, sockets):
    """The scheduler's process.  channel: preload.Channel; sockets: [listening socket.socket]."""
    if not sockets:
        sys.exit("dask scheduler: it was given no listening socket: its recipe needs ports = 1")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    configure()
    asyncio.run(controller_run(channel, sockets[0]))
