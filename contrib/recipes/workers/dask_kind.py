# SPDX-License-Identifier: MIT
"""Dask's scheduler and workers, as forks of preload.py: [workers dask] of the recipe beside it.

In these processes, as the user.  They are distributed's own, but for what the session rests on:
- All speak TLS, with the certificate of the job that the environment names; nobody else gets in.
- The scheduler listens on a socket that it inherits, whose port clients and workers know already.
- There is no HTTP server, neither the scheduler's (the dashboard) nor the workers': it has no
  authentication, and every user of the node could ask it.
- Workers have no nanny, since the agent watches them, and can retire: what runs finishes first,
  what waits runs elsewhere, results are moved.
"""
import asyncio
import os
import resource
import signal
import sys

import yaml
from lazy_package import packages_missing

# What distributed parses on being imported, it parses ten times slower without libyaml.
slow_load = yaml.safe_load
if hasattr(yaml, "CSafeLoader"):
    yaml.safe_load = lambda stream: yaml.load(stream, yaml.CSafeLoader)
with packages_missing("numpy"):
    import dask
    import distributed
    import distributed.comm.registry
    import distributed.comm.tcp
    import distributed.protocol.utils
    import distributed.versions
    import tornado.platform.asyncio  # noqa: F401
    from distributed.comm.addressing import parse_host_port, unparse_host_port
    from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin
    from distributed.core import Status
    from distributed.security import Security
    from distributed.utils import get_ip
    from tornado.tcpserver import TCPServer
yaml.safe_load = slow_load

ARRAY_MIN = 1 << 20  # bytes of a message from which numpy's memory is worth having numpy
SETTLE = 0.01  # seconds between looks, as distributed takes them
AGAIN = 1.0  # seconds until a worker that nobody takes the results of asks again


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


# ---- The scheduler


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


class NoHTTP:
    """A server without the one for HTTP."""

    def start_http_server(self, *args, **kwargs):
        pass


class Scheduler(NoHTTP, distributed.Scheduler):
    """The scheduler; its name is that of its settings in Dask's configuration."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.handlers.update(give_back=self.give_back, settle=self.settle)

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
            asyncio.run_coroutine_threadsafe(members.gone(scheduler, words[1]), loop)
        elif words == ["end"]:
            loop.call_soon_threadsafe(end)

    loop.add_signal_handler(signal.SIGTERM, end)
    channel.on_line(handle_line)
    channel.say("listening")
    await scheduler.finished()


def preload():
    """Called before the forks."""
    distributed.versions.get_versions()  # which are looked up once in a process, and slowly


def configure():
    """What no configuration of the user's may change, before a server is made."""
    dask.config.set({
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.scheduler.contact-address": None,
    })


def controller(channel, sockets):
    """The scheduler's process.  channel: preload.Channel; sockets: [listening socket.socket]."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    configure()
    asyncio.run(controller_run(channel, sockets[0]))


# ---- A worker


class Worker(NoHTTP, distributed.Worker):
    """A worker; its name is that of its settings in Dask's configuration."""

    def runs(self):
        """The keys of the tasks that run now."""
        return [task.key for task in self.state.executing | self.state.long_running]

    async def moved(self, remove):
        """Waits until others hold what this worker holds.

        remove: bool, whether the scheduler forgets this worker then.
        """
        told = False
        while not await self.scheduler.retire_workers(
                workers=[self.address], close_workers=False, remove=remove,
                stimulus_id="retire-%s" % self.name):
            if not told:
                print("no other worker takes the results: waiting for one", file=sys.stderr)
                told = True
            await asyncio.sleep(AGAIN)

    async def retire(self, idle):
        """Ends the worker when what runs has finished, keeping what it holds.

        idle: asyncio.Event, set at each change of a task.
        """
        self.status = Status.closing_gracefully  # nothing is begun any more
        await self.moved(remove=False)
        await self.scheduler.give_back(address=self.address, running=self.runs())
        while self.runs():
            idle.clear()
            await idle.wait()
        await self.scheduler.settle(address=self.address)
        await self.moved(remove=True)  # what has come meanwhile
        await self.close(reason="retired")


class Idle(WorkerPlugin):
    """Sets an event at each change of a task."""

    name = "spank-jupyter"

    def __init__(self):
        self.event = asyncio.Event()

    def transition(self, key, start, finish, **kwargs):
        self.event.set()


def memory_of_node():
    """The memory in bytes that the job may use on this node; None where nothing says so."""
    limits = []
    environ = os.environ
    cpus = len(os.sched_getaffinity(0))
    try:
        if int(environ.get("SLURM_MEM_PER_NODE", "0")) > 0:
            limits.append(int(environ["SLURM_MEM_PER_NODE"]) << 20)
        elif int(environ.get("SLURM_MEM_PER_CPU", "0")) > 0:
            cpus = int(environ.get("SLURM_CPUS_ON_NODE", cpus))
            limits.append((int(environ["SLURM_MEM_PER_CPU"]) << 20) * cpus)
    except ValueError:
        pass
    limits += cgroup_limits()
    return min(limits) if limits else None


def cgroup_limits():
    """The limits in bytes ([int]) of this process' memory cgroup and those above it."""
    limits = []
    with open("/proc/self/cgroup") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    for _, controllers, path in lines:
        if controllers == "":
            root, name = "/sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        while path not in ("", "/"):
            try:
                with open(root + path + "/" + name) as file:
                    limits.append(int(file.read()))
            except (OSError, ValueError):  # "max"
                pass
            path = os.path.dirname(path)
    return limits


def memory_share(nthreads):
    """The memory in bytes that a worker with that many threads (int) may use."""
    node = memory_of_node()
    whole = distributed.system.MEMORY_LIMIT
    if node is None or node >= whole:
        return whole * nthreads // max(os.cpu_count() or 1, nthreads)
    return node // max(int(os.environ.get("SPANK_JUPYTER_COUNT", "1")), 1)


async def worker_run(channel):
    """A worker, until it has retired or is closed by a client."""
    address = dask.config.get("scheduler-address")
    ip = parse_host_port(address.partition("://")[2])[0]
    nthreads = len(os.sched_getaffinity(0))
    scratch = dask.config.get("temporary-directory") or os.path.join(channel.share, "scratch")
    idle = Idle()
    node = await Worker(
        address, name=channel.id, nthreads=nthreads, memory_limit=memory_share(nthreads),
        host="tls://" + unparse_host_port(get_ip(ip)), local_directory=scratch, plugins=(idle,),
        security=Security(require_encryption=True))
    loop = asyncio.get_running_loop()
    retiring = []

    def retire():
        if not retiring:
            retiring.append(loop.create_task(node.retire(idle.event)))

    channel.on_line(lambda line: line == "retire" and loop.call_soon_threadsafe(retire))
    await node.finished()
    for task in retiring:
        await task


def worker(channel):
    """A worker's process.  channel: preload.Channel."""
    signal.signal(signal.SIGTERM, lambda number, frame: channel.end(128 + number))
    configure()
    # As a nanny would; libraries that count CPUs themselves do not know of the others.
    for name in ("pre-spawn-environ", "environ"):
        for variable, value in dask.config.get("distributed.nanny." + name).items():
            os.environ.setdefault(variable, str(value))
    asyncio.run(worker_run(channel))
