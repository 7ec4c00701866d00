# SPDX-License-Identifier: MIT
"""Which job the kernel of a notebook is, for when the Jupyter that started it was killed: a Jupyter
that opens the notebook again attaches to the job instead of submitting another.  Used by
provisioner.py in threads of a Jupyter server, as the user.
"""

import fcntl
import hashlib
import json
import os

from .errors import KernelJobError
from .job import Job, state_directory

NOTE_MAX = 4096  # bytes


class NotebookJob:
    """A note in the user's state directory, locked by the Jupyter that has the kernel.  The lock
    goes with the process, however that ends, and a Jupyter that ends in order removes the note."""

    def __init__(self, descriptor, path):
        self._fd = descriptor
        self._path = path

    @classmethod
    def take(cls, notebook, kernel):
        """The note about this notebook (its path, str) with this kernel (anything with a repr).
        None where a Jupyter that runs has it, or where none can be kept."""
        name = hashlib.sha256(repr((notebook, kernel)).encode("utf-8", "replace")).hexdigest()
        directory = os.path.join(state_directory(), "notebooks")
        path = os.path.join(directory, f"{name}.json")
        try:
            os.makedirs(directory, 0o700, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # One that was removed between the two is nobody's.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return cls(descriptor, path)
        except OSError:
            pass
        os.close(descriptor)
        return None

    def job(self):
        """The job (Job) that is noted, where it can still have the kernel; else None."""
        try:
            note = json.loads(os.pread(self._fd, NOTE_MAX, 0))
            job = Job(str(note["job_id"]))
            return job if job.goes_on() else None
        except (OSError, ValueError, KeyError, TypeError, KernelJobError):
            return None

    def write(self, job_id):
        """Notes it.  A full disk means that there is no note."""
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, json.dumps({"job_id": job_id}).encode(), 0)
        except OSError:
            pass

    def remove(self):
        """The kernel is no more."""
        try:
            os.unlink(self._path)
        except OSError:
            pass
        os.close(self._fd)
