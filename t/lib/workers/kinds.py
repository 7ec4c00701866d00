#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the shipped kinds of workers, contrib/recipes/workers/*_kind.py, as TAP.

    kinds.py ipyparallel|dask CERTIFICATE_PROGRAM

Plays the agent of one node for real controllers, workers and clients.  Run by t/25-kinds.bats with the Python of an
environment that has ipyparallel and distributed, as whoever runs it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

from agent import DEADLINE, WORKERS, Host, Process, Tap, listeners, pss, subreaper

sys.path.remove(os.path.dirname(os.path.abspath(__file__)))

COUNT = 3  # workers

tap = Tap()
check = tap.check


def slow(seconds, value, begun=None):
    """What the workers are given to do: returns value and the worker's ID; makes a file when it begins."""
    import os
    import time

    if begun:
        open(begun, "w").close()
    time.sleep(seconds)
    return value, os.environ["SPANK_JUPYTER_WORKER"]


def rss(pids: list[int]) -> float:
    """The memory of these processes in MiB, each on its own."""
    total = 0
    for pid in pids:
        with open("/proc/%d/smaps_rollup" % pid) as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Rss:"))
    return total / 1024


def ports_of(pid: int) -> list[int]:
    """The TCP ports that a process listens on, but for those on loopback addresses of its own."""
    import psutil

    return [entry.laddr.port for entry in psutil.Process(pid).net_connections("tcp") if entry.status == "LISTEN"]


class Node:
    """A node with one kind: its host, controller and workers.

    Args:
        kind: ipyparallel or dask.
        environment: what the recipe says.
        sockets: of the controller.
    """

    def __init__(self, kind: str, directory: str, environment: dict[str, str], sockets) -> None:
        self.share = os.path.join(directory, "share")
        self.host = Host(os.path.join(WORKERS, kind + "_kind.py"), directory, {
            "SPANK_JUPYTER_KIND": kind, "SPANK_JUPYTER_SHARE": self.share, "SPANK_JUPYTER_COUNT": str(COUNT),
            **environment})
        message = self.host.receive()
        if not message or "loaded" not in message:
            print("Bail out! %r" % message)
            sys.exit(99)
        self.controller = self.host.fork("controller", "", sockets=sockets)
        self.controller.channel.say("expect %d" % COUNT)
        self.workers: dict[str, Process] = {}

    def said(self, line: str, times: int = 1, seconds: float = DEADLINE) -> bool:
        """Whether the controller says that line so many times in all."""
        return self.controller.channel.wait(lambda lines: lines.count(line) >= times, seconds)

    def start(self, ident: str, times: int = 1) -> bool:
        self.workers[ident] = self.host.fork("worker", ident, cpus=[min(os.sched_getaffinity(0))])
        return self.said("joined " + ident, times)

    def check_lone(self) -> None:
        """A controller without sockets, and one that hears nonsense."""
        lone = self.host.fork("controller", "lone")
        check("a controller without sockets ends", lone.wait() == 1)
        check("with one line that says why", "no listening socket" in lone.output() and lone.output().count("\n") == 1,
              lone.output())

    def say_nonsense(self) -> None:
        """To the controller, which must hear what is said after it."""
        for nonsense in ("expect many", "gone", "gone nobody", "nonsense"):
            self.controller.channel.say(nonsense)

    def check_busy(self, what: str, begin) -> None:
        """Whether it says busy, while begin() has given workers something to do, and idle once that is done."""
        check("the session hears idle before " + what, self.rests())
        busy = self.controller.channel.lines.count("busy")
        ready = begin()
        check("and busy while it runs", self.said("busy", busy + 1) and not ready(), self.controller.channel.lines)
        check("and idle again", self.said("idle", busy + 1) and ready(), self.controller.channel.lines)

    def rests(self) -> bool:
        """Whether the controller comes to have said idle as often as busy."""
        return self.controller.channel.wait(lambda lines: lines.count("busy") == lines.count("idle"))

    def kill(self, ident: str) -> None:
        self.workers[ident].kill()
        self.workers[ident].wait()


def ipyparallel(directory: str, _certificate: str) -> None:
    home = os.path.join(directory, "home")
    os.makedirs(os.path.join(home, ".ipython/profile_default/startup"))
    with open(os.path.join(home, ".ipython/profile_default/startup/10-own.py"), "w") as file:
        file.write("started_with = 'the startup file'\n")
    with open(os.path.join(home, ".ipython/profile_default/ipengine_config.py"), "w") as file:
        file.write("c.IPEngine.startup_command = 'configured = 6 * 7'\n")
    os.environ.pop("IPYTHONDIR", None)
    job = os.path.join(directory, "ipython")
    subprocess.run([os.path.join(WORKERS, "ipython_dir.sh"), job, "ipyparallel"], check=True,
                   env={**os.environ, "HOME": home})
    os.environ["IPYTHONDIR"] = job
    sockets = listeners(8)
    node = Node("ipyparallel", directory, {"IPYTHONDIR": job}, sockets)
    check("the controller listens", node.said("listening"), node.controller.output())
    security = os.path.join(job, "profile_default/security")
    files = [os.path.join(security, "ipcontroller-client.json"), os.path.join(node.share, "ipcontroller-engine.json")]
    check("its files are private and alone", all(os.stat(path).st_mode & 0o777 == 0o600 for path in files)
          and len(os.listdir(security) + os.listdir(node.share)) == 2, os.listdir(node.share))
    node.check_lone()
    for number in range(COUNT - 1):
        check("engine %d joins" % number, node.start("0.%d" % number))

    import ipyparallel as ipp

    early = client_meanwhile(lambda: check("the last engine joins", node.start("0.%d" % (COUNT - 1))))
    wait_for(lambda: len(early.ids) == COUNT, 10)
    check("a client that was connecting meanwhile has it too", early.ids == list(range(COUNT)), early.ids)
    early.close()
    client = ipp.Client()
    check("ipp.Client() has them without arguments", client.ids == list(range(COUNT)), client.ids)
    names = client[:].apply_sync(os.getenv, "SPANK_JUPYTER_WORKER")
    check("their ids go by index", names == ["0.0", "0.1", "0.2"], names)
    check("each is bound", client[0].apply_sync(os.sched_getaffinity, 0) == {min(os.sched_getaffinity(0))})
    check("the user's startup files have run", client[:]["started_with"] == ["the startup file"] * COUNT)
    check("and the user's configuration holds", client[:]["configured"] == [42] * COUNT)
    check("views that broadcast reach them", client.broadcast_view().apply_sync(slow, 0, 1)
          == [(1, name) for name in names])
    modules = set(client[0].apply_sync(lambda: list(__import__("sys").modules)))
    unneeded = {"ipyparallel.cluster", "ipyparallel.client.client", "jupyter_client.manager", "debugpy"}
    check("they have imported nothing that they do not need", not modules & unneeded, modules & unneeded)
    pids = [worker.pid for worker in node.workers.values()]
    check("they share memory", pss(pids) < 0.5 * rss(pids), (pss(pids), rss(pids)))
    ipyparallel_strangers(node)
    ipyparallel_busy(node, client)

    direct, queued = [client[1].apply_async(slow, *work) for work in ((1.0, "runs"), (0.1, "waits"))]
    balanced = [client.load_balanced_view().apply_async(slow, 0.1, number) for number in range(30)]
    wait_for(lambda: client.queue_status(1)["queue"] == 2)
    node.workers["0.1"].channel.say("retire")
    check("an engine that retires ends with 0", node.workers["0.1"].wait() == 0, node.workers["0.1"].output())
    check("the controller says that it left", node.said("left 0.1"))
    check("it has done what ran and what waited for it", direct.get(DEADLINE) == ("runs", "0.1")
          and queued.get(DEADLINE) == ("waits", "0.1"), (direct, queued))
    done = [task.get(DEADLINE) for task in balanced]
    check("what is for any engine is all done", [value for value, _ in done] == list(range(30)), done)
    check("after that by the others", done[-1][1] != "0.1", done)

    task = client[2].apply_async(slow, 1000, "never")
    wait_for(lambda: client.queue_status(2)["queue"] == 1)
    node.kill("0.2")
    node.controller.channel.say("gone 0.2")
    check("an engine that is killed leaves at once", node.said("left 0.2", seconds=10))
    try:
        task.get(DEADLINE)
        check("its task fails", False)
    except ipp.RemoteError as error:
        check("its task fails", "died" in str(error), error)
    check("its successor joins", node.start("0.2", 2))
    node.kill("0.2")
    check("one of which nobody said that it is gone leaves before its successor joins", node.start("0.2", 3)
          and node.said("left 0.2", 2), node.controller.channel.lines)
    wait_for(lambda: len(client.ids) == 2)
    last = client.ids[-1]
    check("an id is not used again", last > 2, client.ids)
    begun = os.path.join(directory, "begun")
    task = client[last].apply_async(slow, 1000, "never", begun)
    wait_for(lambda: os.path.exists(begun))
    client.send_signal(signal.SIGINT, targets=last)
    try:
        task.get(DEADLINE)
        check("a task can be interrupted", False)
    except ipp.RemoteError as error:
        check("a task can be interrupted", error.ename == "KeyboardInterrupt", error)
    check("and the engine goes on", client[last].apply_sync(slow, 0, 1) == (1, "0.2"))
    node.workers["0.0"].kill(signal.SIGTERM)
    check("SIGTERM ends an engine", node.workers["0.0"].wait() == 143)
    client.close()
    complaints = [line for line in node.controller.output().splitlines() if "missed a beat" not in line]
    node.say_nonsense()
    node.controller.channel.say("end")
    check("the controller ends in order", node.controller.wait() == 0, node.controller.output())
    check("and has nothing to complain of but a slow machine", not complaints, complaints)
    node.host.close()


def ipyparallel_busy(node: Node, client) -> None:
    """Engines are busy with each kind of views."""
    views = {"a direct view": client[:], "a balanced view": client.load_balanced_view(),
             "a broadcast view": client.broadcast_view()}
    for name, view in views.items():
        node.check_busy(name, lambda view=view: view.apply_async(slow, 3, "busy").ready)


def client_meanwhile(step):
    """An ipyparallel.Client; step() is called when it has its answer of the hub and no notifications yet."""
    import ipyparallel as ipp
    import zmq
    from ipyparallel import util

    connect = util.connect
    steps = [step]

    def connect_after_step(sock, *args, **kwargs):
        if sock.type == zmq.SUB and steps:
            steps.pop()()
        return connect(sock, *args, **kwargs)

    util.connect = connect_after_step
    try:
        return ipp.Client()
    finally:
        util.connect = connect


def wait_for(condition, seconds: float = DEADLINE) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def ipyparallel_strangers(node: Node) -> None:
    """Every port refuses who does not know the job's key."""
    import zmq
    from zmq.utils.monitor import recv_monitor_message

    context = zmq.Context()
    ports = ports_of(node.controller.pid)
    let_in = []
    for port in ports:
        for foreign in (False, True):
            sock = context.socket(zmq.DEALER)
            if foreign:
                sock.curve_publickey, sock.curve_secretkey = zmq.curve_keypair()
                sock.curve_serverkey = zmq.curve_keypair()[0]
            monitor = sock.get_monitor_socket()
            sock.connect("tcp://127.0.0.1:%d" % port)
            event = 0
            refused = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | \
                zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_DISCONNECTED
            while not event & (refused | zmq.EVENT_HANDSHAKE_SUCCEEDED) and monitor.poll(DEADLINE * 1000):
                event = recv_monitor_message(monitor)["event"]
            if not event & refused:
                let_in.append((port, foreign, event))
            sock.disable_monitor()
            sock.close(0)
    check("each of %d ports refuses who has no key, or another" % len(ports), len(ports) >= 14 and not let_in, let_in)
    listening = [port for worker in node.workers.values() for port in ports_of(worker.pid)]
    check("engines listen on no port", not listening, listening)
    context.destroy(linger=0)


def dask(directory: str, certificate: str) -> None:
    share = os.path.join(directory, "share")
    subprocess.run([certificate, share], check=True)
    sockets = listeners(1)
    port = sockets[0].getsockname()[1]
    environment = {"DASK_SCHEDULER_ADDRESS": "tls://127.0.0.1:%d" % port, "DASK_DISTRIBUTED__DASHBOARD__LINK": "",
                   "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True", "SLURM_MEM_PER_NODE": "3000",
                   "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": os.path.join(share, "ca.pem")}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        environment["DASK_DISTRIBUTED__COMM__TLS__%s__CERT" % role] = os.path.join(share, "cert.pem")
        environment["DASK_DISTRIBUTED__COMM__TLS__%s__KEY" % role] = os.path.join(share, "key.pem")
    os.environ.update(environment)
    early = subprocess.Popen([sys.executable, "-c", "from dask.distributed import Client; Client()"],
                             stderr=subprocess.PIPE, encoding="utf-8")
    node = Node("dask", directory, environment, sockets)
    check("the scheduler listens", node.said("listening"), node.controller.output())
    node.check_lone()
    for number in range(COUNT):
        check("worker %d joins" % number, node.start("0.%d" % number), node.controller.output())
    check("a client that came before the scheduler has waited for it", early.wait(DEADLINE) == 0, early.stderr.read())

    from dask.distributed import Client

    client = Client()
    workers = client.scheduler_info(n_workers=-1)["workers"]
    addresses = {worker["name"]: address for address, worker in workers.items()}
    check("Client() has them without arguments", sorted(addresses) == ["0.0", "0.1", "0.2"], addresses)
    check("each with a thread for its CPU", [worker["nthreads"] for worker in workers.values()] == [1] * COUNT)
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    check("and its share of memory", all(0 < worker["memory_limit"] <= whole for worker in workers.values()), workers)
    check("and files of its own in the session's directory",
          all(worker["local_directory"].startswith(share) for worker in workers.values()), workers)
    check("a notebook can show the client, which has no dashboard",
          client.dashboard_link == "" and "tls://" in client._repr_html_() + repr(client))
    pids = [worker.pid for worker in node.workers.values()]
    check("they share memory", pss(pids) < 0.5 * rss(pids), (pss(pids), rss(pids)))
    ports = [port_ for process in [node.controller, *node.workers.values()] for port_ in ports_of(process.pid)]
    check("nothing but TLS listens", len(ports) == 1 + COUNT and all(refuses(number, share) for number in ports), ports)

    kept = client.submit(slow, 0, "kept", workers=[addresses["0.1"]], allow_other_workers=False, pure=False)
    kept.result(DEADLINE)
    runs = client.submit(slow, 2, "runs", workers=[addresses["0.1"]], allow_other_workers=True, pure=False)
    wait_for(lambda: runs.key in client.processing()[addresses["0.1"]])
    wait_for(lambda: client.call_stack([runs]))
    waits = client.map(slow, [0.05] * 10, range(10), workers=[addresses["0.1"], addresses["0.2"]], pure=False)
    wait_for(lambda: len(client.processing()[addresses["0.1"]]) > 1)
    node.workers["0.1"].channel.say("retire")
    results = client.gather(waits)
    check("what waits for a worker that retires runs elsewhere, at once", {name for _, name in results} == {"0.2"}
          and runs.status == "pending", (results, runs.status))
    check("a worker that retires ends with 0", node.workers["0.1"].wait() == 0, node.workers["0.1"].output())
    check("the controller says that it left", node.said("left 0.1"))
    check("what ran has finished there", runs.result(DEADLINE) == ("runs", "0.1"), runs)
    check("its results are kept", kept.status == "finished" and kept.result(DEADLINE) == ("kept", "0.1"), kept)

    node.start("0.1", 2)
    node.check_busy("a task", lambda: client.submit(slow, 3, "busy", pure=False).done)
    dask_actor(node, client)
    dask_count(node, client)

    node.kill("0.2")
    check("a worker that is killed leaves", node.said("left 0.2", seconds=10))
    check("its successor joins", node.start("0.2", 2))
    os.kill(node.workers["0.2"].pid, signal.SIGSTOP)
    node.controller.channel.say("gone 0.2")
    check("one that hangs leaves when it is said to be gone", node.said("left 0.2", 2, seconds=10))
    node.kill("0.2")
    node.workers["0.0"].kill(signal.SIGTERM)
    check("SIGTERM ends a worker", node.workers["0.0"].wait() == 143)
    client.close()
    node.say_nonsense()
    node.controller.channel.say("end")
    check("the scheduler ends in order", node.controller.wait() == 0, node.controller.output())
    node.host.close()


class Counter:
    """An actor."""

    def __init__(self):
        self.count = 0

    def add(self, seconds):
        import time

        time.sleep(seconds)
        self.count += 1
        return self.count


def dask_actor(node: Node, client) -> None:
    """A worker with an actor that somebody holds retires; the call that runs finishes first."""
    addresses = {worker["name"]: address for address, worker in client.scheduler_info(n_workers=-1)["workers"].items()}
    task = client.submit(Counter, actor=True, workers=[addresses["0.1"]], allow_other_workers=False)
    kept = client.submit(slow, 0, "beside an actor", workers=[addresses["0.1"]], allow_other_workers=True, pure=False)
    kept.result(DEADLINE)
    actor = task.result(DEADLINE)
    check("an actor lives on its worker", actor.add(0).result(DEADLINE) == 1)
    call = actor.add(12)
    node.workers["0.1"].channel.say("retire")
    check("a worker with an actor retires", node.workers["0.1"].wait() == 0, node.workers["0.1"].output())
    check("and says so", "actor" in node.workers["0.1"].output(), node.workers["0.1"].output())
    check("the call that ran has finished", call.result(DEADLINE) == 2)
    check("results beside it are kept", kept.status == "finished" and kept.result(DEADLINE)[1] == "0.1", kept)
    wait_for(lambda: task.status == "error")
    check("who holds the actor is told", task.status == "error" and "Actor" in str(task.exception(DEADLINE)), task)


def dask_count(node: Node, client) -> None:
    """Workers learn how many they are, for their share of the memory."""

    def limits():
        info = client.scheduler_info(n_workers=-1)["workers"].values()
        return {worker["name"]: worker["memory_limit"] for worker in info}

    def limit(dask_worker):
        return dask_worker.memory_manager.memory_limit, dask_worker.data.fast.n

    before, inside = limits()["0.2"], client.run(limit)
    for name in ("0.0", "0.2"):
        node.workers[name].channel.say("count %d" % (2 * COUNT))
    check("with twice as many each has half the memory",
          wait_for(lambda: set(limits().values()) == {before // 2}), (before, limits()))
    check("and begins to spill at half as much",
          all(abs(inside[key][k] / 2 - now) < 2 for key, value in client.run(limit).items() for k, now in enumerate(value)),
          (inside, client.run(limit)))


def refuses(port: int, share: str) -> bool:
    """Whether who listens there refuses plain TCP, no certificate and that of another job, and takes the job's."""
    other = tempfile.mkdtemp(dir=share)
    subprocess.run([sys.argv[2], other], check=True)
    answers = []
    for certificate in (None, other, share):
        context = ssl.create_default_context(cafile=os.path.join(share, "ca.pem"))
        context.check_hostname = False
        if certificate:
            context.load_cert_chain(os.path.join(certificate, "cert.pem"), os.path.join(certificate, "key.pem"))
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as sock:
            try:
                with context.wrap_socket(sock) as secured:
                    answers.append(secured.recv(1) != b"")  # distributed speaks first
            except OSError:
                answers.append(False)
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            answers.append(sock.recv(1) not in (b"", b"\x15"))  # a TLS alert is no answer
        except OSError:
            answers.append(False)
    shutil.rmtree(other)
    return answers == [False, False, True, False]


def main() -> int:
    subreaper()
    directory = tempfile.mkdtemp(prefix="kinds-")
    os.mkdir(os.path.join(directory, "share"), 0o700)
    try:
        {"ipyparallel": ipyparallel, "dask": dask}[sys.argv[1]](directory, sys.argv[2])
        return tap.end()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
