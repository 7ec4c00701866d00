# SPDX-License-Identifier: MIT
"""Which job the kernel of a notebook is, for when the Jupyter that started it was killed: a Jupyter
that opens the notebook again attaches to the job instead of submitting another.  Used by
provisioner.py in threads of a Jupyter server, as the user.
"""

import fcntl
import hashlib
import itertools
import json
import os
import threading

from . import notebook_file
from .errors import KernelJobError
from .job import Job, make_private, state_directory

NOTE_MAX = 16384  # bytes: a path, and the ids of cells
NOTES_MAX = 4096  # that are looked through


def _digest(value):
    return hashlib.sha256(repr(value).encode("utf-8", "replace")).hexdigest()


def _directory():
    return os.path.join(state_directory(), "notebooks")


def _lock(path):
    """A descriptor of the note at this path, locked; None where another Jupyter that runs has it,
    or where none can be kept."""
    try:
        make_private(os.path.dirname(path))
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # One that was removed between the two is nobody's.
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _parse(data):
    try:
        note = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


class NotebookJob:
    """A note in the user's state directory, locked by the Jupyter that has the kernel.  The lock
    goes with the process, however that ends, and a Jupyter that ends in order removes the note."""

    def __init__(self, descriptor, notebook, kernel):
        self._fd = descriptor  # None once it is removed
        self._notebook = notebook
        self._kernel = kernel
        self._job_id = None
        self._version = None  # of the notebook's file, as it was noted
        self._guard = threading.Lock()

    @classmethod
    def take(cls, notebook, kernel):
        """The note about this notebook (its path, str) with this kernel (anything with a repr).
        None where a Jupyter that runs has it, or where none can be kept."""
        descriptor = _lock(cls._path(notebook, kernel))
        return None if descriptor is None else cls(descriptor, notebook, kernel)

    @staticmethod
    def _path(notebook, kernel):
        return os.path.join(_directory(), f"{_digest((notebook, kernel))}.json")

    def job(self):
        """The job (Job) that is noted, where it can still have the kernel; else None."""
        job = self._noted_job()
        if job is None and self._take_renamed():
            job = self._noted_job()
        return job

    def _noted_job(self):
        try:
            job = Job(str(_parse(os.pread(self._fd, NOTE_MAX, 0))["job_id"]))
            if not job.goes_on():
                return None
        except (OSError, KeyError, KernelJobError):
            return None
        self._job_id = job.job_id
        return job

    def _take_renamed(self):
        """The notebook may have had another name when its job was noted: whether that is here
        now."""
        kernel = _digest(self._kernel)
        try:
            paths = [entry.path for entry in itertools.islice(os.scandir(_directory()), NOTES_MAX)]
        except OSError:
            return False
        for path in paths:
            try:
                with open(path, "rb") as file:
                    note = _parse(file.read(NOTE_MAX))
            except OSError:
                continue
            if (note.get("kernel") == kernel and notebook_file.was_renamed(note, self._notebook)
                    and self._take_from(path, note)):
                return True
        return False

    def _take_from(self, path, note):
        """The other note, as it was read, unless a Jupyter that runs has it."""
        descriptor = _lock(path)
        if descriptor is None:
            return False
        try:
            is_same = _parse(os.pread(descriptor, NOTE_MAX, 0)) == note
            if is_same:
                self.write(str(note.get("job_id")))
            if is_same or not os.fstat(descriptor).st_size:  # made by asking for it
                os.unlink(path)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return is_same

    def write(self, job_id):
        """Notes it.  A full disk means that there is no note."""
        self._job_id = job_id
        self._version = notebook_file.version(self._notebook)
        text = json.dumps({"job_id": job_id, "kernel": _digest(self._kernel),
                           **notebook_file.describe(self._notebook)})
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text.encode(), 0)
        except OSError:
            pass

    def refresh(self, notebook):
        """The notebook's path is this one (str) now, and it may have been saved."""
        with self._guard:
            if self._fd is None or self._job_id is None:
                return
            if notebook != self._notebook:
                self._move(notebook)
            elif notebook_file.version(notebook) != self._version:
                self.write(self._job_id)

    def _move(self, notebook):
        descriptor = _lock(self._path(notebook, self._kernel))
        if descriptor is None:
            return
        self._drop()
        self._fd, self._notebook = descriptor, notebook
        self.write(self._job_id)

    def _drop(self):
        try:
            os.unlink(self._path(self._notebook, self._kernel))
        except OSError:
            pass
        os.close(self._fd)
        self._fd = None

    def remove(self):
        """The kernel is no more."""
        with self._guard:
            if self._fd is not None:
                self._drop()
