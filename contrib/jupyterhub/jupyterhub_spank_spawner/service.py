# SPDX-License-Identifier: MIT
"""What all spawners of a hub share: the queue, the nodes' addresses, used nonces, and who has which spawn id.

One for a hub, kept with JupyterHub's application; configured as c.SpankHub.  In the hub's process.
"""

import asyncio
import concurrent.futures
import functools
import json
import os
import time
from collections import OrderedDict

from traitlets import Any, Bool, Callable, Float, List, Unicode, default
from traitlets.config import LoggingConfigurable

from . import munge
from .command import run
from .errors import Refused
from .nodes import Nodes
from .queue import SlurmQueue

# Nonces and ends of spawns that are remembered at most.
_NONCES_MAX = 200000
_CANCELLED_MAX = 20000

# Of the JupyterHub application, which lives as long as its users, spawners and handlers.
_ATTRIBUTE = "spank_jupyter"

# Threads that wait for munged.
_THREADS = 4


class SpankHub(LoggingConfigurable):
    """Configured as c.SpankHub."""

    query_prefix = List(
        Unicode(),
        help="""Words before squeue and scontrol, for a hub account that may not see other users' jobs
        (PrivateData in slurm.conf), e.g. ["sudo", "-n", "-u", "slurm", "--"].""",
    ).tag(config=True)
    queue_interval = Float(
        10, min=1, help="Seconds for which an answer of squeue is good; one squeue serves all spawners."
    ).tag(config=True)
    command_timeout = Float(60, min=1, help="Seconds after which a command of Slurm's is given up.").tag(config=True)
    node_names = List(
        Unicode(),
        help="""How further host names of a node are made of its name in Slurm, e.g. ["{node}-ib0"].  A session
        may be at an address of any of them and of its NodeAddr, at no other.""",
    ).tag(config=True)
    cluster = Unicode(help="Slurm's ClusterName; sessions of other clusters are refused.  Empty: any.").tag(config=True)
    api_url = Unicode(
        help="""The URL of the hub's API that sessions call, as https://hub.example.org/hub/api, where it is not the one
        of the servers (c.JupyterHub.hub_connect_url).  Needed with internal_ssl: a session has no certificate before
        it has called, so it calls through the proxy."""
    ).tag(config=True)
    hub_urls = List(
        Unicode(),
        help="""The URLs of this hub's API, e.g. ["https://hub.example.org/hub/api"].  Records made for another
        URL are refused.  Empty: the URL is not looked at.""",
    ).tag(config=True)
    adopt = Bool(
        True, help="Whether users may add their own jobs by --jupyter-hub=URL; needs c.JupyterHub.allow_named_servers."
    ).tag(config=True)
    hub_username = Callable(
        default_value=None,
        allow_none=True,
        help="""callable(Unix user name) -> name in the hub, for adoption, where they differ.""",
    ).tag(config=True)
    munge_socket = Unicode(help="munged's socket, where it is not the usual one.").tag(config=True)

    queue = Any()
    nodes = Any()

    @default("queue")
    def _queue(self):
        return SlurmQueue(self._query, self.queue_interval, self.log)

    @default("nodes")
    def _nodes(self):
        return Nodes(self._query, self.node_names)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.uid = os.geteuid()
        self._spawners = {}
        self._cancelled = OrderedDict()
        self._nonces = OrderedDict()
        self._turns = None
        self._changes = []
        self._committing = None
        # munged may be slow or gone: other users of the default executor do not wait behind it.
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="munge")

    async def _query(self, argv):
        return await run(self.query_prefix + argv, self.command_timeout)

    async def turn(self):
        """Waits for a turn of the loop of one's own: where many spawns go on at once, JupyterHub's work for each
        comes one by one, and requests are answered in between."""
        if self._turns is None:
            # Of the loop that runs, for Python 3.9 and older.
            self._turns = asyncio.Lock()
        async with self._turns:
            await asyncio.sleep(0)

    async def commit(self, db, change):
        """Makes a change and puts it into the database; one commit serves all who wait for one.

        A commit may take longer than anything else that a request needs, and a thousand requests may come at
        once.  Args: db (JupyterHub's session), change: callable without arguments, called right before the
        commit, since JupyterHub rolls back whatever is changed when any of its requests ends.
        """
        self._changes.append(change)
        if self._committing is None:
            self._committing = asyncio.ensure_future(self._commit(db))
        # A request that is given up does not take the others' commit with it.
        await asyncio.shield(self._committing)

    async def _commit(self, db):
        # Whoever is served in the same turn of the loop comes along.
        await asyncio.sleep(0)
        changes, self._changes, self._committing = self._changes, [], None
        try:
            for change in changes:
                change()
            db.commit()
        except Exception:
            db.rollback()
            raise

    def add(self, spawn_id, spawner):
        """From now on `spawn_id` (str) is this spawner's."""
        self._spawners[spawn_id] = spawner

    def remove(self, spawn_id):
        """The spawn has ended: later requests with its id are told so."""
        if self._spawners.pop(spawn_id, None) is not None:
            self._cancelled[spawn_id] = True
            while len(self._cancelled) > _CANCELLED_MAX:
                self._cancelled.popitem(last=False)

    def find(self, spawn_id):
        """The spawner with this spawn id.  Raises: Refused, 410 for one that has ended, else 404."""
        if spawn_id in self._spawners:
            return self._spawners[spawn_id]
        if spawn_id in self._cancelled:
            raise Refused(410, "this spawn has ended or was cancelled")
        raise Refused(404, "the hub knows no such spawn")

    def use_nonce(self, nonce, expires):
        """Raises: Refused, 409 where the nonce (str) was used; expires (float) is when it may be forgotten."""
        now = time.time()
        while self._nonces:
            oldest = next(iter(self._nonces))
            if self._nonces[oldest] >= now and len(self._nonces) < _NONCES_MAX:
                break
            del self._nonces[oldest]
        if nonce in self._nonces:
            raise Refused(409, "this nonce was used before: make a new record for each request")
        self._nonces[nonce] = expires

    async def _munge(self, function, *arguments):
        function = functools.partial(function, *arguments, socket=self.munge_socket or None)
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def decode(self, credential):
        """Args: credential (str).  Returns: (payload (bytes), uid (int)).  Raises: Refused."""
        try:
            return await self._munge(munge.decode, credential)
        except munge.MungeError as error:
            if error.kind == "down":
                self.log.warning("munge on the hub's host: %s", error)
                raise Refused(503, "munge on the hub's host: %s" % error, retry_after=5) from None
            if error.kind == "replayed":
                raise Refused(409, "the credential was used before") from None
            words = "the credential is not valid: %s" % error
            if error.kind == "unauthorized":
                words += "; it has to be made for the hub's uid, %d (hub_user in spank-jupyter.conf)" % self.uid
            elif error.kind == "invalid":
                words += "; do the node and the hub's host have the same munge key?"
            else:
                words += "; are the clocks of the node and of the hub's host the same?"
            raise Refused(401, words) from None

    async def encode(self, fields, uid):
        """Args: fields (dict), uid (int) who alone can read it.  Returns: credential (str).  Raises: Refused."""
        try:
            return await self._munge(munge.encode, json.dumps(fields).encode("utf-8"), uid)
        except munge.MungeError as error:
            self.log.warning("munge on the hub's host: %s", error)
            raise Refused(503, "munge on the hub's host: %s" % error, retry_after=5) from None


def service_of(settings):
    """The hub's SpankHub; made at the first use.  Args: settings (dict, of a user or of a handler)."""
    app = settings["app"]
    if not hasattr(app, _ATTRIBUTE):
        setattr(app, _ATTRIBUTE, SpankHub(config=app.config, log=app.log))
    return getattr(app, _ATTRIBUTE)
