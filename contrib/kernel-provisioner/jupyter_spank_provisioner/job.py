# SPDX-License-Identifier: MIT
"""A kernel's job: submitted by ``sjupyter run``, watched by its session's record, cancelled by
``scancel``.  Called by provisioner.py in threads of a Jupyter server, as the user.
"""

import fcntl
import json
import os
import subprocess
import time

from .errors import KernelJobError

COMMAND_SECONDS = 60  # for one of Slurm's commands to answer
LOOK_SECONDS = 0.1  # between two looks at the record of a session to come
FIRST_ASK_SECONDS = 1  # before the queue is asked why a job waits; most begin sooner
RECORD_MAX = 8 << 20  # bytes: SESSION_FILE_MAX of spank-jupyter
SERVING = ("serving", "ready", "degraded")
FINAL = ("ended", "failed")


def state_directory(environment=os.environ):
    """The directory in which spank-jupyter keeps its sessions' records (str)."""
    base = environment.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "spank-jupyter")


def make_private(path):
    """Makes the directory and those that it lies in, each for the user alone whatever his umask:
    os.makedirs() gives its mode to the last one only, and sjupyter and the session's head refuse
    a directory that others can write to.  Raises OSError."""
    if os.path.isdir(path):
        return
    make_private(os.path.dirname(path))
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def run_command(words, environment=None):
    """Runs a command to its end.  Returns its stdout (str) without blanks at both ends.

    Raises KernelJobError: it is not there, takes over COMMAND_SECONDS, or fails; with the last
    line that it has said.
    """
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=COMMAND_SECONDS, env=environment,
                              encoding="utf-8", errors="replace", check=False)
    except OSError as error:
        raise KernelJobError(f"{words[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise KernelJobError(f"{words[0]} has not answered within {COMMAND_SECONDS} s") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise KernelJobError(f"{words[0]}: {said[-1]}")
    return done.stdout.strip()


class Job:
    """One job by its number (str of digits)."""

    def __init__(self, job_id, own=True):
        if not job_id.isascii() or not job_id.isdigit():
            raise KernelJobError(f"{job_id[:64]!r} is not the number of a job")
        self.job_id = job_id
        self.own = own  # made for this kernel, so ended with it

    @classmethod
    def submit(cls, sjupyter, kernel, options, environment):
        """Submits a job that is nothing but a session with this kernelspec, with these options
        (list of str) for sbatch.  Raises KernelJobError with sbatch's words."""
        # Its session's log has all; a file in the current directory would be litter.
        words = [sjupyter, "run", "--no-wait", "--output=/dev/null", *options,
                 f"--jupyter=kernel:{kernel}"]
        said = run_command(words, environment).splitlines()
        return cls(said[-1] if said else "")

    def join(self, sjupyter, kernel, seconds, say, stopped):
        """In a job that is there: whether its session has begun with this kernelspec for us, so
        that its first kernel is ours; else (False) it has a session of its own, in which one can
        be started.  As wait(), and raises KernelJobError too when no session can begin."""
        self._wait_running(seconds, say, stopped)
        path = os.path.join(state_directory(), self.job_id)
        make_private(path)
        with open(os.path.join(path, "provisioner.lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two notebooks do not begin two sessions
            begins = self.state()[0] in ("", *FINAL)
            if begins:
                run_command([sjupyter, "start", self.job_id, f"--jupyter=kernel:{kernel}",
                             "--no-wait"])
        for _ in self.wait(seconds, say, stopped):
            time.sleep(LOOK_SECONDS)
        return begins

    def _wait_running(self, seconds, say, stopped, pause=1.0):
        begin, told = time.monotonic(), ""
        while not stopped():
            if self.state()[0] in SERVING:
                return
            queued = self.queue()
            if queued is None:
                raise KernelJobError(f"there is no job {self.job_id} any more")
            if queued[0] == "RUNNING":
                return
            if seconds and time.monotonic() - begin > seconds:
                raise KernelJobError(f"job {self.job_id} has not begun after {seconds:g} s")
            words = self._waiting("", "")
            if words != told:
                told = words
                say(f"job {self.job_id}: {told}")
            time.sleep(pause)

    def has_others(self, number):
        """Whether kernels live in its session but that of this number (int)."""
        kernels = (self.record() or {}).get("kernels")
        return any(isinstance(one, dict) and one.get("number") != number
                   and one.get("state") != "ended"
                   for one in (kernels if isinstance(kernels, list) else []))

    def record(self):
        """The session's record (dict), or None while there is none."""
        path = os.path.join(state_directory(), self.job_id, "session.json")
        try:
            with open(path, "rb") as file:
                record = json.loads(file.read(RECORD_MAX))
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) else None

    def state(self):
        """(state, reason) of the session as its record has them; ("", "") without one."""
        record = self.record() or {}
        return str(record.get("state") or ""), str(record.get("reason") or "")

    def queue(self):
        """(state, why it waits, estimated start) as squeue has them, or None: no such job."""
        try:
            line = run_command(["squeue", "-h", "-j", self.job_id, "-o", "%T|%r|%S"])
        except KernelJobError as error:
            if "Invalid job id" in str(error):
                return None
            raise
        parts = line.splitlines()[0].split("|") if line else []
        return tuple(parts) if len(parts) == 3 else None

    def cancel(self):
        """Ends the job if it was made for this kernel.  Raises KernelJobError."""
        if self.own:
            run_command(["scancel", self.job_id])

    def wait(self, seconds, say, stopped, ask=5.0):
        """Until the kernel serves: a generator of looks at the record and at the queue, with a
        pause after each for the caller to make.

        seconds bounds it (0: not at all); say(str) is called with the reason for waiting, each
        time that the queue was asked, every `ask` seconds; stopped() ends it when it returns
        True.  Raises KernelJobError.
        """
        begin = time.monotonic()
        asked, told = begin + min(FIRST_ASK_SECONDS - ask, 0), ""
        while not stopped():
            state, reason = self.state()
            if state in SERVING:
                return
            if state in FINAL:
                raise KernelJobError(f"the kernel of job {self.job_id} has {state}: {reason}")
            now = time.monotonic()
            if seconds and now - begin > seconds:
                raise KernelJobError(f"job {self.job_id} has no kernel after {seconds:g} s: "
                                     f"{told or state or 'no record of it'}")
            if now - asked >= ask:
                asked = now
                told = self._waiting(state, reason)
                say(f"job {self.job_id}: {told}")
            yield
        raise KernelJobError(f"job {self.job_id}: not waited for any longer")

    def goes_on(self):
        """Whether it has, or will have, a session.  A head that was killed has left its record
        as it was, so the queue is asked too.  Raises KernelJobError."""
        if self.state()[0] in (*FINAL, "draining"):
            return False
        queued = self.queue()
        return queued is not None and queued[0] in ("PENDING", "CONFIGURING", "RUNNING")

    def _waiting(self, state, reason):
        queued = self.queue()
        session = f"its session is {state}" + (f": {reason}" if reason else "")
        if queued is None:
            raise KernelJobError(f"job {self.job_id} has ended " +
                                 (f"when {session}" if state else "before a session began"))
        if state:
            return session
        if queued[0] != "PENDING":
            return f"it is {queued[0].lower()}"
        words = f"it waits in the queue ({queued[1]})"
        return words if queued[2] in ("", "N/A") else f"{words}, starts about {queued[2]}"
