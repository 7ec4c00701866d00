# SPDX-License-Identifier: MIT
"""What Slurm says of the hub's jobs: one squeue for all spawners, kept for a while.

Used by spawner.py and handler.py through service.py, in the hub's process.  When squeue fails nothing is
known, which is something else than that a job has gone.
"""

import asyncio
import time
from collections import namedtuple

from .command import CommandFailed

# Of %T.  A job that completes still has processes, and one that is configured has none yet.
_PENDING = {
    "PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT",
}
_RUNNING = {"RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT", "COMPLETING"}
_ENDED = {
    "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE",
    "OUT_OF_MEMORY", "LAUNCH_FAILED", "RECONFIG_FAIL", "REVOKED",
}

# Job number, state, uid, expected or actual start, reason, nodes.  A reason may have blanks.
_FORMAT = "%A|%T|%U|%S|%N|%r"

# squeue has all jobs or some; a longer list would not fit into an argument.
_LISTED_MAX = 8000

# A job that an answer lacks is gone when a later one lacks it too: it may be too new for a backup controller.
_MISSING_MAX = 2

# Seconds between two squeue, however urgent.
_GAP = 1.0

Job = namedtuple("Job", "number phase state uid start nodes reason")
"""phase: unknown, pending, running or ended; state: Slurm's word; uid: int or None; start: Slurm's time or
""; nodes: a host list or ""; reason: why it waits or has failed."""

UNKNOWN = "unknown"

# States, not of Slurm's: of a job that it has forgotten or never had, and of one of another user.
GONE = "GONE"
FOREIGN = "FOREIGN"


def _phase(state):
    for phase, states in (("pending", _PENDING), ("running", _RUNNING), ("ended", _ENDED)):
        if state in states:
            return phase
    return UNKNOWN


def parse(text):
    """Args: text (str, squeue's output).  Returns: {number: Job}; lines of another form are left out."""
    jobs = {}
    for line in text.splitlines():
        words = [word.strip() for word in line.split("|", 5)]
        if len(words) != 6 or not words[0].isdigit() or not words[2].isdigit():
            continue
        number, state, uid, start, nodes, reason = words
        start = "" if start in ("N/A", "(null)") else start
        reason = "" if reason in ("None", "(null)") else reason
        nodes = "" if nodes == "(null)" else nodes
        jobs[number] = Job(number, _phase(state), state, int(uid), start, nodes, reason)
    return jobs


class SlurmQueue:
    """One for a hub.

    Args: run: async callable (list of str) -> str that raises CommandFailed; interval (float, seconds) for
    which an answer is good; log: a logger.  `calls` counts the squeue that were run.
    """

    def __init__(self, run, interval, log):
        self.run, self.interval, self.log = run, interval, log
        self.calls = 0
        self.failure = None
        self._jobs = {}
        self._missing = {}
        self._watched = set()
        self._asked = set()
        self._began = self._ended = float("-inf")
        self._asking = None

    def watch(self, number):
        """From now on every squeue asks for this job, until forget().  Args: number (str)."""
        self._watched.add(number)

    def forget(self, number):
        """The opposite of watch()."""
        self._watched.discard(number)
        self._jobs.pop(number, None)
        self._missing.pop(number, None)

    async def look(self, number, fresh=False):
        """What is known of a job.

        Args: number (str); fresh (bool): of now, not of up to `interval` seconds ago.  Returns: Job.
        """
        self._asked.add(number)
        now = time.monotonic()
        oldest = now if fresh else now - self.interval
        while self._began < oldest:
            # One squeue for all who wait; one that began before a fresh answer was asked for is not it.
            if self._asking is None:
                self._asking = asyncio.ensure_future(self._ask())
            await asyncio.wait([self._asking])
        return self._jobs.get(number) or Job(number, UNKNOWN, "", None, "", "", "")

    async def _ask(self):
        began = time.monotonic()
        if self._ended + _GAP > began:
            await asyncio.sleep(self._ended + _GAP - began)
            began = time.monotonic()
        try:
            numbers, self._asked = self._watched | self._asked, set()
            await self._ask_once(sorted(numbers))
        except CommandFailed as error:
            if self.failure is None:
                self.log.warning("squeue fails, jobs keep their last known state: %s", error)
            self.failure = str(error)
        else:
            self.failure = None
        finally:
            self._began, self._ended = began, time.monotonic()
            self._asking = None

    async def _ask_once(self, numbers):
        command = ["squeue", "--noheader", "--states=all", "--format=" + _FORMAT]
        if len(numbers) <= _LISTED_MAX:
            command.append("--jobs=" + ",".join(numbers))
        self.calls += 1
        try:
            jobs = parse(await self.run(command))
        except CommandFailed as error:
            # Said of a single job that Slurm has forgotten.
            if "Invalid job id specified" not in str(error) or error.status is None:
                raise
            jobs = {}
        self._jobs = {number: job for number, job in self._jobs.items() if number in numbers}
        self._missing = {number: count for number, count in self._missing.items() if number in numbers}
        for number in numbers:
            if number in jobs:
                self._jobs[number] = jobs[number]
                self._missing.pop(number, None)
                continue
            self._missing[number] = self._missing.get(number, 0) + 1
            if self._missing[number] >= _MISSING_MAX:
                self._jobs[number] = Job(number, "ended", GONE, None, "", "", "Slurm does not know it any more")
