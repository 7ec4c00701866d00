# SPDX-License-Identifier: MIT
"""The state of a spawn: what the hub's database keeps of it, from before the job exists until it has ended.

Used by spawner.py; read again when the hub has been restarted, whatever was in progress.
"""

import hashlib
import secrets

from . import environment

# How a job came to be: submitted by the hub, held by a salloc, or a user's own.
WAYS = ("sbatch", "salloc", "adopted")

_VERSION = 1


class State:
    """spawn_id: str, None for an adopted job; job_id: str, None as long as it is not known; restart: int, how
    often Slurm had requeued the job when it was last heard of; url: str, where the server answers, None as long as it
    does not; environment: {str: str}, the server's."""

    def __init__(self, way, values, spawn_id=None, job_id=None, restart=0, url=None):
        self.way, self.environment = way, values
        self.spawn_id, self.job_id, self.restart, self.url = spawn_id, job_id, restart, url

    @classmethod
    def create(cls, way, values, job_id=None, restart=0):
        """Args: way (one of WAYS), values ({str: str}).  Returns: State with a new spawn id, if it needs one."""
        spawn_id = None if way == "adopted" else secrets.token_hex(16)
        return cls(way, values, spawn_id, job_id, restart)

    @property
    def mark(self):
        """A name for the files of the submission (str), which does not tell the spawn id."""
        return hashlib.sha256(self.spawn_id.encode("ascii")).hexdigest()[:24]

    def save(self, secret):
        """Args: secret (bytes, the hub's cookie secret).  Returns: a dict for JSON."""
        return {
            "spank_jupyter": _VERSION,
            "way": self.way,
            "spawn_id": self.spawn_id,
            "job_id": self.job_id,
            "restart": self.restart,
            "url": self.url,
            "environment": environment.seal(self.environment, secret),
        }

    @classmethod
    def load(cls, fields, secret):
        """The opposite of save().  Returns: State, or None where `fields` is not one of ours or cannot be read."""
        if fields.get("spank_jupyter") != _VERSION or fields.get("way") not in WAYS:
            return None
        values = environment.unseal(fields.get("environment") or "", secret)
        if values is None:
            return None
        get = fields.get
        return cls(fields["way"], values, get("spawn_id"), get("job_id"), get("restart", 0), get("url"))
