#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of contrib/recipes/workers/preload.py: hosts, what they fork, and forks without a host; and of
lazy_package.py beside it.

Needs no package beyond Python's own.  Run by `make check` and t/run's stage unit, as anybody.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib/workers"))

from agent import DEADLINE, PRELOAD, WORKERS, Channel, Host, Tap, listeners, subreaper  # noqa: E402

# What the hosts import.  MODE says what a fork does.
MODULE = '''
import atexit, gc, os, signal, socket, sys, threading

HEAVY = [[n] for n in range(int(os.environ.get("HEAVY", "0")))]
calls = []
fork = os.fork
def failing():
    calls.append(1)
    if len(calls) == int(os.environ["FAIL_FORK"]):
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()
if "FAIL_FORK" in os.environ:
    os.fork = failing

prepared = []

def preload():
    prepared.append(os.getpid())

def private():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_Dirty:"))

def worker(channel):
    mode = os.environ.get("MODE", "wait")
    channel.say("began " + channel.id)
    if mode == "wait":
        over = threading.Event()
        def line(text):
            channel.say("heard " + text)
            if text.startswith("nonsense"):
                int(text)
            if text == "exit":
                sys.exit("the callback ends")
            if text == "retire":
                over.set()
        channel.on_line(line)
        over.wait()
    elif mode == "tell":
        for value in (
                channel.kind, channel.share, os.environ.get("UNSET"), os.environ.get("VALUE"),
                os.environ.get("SPANK_JUPYTER_HOST_FD"), os.getsid(0) == os.getpid(),
                sorted(os.sched_getaffinity(0)), os.readlink("/proc/self/fd/0"),
                sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
                signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, len(os.listdir("/proc/self/fd")) - 1,
                threading.active_count(), len(prepared) == 1 and prepared[0] != os.getpid(),
                sys.path[0] == ""):
            channel.say(repr(value))
        print("said on stdout")
        print("said on stderr", file=sys.stderr)
        os.write(1, b"written to 1\\n")
    elif mode == "atexit":
        atexit.register(print, "done at exit")
    elif mode == "raise":
        raise RuntimeError("raised by the worker")
    elif mode == "exit 7":
        sys.exit(7)
    elif mode == "exit words":
        sys.exit("words at the end")
    elif mode == "lines":
        for bad in ("two\\nlines", "x" * 255, "\\u00e4"):
            try:
                channel.say(bad)
            except ValueError:
                channel.say("refused")
        channel.say("y" * 254)
    elif mode == "memory":
        before = private()
        gc.collect()
        channel.say("touched %d" % (private() - before))
        channel.read_line()
    elif mode == "slow end":
        channel.say("ending")
        channel.end(9)

def controller(channel, sockets):
    channel.say("id=%r listens=%d" % (channel.id, len(sockets)))
    for sock in sockets:
        connection, _ = sock.accept()
        connection.sendall(b"%d" % sock.getsockname()[1])
        connection.close()
    return 3
'''

tap = Tap()
check = tap.check


class World:
    """A directory with a module, and the hosts that import it."""

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="unit-")
        self.module = self.write("some_kind.py", MODULE)

    def write(self, name: str, text: str) -> str:
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def host(self, module: str | None = None, **environment: str) -> Host:
        environment = {"SPANK_JUPYTER_KIND": "some", "SPANK_JUPYTER_SHARE": "/share",
                       "UNSET": "is set", **environment}
        return Host(module or self.module, self.directory, environment)

    def loaded(self, **environment: str) -> Host:
        host = self.host(**environment)
        message = host.receive()
        if not message or "loaded" not in message:
            print("Bail out! no host: %r" % message)
            sys.exit(99)
        return host


def test_loading(world: World) -> None:
    host = world.host()
    message = host.receive()
    check("a host says how long it took to import", isinstance(message.get("loaded"), float), message)
    host.sock.close()
    check("and ends when the agent is gone", host.process.wait(DEADLINE) == 0)

    for what, text, words in (
            ("a package that is missing", "import nosuchpackage.part\n",
             [sys.executable, "has no module nosuchpackage"]),
            ("a module that raises", "raise RuntimeError('two\\nlines')\n", ["RuntimeError: two lines"]),
            ("a module that ends the process", "import sys\nsys.exit('enough')\n", ["SystemExit: enough"]),
            ("a module that is no Python", "def\n", ["SyntaxError"])):
        path = world.write("bad_kind.py", text)
        host = world.host(path)
        message = host.receive() or {}
        why = message.get("failed", "")
        check(what + " is told in one line", all(word in why for word in words) and "\n" not in why, message)
        check("with exit status 1", host.process.wait(DEADLINE) == 1)
    host = world.host(os.path.join(world.directory, "missing_kind.py"))
    check("a module that is not there is told", "No such file" in (host.receive() or {}).get("failed", ""))
    host.close()


def test_worker(world: World) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    host = world.loaded()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGUSR1})
    cpu = max(os.sched_getaffinity(0))
    fork = host.ask("worker", "2.1", {"MODE": "tell", "VALUE": "a value", "UNSET": None}, cpus=[cpu])
    message = host.receive()
    check("a fork is answered with its id", message.get("id") == "2.1" and message.get("forked", 0) > 1, message)
    fork.pid = message["forked"]
    with open("/proc/%d/stat" % fork.pid) as file:
        parent = int(file.read().rsplit(")", 1)[1].split()[1])
    check("it is the agent's child", parent == os.getpid(), parent)
    fork.channel.read(0.2)
    check("it waits for its go", not fork.channel.lines and fork.status is None, fork.channel.lines)
    fork.channel.say("go")
    check("it ends with 0", fork.wait() == 0, fork.output())
    fork.channel.wait_end()
    expected = ["began 2.1", "'some'", "'/share'", "None", "'a value'", "None", "True", "[%d]" % cpu,
                "'/dev/null'", "[]", "True", "4", "1", "True", "True"]
    for number, what in enumerate((
            "its id", "its kind", "its share", "no variable that is to be unset", "the fork's variables",
            "not the host's socket in its environment", "a session of its own", "its CPUs", "no input",
            "no blocked signal", "SIGTERM's default", "no descriptor but its own", "no thread",
            "what has been done before the fork", "the working directory for imports")):
        got = fork.channel.lines[number] if number < len(fork.channel.lines) else "(nothing)"
        check("it has " + what, got == expected[number], "%s, not %s" % (got, expected[number]))
    check("its output is its own",
          sorted(fork.output().splitlines()) == ["said on stderr", "said on stdout", "written to 1"], fork.output())
    host.close()


def test_ends(world: World) -> None:
    host = world.loaded()
    for mode, status, words in (
            ("raise", 1, "RuntimeError: raised by the worker"), ("exit 7", 7, ""),
            ("exit words", 1, "words at the end"), ("atexit", 0, "done at exit"), ("slow end", 9, "")):
        fork = host.fork("worker", "0.0", {"MODE": mode})
        got = fork.wait()
        check("mode %s: exit status %d" % (mode, status), got == status, "%s: %s" % (got, fork.output()))
        check("and its words", words in fork.output(), fork.output())

    fork = host.fork("worker", "0.1")
    check("a worker goes on", fork.channel.wait_line("began 0.1"))
    fork.channel.say("something")
    check("and hears what is said", fork.channel.wait_line("heard something"))
    fork.channel.say("retire")
    check("and retires", fork.wait() == 0)

    for number, nonsense in enumerate(("nonsense", "exit")):
        fork = host.fork("worker", "0.%d" % (5 + number))
        fork.channel.wait_line("began " + fork.id)
        fork.channel.say(nonsense)
        fork.channel.say("something")
        check("what its function cannot bear (%s) does not make it deaf" % nonsense,
              fork.channel.wait_line("heard something", 5), fork.channel.lines)
        fork.channel.sock.shutdown(socket.SHUT_WR)
        check("it hears the end of its channel, and ends with 1", fork.wait(5) == 1, fork.output())
        check("and its log has what was wrong",
              ("ValueError: invalid" if number == 0 else "SystemExit: the callback") in fork.output(), fork.output())
        fork.kill()

    fork = host.fork("worker", "0.2")
    fork.channel.wait_line("began 0.2")
    fork.channel.sock.shutdown(socket.SHUT_WR)
    check("it is told the end of its channel", fork.channel.wait_line("heard eof"))
    check("and ends then, with 1", fork.wait() == 1)

    fork = host.ask("worker", "0.3")
    fork.pid = host.receive()["forked"]
    fork.channel.sock.shutdown(socket.SHUT_WR)
    check("so does one that never got its go", fork.wait() == 1)
    check("without having begun", not fork.channel.lines, fork.channel.lines)

    fork = host.fork("worker", "0.4", {"MODE": "lines"})
    fork.wait()
    fork.channel.wait_end()
    check("lines that are none are refused", fork.channel.lines[1:] == ["refused"] * 3 + ["y" * 254],
          fork.channel.lines)
    host.close()


def test_batch(world: World) -> None:
    host = world.loaded()
    forks = [host.ask("worker", "0.%d" % number) for number in range(80)]
    answered = [host.answer() for _ in forks]
    check("80 asked for at once are forked", len({fork.pid for fork in answered}) == 80)
    check("each with its id", all(fork.channel.wait_line("began " + fork.id) for fork in forks))
    # Nobody else holds its channel: its end is seen at once.
    for number in (0, 40, 79):
        forks[number].kill()
        check("the end of number %d is seen on its channel" % number, forks[number].channel.wait_end(DEADLINE))
    check("the others run", all(fork.wait(0) is None for fork in forks[1:40]))

    host.process.kill()
    host.process.wait()
    forks[1].channel.say("after the host")
    check("a fork outlives its host", forks[1].channel.wait_line("heard after the host"))
    host.close()


def test_controller(world: World) -> None:
    host = world.loaded()
    sockets = listeners(8)
    fork = host.fork("controller", "", sockets=sockets)
    check("a controller has its sockets and no id", fork.channel.wait_line("id='' listens=8"), fork.channel.lines)
    got = []
    for sock in sockets:
        with socket.create_connection(sock.getsockname(), DEADLINE) as connection:
            got.append(int(connection.recv(100)))
    check("in their order, listening", got == [sock.getsockname()[1] for sock in sockets], got)
    check("what it returns is its exit status", fork.wait() == 3, fork.output())
    for sock in sockets:
        sock.close()
    host.close()


def test_failures(world: World) -> None:
    for number, what in ((1, "the intermediate process"), (2, "the process itself")):
        host = world.loaded(FAIL_FORK=str(number))
        host.ask("worker", "1.0")
        message = host.receive()
        check("a fork of %s that fails is told" % what,
              message.get("id") == "1.0" and "temporarily unavailable" in message.get("fork_failed", ""), message)
        if number == 1:
            check("and the next one may work", host.fork("worker", "1.1").channel.wait_line("began 1.1"))
        host.close()

    for what, data in (("no JSON", b"{"), ("no request", b'{"spoon": "worker"}'), ("no object", b"[]"),
                       ("no descriptors", b'{"fork": "worker", "id": "0.0"}'), ("too long", b"x" * 70000)):
        host = world.loaded()
        host.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        host.sock.send(data)
        check("%s ends the host" % what, host.process.wait(DEADLINE) == 1)
        host.close()


def test_memory(world: World) -> None:
    host = world.loaded(HEAVY="400000")
    forks = [host.fork("worker", "0.%d" % number, {"MODE": "memory"}) for number in range(3)]
    touched = []
    for fork in forks:
        fork.channel.wait(lambda lines: len(lines) == 2)
        touched.append(int(fork.channel.lines[1].split()[1]))
    # 400,000 lists take more than 25 MB; a collection that looks at them writes to all of it.
    check("collecting garbage copies little of what the forks share", max(touched) < 5000, touched)
    host.close()


def test_commands(world: World) -> None:
    ours, its = socket.socketpair()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, PRELOAD, "--worker", world.module], pass_fds=[its.fileno()], stdout=output,
            env={**os.environ, "SPANK_JUPYTER_WORKER": "3.2", "SPANK_JUPYTER_FD": str(its.fileno())})
        its.close()
        channel = Channel(ours)
        check("a worker that is a command needs no go", channel.wait_line("began 3.2"))
        channel.say("retire")
        check("and ends as others do", process.wait(DEADLINE) == 0)

    sockets = listeners(1)
    process = subprocess.Popen(
        [sys.executable, PRELOAD, "--controller", world.module], pass_fds=[sockets[0].fileno()],
        env={**os.environ, "SPANK_JUPYTER_LISTEN_FDS": str(sockets[0].fileno())})
    with socket.create_connection(sockets[0].getsockname(), DEADLINE) as connection:
        check("a controller has its sockets", int(connection.recv(100)) == sockets[0].getsockname()[1])
    check("and needs no channel", process.wait(DEADLINE) == 3)

    path = world.write("bad_kind.py", "import nosuchpackage\n")
    run = subprocess.run([sys.executable, PRELOAD, "--worker", path], stderr=subprocess.PIPE,
                         timeout=DEADLINE, encoding="utf-8")
    check("a missing package is one line", run.returncode == 1 and "no module nosuchpackage" in run.stderr
          and run.stderr.count("\n") == 1, run.stderr)
    world.write("beside.py", "import json\nimport nosuchpart.of_it\ndef f():\n    import neverasked\n")
    path = world.write("other_kind.py", "import beside\nfrom nosuchother import x\nprint('imported')\n")
    run = subprocess.run([sys.executable, PRELOAD, "--check", path], stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                         timeout=DEADLINE, encoding="utf-8")
    check("all packages that are missing can be asked for", run.returncode == 1 and run.stdout == ""
          and run.stderr == "error: %s has no module nosuchother, nosuchpart\n" % sys.executable, run.stderr)
    run = subprocess.run([sys.executable, PRELOAD, "--check", world.module], timeout=DEADLINE)
    check("and that there is none", run.returncode == 0)
    for words in ([], ["--worker"], ["--other", path], [path], ["a", "b", "c"]):
        environ = {name: value for name, value in os.environ.items() if name != "SPANK_JUPYTER_HOST_FD"}
        run = subprocess.run([sys.executable, PRELOAD, *words], stderr=subprocess.PIPE, env=environ,
                             timeout=DEADLINE, encoding="utf-8")
        check("usage: %s" % " ".join(os.path.basename(word) for word in words),
              run.returncode == 2 and run.stderr.startswith("usage:"), run.stderr)


def test_lazy(world: World) -> None:
    os.mkdir(os.path.join(world.directory, "lazypack"))
    world.write("lazypack/__init__.py", "import lazypack.other\nNAME = 'of the whole'\n")
    world.write("lazypack/part.py", "from lazypack import third\nNAME = 'of a part'\n")
    world.write("lazypack/other.py", "")
    world.write("lazypack/third.py", "")
    sys.path[:0] = [WORKERS, world.directory]
    import lazy_package

    package = lazy_package.package_lazy("lazypack")
    import lazypack.part

    check("a part of a lazy package is imported", lazypack.part.NAME == "of a part")
    check("without the whole", "lazypack.other" not in sys.modules and "NAME" not in vars(package))
    check("which comes when it is asked for", lazypack.NAME == "of the whole" and "lazypack.other" in sys.modules)
    check("and stays the same package", sys.modules["lazypack"] is package and not hasattr(package, "nosuchname"))
    os.mkdir(os.path.join(world.directory, "starpack"))
    world.write("starpack/__init__.py", "NAME = 'of all'\n__all__ = ['NAME']\n")
    lazy_package.package_lazy("starpack")
    names = {}
    exec("from starpack import *", names)
    check("all of another can be imported", names.get("NAME") == "of all", names)
    check("one that is there is left alone", lazy_package.package_lazy("os") is os)
    try:
        lazy_package.package_lazy("nosuchpackage")
        check("one that is missing is told", False)
    except ModuleNotFoundError as error:
        check("one that is missing is told", error.name == "nosuchpackage")

    world.write("optional.py", "")
    with lazy_package.packages_missing("optional", "os"):
        try:
            import optional  # noqa: F401

            hidden = False
        except ImportError:
            hidden = True
        import os as still_there  # noqa: F401
    check("a package is hidden", hidden)
    import optional  # noqa: F401,F811

    check("and is there again", "optional" in sys.modules)


def main() -> int:
    subreaper()
    world = World()
    for test in (test_loading, test_worker, test_ends, test_batch, test_controller, test_failures, test_memory,
                 test_commands, test_lazy):
        test(world)
    for root, _, files in os.walk(world.directory, topdown=False):
        for name in files:
            os.unlink(os.path.join(root, name))
        os.rmdir(root)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
