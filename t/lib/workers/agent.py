# SPDX-License-Identifier: MIT
"""Plays jupyter-agent for contrib/recipes/workers/preload.py: hosts, forks and their channels.

Imported by t/unit/test_preload.py and the programs beside it, in their process, as whoever runs them.
"""

from __future__ import annotations

import array
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time

WORKERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../contrib/recipes/workers")
PRELOAD = os.path.join(WORKERS, "preload.py")
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

# Seconds: importing on a machine that does much else is the longest wait.
DEADLINE = 60.0


def subreaper() -> None:
    """Makes this process the parent of what its children leave behind, as jupyter-agent is."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def listeners(count: int, ip: str = "127.0.0.1") -> list[socket.socket]:
    """Listening TCP sockets, as the head makes them."""
    sockets = []
    for _ in range(count):
        sock = socket.socket()
        sock.bind((ip, 0))
        sock.listen(128)
        sockets.append(sock)
    return sockets


class Channel:
    """Our end of a process' channel: lines, each waited for with a deadline."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""
        self.lines: list[str] = []
        self.ended = False

    def say(self, line: str) -> None:
        self.sock.sendall(line.encode() + b"\n")

    def read(self, seconds: float) -> None:
        """Takes what comes within that time, or one piece of it."""
        self.sock.settimeout(max(seconds, 0.001))
        try:
            data = self.sock.recv(65536)
        except socket.timeout:
            return
        except OSError:
            data = b""
        self.ended = self.ended or not data
        *lines, self.rest = (self.rest + data).split(b"\n")
        self.lines += [line.decode() for line in lines]

    def wait(self, done, seconds: float = DEADLINE) -> bool:
        """Whether done(lines) comes true within that time."""
        end = time.monotonic() + seconds
        while not done(self.lines):
            if time.monotonic() > end or self.ended:
                return False
            self.read(end - time.monotonic())
        return True

    def wait_line(self, line: str, seconds: float = DEADLINE) -> bool:
        return self.wait(lambda lines: line in lines, seconds)

    def wait_end(self, seconds: float = DEADLINE) -> bool:
        end = time.monotonic() + seconds
        while not self.ended and time.monotonic() < end:
            self.read(end - time.monotonic())
        return self.ended


class Process:
    """A fork of a host: its pid, channel, and the file its output goes to."""

    def __init__(self, ident: str, channel: Channel, log: str) -> None:
        self.id = ident
        self.channel = channel
        self.log = log
        self.pid = 0
        self.status: int | None = None

    def wait(self, seconds: float = DEADLINE) -> int | None:
        """Its exit status, negative for a signal, as subprocess has it; None when it still runs."""
        end = time.monotonic() + seconds
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            elif time.monotonic() > end:
                return None
            else:
                self.channel.read(0.02)
                if self.channel.ended:
                    time.sleep(0.01)  # between the end of its channel and its own
        return self.status

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.status is None and self.pid:
            os.kill(self.pid, number)

    def output(self) -> str:
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()


class Host:
    """A host process.

    Args:
        module: the Python file it imports.
        directory: for the output of what it forks.
        environment: on top of this process' own.
        python: the interpreter.
    """

    def __init__(self, module: str, directory: str, environment: dict[str, str] | None = None,
                 python: str = sys.executable) -> None:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock = ours
        self.directory = directory
        self.forks: dict[str, Process] = {}
        self.log = os.path.join(directory, "host.log")
        env = {**os.environ, **(environment or {}), "SPANK_JUPYTER_HOST_FD": str(its.fileno())}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [python, PRELOAD, module], env=env, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
        its.close()

    def receive(self, seconds: float = DEADLINE) -> dict | None:
        """The host's next datagram; None at the end of file.  Raises socket.timeout."""
        self.sock.settimeout(seconds)
        data = self.sock.recv(65536)
        return json.loads(data) if data else None

    def ask(self, role: str, ident: str, env: dict | None = None, sockets=(), cpus=None) -> Process:
        """Asks for a fork, without waiting for it."""
        ours, its = socket.socketpair()
        log = os.path.join(self.directory, (ident or role) + ".log")
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        fds = array.array("i", [output, its.fileno(), *[sock.fileno() for sock in sockets]])
        request = {"fork": role, "id": ident, "cpus": cpus, "env": env or {}}
        self.sock.sendmsg([json.dumps(request).encode()],
                          [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        its.close()
        os.close(output)
        self.forks[ident] = Process(ident, Channel(ours), log)
        return self.forks[ident]

    def answer(self) -> Process:
        """The next fork asked for, which is told to go."""
        message = self.receive() or {}
        if "forked" not in message:
            raise RuntimeError("not forked: %r" % message)
        process = self.forks[message["id"]]
        process.pid = message["forked"]
        process.channel.say("go")
        return process

    def fork(self, *args, **kwargs) -> Process:
        self.ask(*args, **kwargs)
        return self.answer()

    def close(self) -> int | None:
        """Ends the host, and what it has forked.  Returns the host's exit status."""
        for process in self.forks.values():
            process.kill()
            if process.pid:
                process.wait()
            process.channel.sock.close()
        self.sock.close()
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Tap:
    """Prints the results of checks as TAP."""

    def __init__(self) -> None:
        self.count = 0
        self.failed = 0

    def check(self, what: str, good: bool, why: object = "") -> bool:
        self.count += 1
        print("%s %d - %s" % ("ok" if good else "not ok", self.count, what), flush=True)
        if not good:
            self.failed += 1
            for line in str(why).splitlines() or [""]:
                print("# " + line, flush=True)
        return good

    def end(self) -> int:
        """Prints the plan.  Returns the exit status."""
        print("1..%d" % self.count, flush=True)
        return 1 if self.failed else 0


def pss(pids: list[int]) -> float:
    """The memory of these processes in MiB, what is shared counted once (PSS)."""
    total = 0
    for pid in pids:
        with open("/proc/%d/smaps_rollup" % pid) as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total / 1024
