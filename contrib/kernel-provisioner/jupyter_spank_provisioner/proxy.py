# SPDX-License-Identifier: MIT
"""The way to a job's kernel: a child ``sjupyter kernel JOBID --proxy``, which listens on unix
sockets of this host and takes orders for the kernel.  Used by provisioner.py in threads of a
Jupyter server, as the user.
"""

import json
import os
import select
import subprocess
import tempfile
import threading
import time

from .errors import KernelJobError

READY_SECONDS = 60
NEW_SECONDS = 600  # for a kernel that is started first: the head gives up on it before
ORDER_SECONDS = 30
STOP_SECONDS = 10
LINE_MAX = 65536  # bytes: KERNEL_ANSWER_MAX of sjupyter


class Proxy:
    """One child; all its methods may be called from any thread and block."""

    def __init__(self, sjupyter, job_id, number=None, new=None):
        """Starts it and waits until the kernel can be reached: that of this number (int) in its
        session, else the first, or a new one of the kernelspec `new` (str) on the nodes.  Raises
        KernelJobError."""
        self._lock = threading.Lock()
        self._read = b""
        self.ended = None  # why the session has ended (str)
        self._errors = tempfile.TemporaryFile()
        try:
            words = [sjupyter, "kernel", job_id, "--proxy"]
            words += [f"--new={new}"] if new else [f"--number={number}"] if number else []
            self._child = subprocess.Popen(words,
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                           stderr=self._errors, start_new_session=True, bufsize=0)
        except OSError as error:
            raise KernelJobError(f"{sjupyter}: {error.strerror}") from error
        try:
            seconds = NEW_SECONDS if new else READY_SECONDS
            ready = self._line(time.monotonic() + seconds).get("ready") or {}
            self.number = int(ready.get("number") or 1)
            with open(str(ready.get("connection_file")), encoding="utf-8") as file:
                self.connection_info = json.load(file)
            self.connection_info["key"] = self.connection_info["key"].encode()
        except (OSError, ValueError, KeyError, AttributeError) as error:
            self.close()
            raise KernelJobError(f"sjupyter kernel {job_id}: no connection file: {error}") from error
        except KernelJobError:
            self.close()
            raise

    def _said(self):
        self._errors.seek(0)
        lines = self._errors.read(LINE_MAX).decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "no reason given"

    def _line(self, deadline):
        """The next line as an object (dict)."""
        out = self._child.stdout.fileno()
        while b"\n" not in self._read:
            left = deadline - time.monotonic()
            poll = select.poll()
            poll.register(out, select.POLLIN)
            if left <= 0 or not poll.poll(left * 1000):
                raise KernelJobError("the way to the kernel's job does not answer")
            piece = os.read(out, LINE_MAX)
            if not piece:
                raise KernelJobError(self._said())
            self._read += piece
            if len(self._read) > LINE_MAX:
                raise KernelJobError("the way to the kernel's job has answered too much")
        line, self._read = self._read.split(b"\n", 1)
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ValueError("not an object")
        if "ended" in answer:
            self.ended = str(answer["ended"])
            raise KernelJobError(f"its session has ended: {self.ended}")
        return answer

    def order(self, name, seconds=ORDER_SECONDS):
        """Has the head do something with its kernel: "interrupt", "restart", "shutdown",
        "status"; or us: "listen".  Returns the answer (dict).  Raises KernelJobError."""
        with self._lock:
            try:
                self._child.stdin.write(json.dumps({name: {}}).encode() + b"\n")
                answer = self._line(time.monotonic() + seconds)
            except (OSError, ValueError) as error:
                raise KernelJobError(f"the way to the kernel's job: {error}") from error
        if "error" in answer:
            raise KernelJobError(str(answer["error"]))
        return answer

    def alive(self):
        """Whether the child runs."""
        return self._child.poll() is None

    def close(self):
        """Ends it; its sockets and its connection file go with it."""
        if not self._child.stdin.closed:
            self._child.stdin.close()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()
        self._errors.close()
