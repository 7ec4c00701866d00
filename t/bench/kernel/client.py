#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The client of the kernels that t/bench/kernel.sh and kernel_ssh.sh measure.

    client.py answer FILE           waits for a connection file, then until its kernel has answered
    client.py session JOBID         the same of the kernel of that job's session, on its node
    client.py serve FILE            reads "trips N" and "output" on stdin, prints seconds for each
    client.py proxy JOBID           the same by the way to the kernel that sjupyter opens
    client.py pairs ROUNDS A against B   drives two of these, commands given as words, in turn
    client.py launch PAIRS A B      starts kernels of two kernelspecs by jupyter_client, in turn, and
                                    prints a line for each pair: seconds until A's, B's has answered,
                                    and for a round trip of A's, of B's

The user's, with the Python of an environment that has jupyter_client; "pairs" as root.  "launch"
is of t/bench/kernel_ssh.sh.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import time

DEADLINE = 120.0  # seconds
TRIPS = 200
# As a program prints much: in pieces of a megabyte, 100 of them.
OUTPUT = "import sys\nfor _ in range(100):\n    sys.stdout.write('x' * 1000000)\n    sys.stdout.flush()"


def wait_for(path: str) -> dict:
    """Returns the connection file's content once it is there and whole."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        try:
            with open(path, encoding="utf-8") as file:
                info = json.load(file)
            if info["shell_port"]:
                info["key"] = info["key"].encode()
                return info
        except (OSError, ValueError, KeyError):
            pass
        time.sleep(0.02)
    raise TimeoutError(path)


def session_file(job: str) -> str:
    """Returns where the session's kernel has its connection file, on the session's node."""
    path = os.path.expanduser(f"~/.local/state/spank-jupyter/{job}/session.json")
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        try:
            with open(path, encoding="utf-8") as file:
                directory = json.load(file)["head"]["runtime_dir"]
            if directory:
                return os.path.join(directory, "kernel.json")
        except (OSError, ValueError, KeyError):
            pass
        time.sleep(0.02)
    raise TimeoutError(path)


def connect(info: dict):
    """Returns a client whose kernel has answered."""
    from jupyter_client import BlockingKernelClient

    client = BlockingKernelClient()
    client.load_connection_info(info)
    client.start_channels()
    client.wait_for_ready(timeout=DEADLINE)
    return client


def execute(client, code: str, size: int = 0) -> float:
    """Seconds until the code has run, and size characters have come from it."""
    begin = time.monotonic()
    wanted = client.execute(code)
    idle = False
    while not idle or size > 0:
        message = client.get_iopub_msg(timeout=DEADLINE)
        if message["parent_header"].get("msg_id") != wanted:
            continue
        if message["msg_type"] == "stream":
            size -= len(message["content"]["text"])
        elif message["msg_type"] == "status":
            idle = message["content"]["execution_state"] == "idle"
    client.get_shell_msg(timeout=DEADLINE)
    return time.monotonic() - begin


def serve(client) -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        if line.startswith("trips"):
            seconds = statistics.median(execute(client, "pass") for _ in range(TRIPS))
        else:
            seconds = execute(client, OUTPUT, 100_000_000)
        print(seconds, flush=True)


def proxy(job: str) -> None:
    way = subprocess.Popen(["sjupyter", "kernel", job, "--proxy"], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, encoding="utf-8")
    ready = json.loads(way.stdout.readline())["ready"]
    serve(connect(wait_for(ready["connection_file"])))
    way.stdin.close()
    way.wait(30)


class Other:
    """One that serves, in a process of its own."""

    def __init__(self, words: list[str]) -> None:
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        encoding="utf-8")
        assert self.process.stdout.readline() == "ready\n", words

    def ask(self, what: str) -> float:
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def pairs(rounds: int, words: list[str]) -> None:
    """Prints the median of the differences of a round trip (us) and of the quotients of the
    throughputs, B's against A's."""
    middle = words.index("against")
    both = [Other(words[:middle]), Other(words[middle + 1:])]
    more, ratio = [], []
    for i in range(rounds + 1):
        for what, list_, of in (("trips", more, lambda a, b: (b - a) * 1e6),
                                ("output", ratio, lambda a, b: a / b)):
            seen = [0.0, 0.0]
            for j in range(2):
                seen[(i + j) % 2] = both[(i + j) % 2].ask(what)
            if i > 0:  # the first is for warming up
                list_.append(of(*seen))
            if i == rounds and what == "output":
                print(f"{100 / seen[0]:.0f} MB/s direct, {100 / seen[1]:.0f} MB/s by the tunnel, in "
                      "the last round", file=sys.stderr)
    print(statistics.median(more), statistics.median(ratio))
    for one in both:
        one.process.stdin.close()
        one.process.wait(60)


def launched(name: str) -> tuple[float, float]:
    """Seconds from the start of a new kernel's launch until it has answered, and for a round trip
    of it."""
    from jupyter_client import KernelManager

    manager = KernelManager(kernel_name=name)
    begin = time.monotonic()
    try:
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        # As wait_for_ready() asks, which goes on until nothing has come for a while.
        while True:
            client.kernel_info()
            try:
                client.get_shell_msg(timeout=1)
                break
            except queue.Empty:
                if time.monotonic() - begin > DEADLINE:
                    raise
        answered = time.monotonic() - begin
        client.wait_for_ready(timeout=DEADLINE)
        trip = statistics.median(execute(client, "pass") for _ in range(TRIPS))
        client.stop_channels()
    finally:
        if manager.has_kernel:
            manager.shutdown_kernel()
    return answered, trip


def launch(rounds: int, names: list[str]) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without the kernel's end
    for name in names:  # for warming up
        print(f"{name}: the first kernel has answered after {launched(name)[0]:.2f} s",
              file=sys.stderr)
    for i in range(rounds):
        seen = [(0.0, 0.0), (0.0, 0.0)]
        for j in range(2):
            seen[(i + j) % 2] = launched(names[(i + j) % 2])
        print(seen[0][0], seen[1][0], seen[0][1], seen[1][1], flush=True)


def main() -> None:
    mode, *words = sys.argv[1:]
    if mode == "answer":
        connect(wait_for(words[0]))
    elif mode == "session":
        connect(wait_for(session_file(words[0])))
    elif mode == "serve":
        serve(connect(wait_for(words[0])))
    elif mode == "proxy":
        proxy(words[0])
    elif mode == "launch":
        launch(int(words[0]), words[1:])
    else:
        pairs(int(words[0]), words[1:])


main()
