# SPDX-License-Identifier: MIT
"""A Dask worker, as a fork of preload.py: [workers dask] of the recipe beside it.  On every node, as the
user.

It is distributed's own, but that it has no nanny, since the agent watches it, and no HTTP server, and
that it can retire: what runs finishes first, what waits runs elsewhere, results are moved.  It speaks
TLS with the certificate of the job that the environment names.
"""
import asyncio
import os
import signal
import ssl
import sys

from dask_common import NoHTTP, configure

import dask
import distributed.shuffle  # which every worker takes
import distributed.versions
import distributed.worker
import psutil
import tornado.platform.asyncio  # noqa: F401, which every loop loads
from distributed.comm.addressing import parse_host_port, unparse_host_port
from distributed.core import Status
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.security import Security
from distributed.system import MEMORY_LIMIT
from distributed.utils import get_ip

AGAIN = 1.0  # seconds until a worker that nobody takes the results of asks again
MOVE_MAX = 60.0  # seconds that it asks for; then they are lost, and computed again
ACTORS_MAX = 10.0  # seconds that actors may still be used after their worker is told to go


def preload():
    """Called before the forks."""
    distributed.versions.get_versions()  # which are looked up once in a process, and slowly
    for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        ssl.SSLContext(protocol)  # with the first ones OpenSSL sets up what takes 2 MB


class Worker(NoHTTP, distributed.worker.Worker):
    """A worker; its name is that of its settings in Dask's configuration."""

    changed = None  # asyncio.Event, set at each change of a task or an actor
    calls = 0  # of actors, that run now

    def runs(self):
        """The keys of the tasks that run now."""
        return [task.key for task in self.state.executing | self.state.long_running]

    async def actor_execute(self, *args, **kwargs):
        self.calls += 1
        try:
            return await super().actor_execute(*args, **kwargs)
        finally:
            self.calls -= 1
            self.changed.set()

    async def until(self, done):
        """Waits until done() is true, which only a change of a task or an actor makes it."""
        while not done():
            self.changed.clear()
            await self.changed.wait()

    async def share_memory(self, count):
        """Takes its part of the node's memory where there are count (int) workers from now on."""
        os.environ["SPANK_JUPYTER_COUNT"] = str(count)
        manager = self.memory_manager
        if not manager.memory_limit:
            return
        manager.memory_limit = memory_share(self.state.nthreads)
        target = manager.memory_target_fraction
        if target and hasattr(manager.data, "n"):  # a SpillBuffer
            manager.data.n = int(manager.memory_limit * target)
        await self.scheduler.limit_memory(address=self.address, limit=manager.memory_limit)

    async def moved(self, remove):
        """Waits until others hold what this worker holds.

        remove: bool, whether the scheduler forgets this worker then.
        """
        loop = asyncio.get_running_loop()
        end = 0
        while not await self.scheduler.retire_workers(
                workers=[self.address], close_workers=False, remove=remove,
                stimulus_id="retire-%s" % self.name):
            if not end:
                print("no other worker takes the results: waiting for one, for %d s" % MOVE_MAX,
                      file=sys.stderr, flush=True)
                end = loop.time() + MOVE_MAX
            elif loop.time() > end:
                print("its results go with it", file=sys.stderr, flush=True)
                break
            await asyncio.sleep(AGAIN)

    async def actors_left(self):
        """Waits until nobody holds the actors here any more, but not for long: they cannot be moved.

        Their calls that run finish; who still holds them then is told that they are lost.
        """
        if not self.state.actors:
            return
        print("actors live here, and cannot be moved: they may be used for %d s more" % ACTORS_MAX,
              file=sys.stderr, flush=True)
        try:
            await asyncio.wait_for(self.until(lambda: not self.state.actors), ACTORS_MAX)
        except asyncio.TimeoutError:
            await self.until(lambda: not self.calls)
            await self.scheduler.leave_actors(address=self.address)

    async def retire(self):
        """Ends the worker when what runs has finished, keeping what it holds."""
        self.status = Status.closing_gracefully  # nothing is begun any more
        await self.actors_left()
        await self.moved(remove=False)
        await self.scheduler.give_back(address=self.address, running=self.runs())
        await self.until(lambda: not self.runs())
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
    """The memory in bytes that a worker with that many threads (int) may use.

    Where the job has memory of its own the node's workers divide it.  It is compared with what the
    host has, since MEMORY_LIMIT knows of the job's too: slurmstepd sets RLIMIT_RSS to it.
    """
    node = memory_of_node()
    if node is None or node >= psutil.virtual_memory().total:
        return MEMORY_LIMIT * nthreads // max(os.cpu_count() or 1, nthreads)
    return node // max(int(os.environ.get("SPANK_JUPYTER_COUNT", "1")), 1)


async def worker_run(channel):
    """A worker, until it has retired or is closed by a client."""
    address = dask.config.get("scheduler-address")
    ip = parse_host_port(address.partition("://")[2])[0]
    nthreads = len(os.sched_getaffinity(0))
    scratch = dask.config.get("temporary-directory") or os.path.join(channel.share, "scratch")
    idle = Idle()
    node = Worker(
        address, name=channel.id, nthreads=nthreads, memory_limit=memory_share(nthreads),
        host="tls://" + unparse_host_port(get_ip(ip)), local_directory=scratch, plugins=(idle,),
        security=Security(require_encryption=True))
    node.changed = idle.event
    await node
    loop = asyncio.get_running_loop()
    retiring = []

    def retire():
        if not retiring:
            retiring.append(loop.create_task(node.retire()))

    def handle_line(line):
        words = line.split()
        if words == ["retire"]:
            loop.call_soon_threadsafe(retire)
        elif words[:1] == ["count"]:
            asyncio.run_coroutine_threadsafe(node.share_memory(int(words[1])), loop)

    channel.on_line(handle_line)
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
