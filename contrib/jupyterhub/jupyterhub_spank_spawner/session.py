# SPDX-License-Identifier: MIT
"""What a session says to its spawner: where its server is, how it is, and that it has ended.

Part of spawner.py's class; called by handler.py, in the hub's process, when it knows who is speaking.
"""

import asyncio
import time

from jupyterhub.utils import maybe_future

from . import environment, progress
from .errors import Refused
from .hostlist import first
from .nodes import NodesUnknown


class SessionCalls:
    """The calls, and what start() and poll() learn by them."""

    def _begin(self):
        """Nothing is known of this spawn yet."""
        self.events = progress.Progress()
        # Wakes start() up, whatever has become known.
        self._changed = asyncio.Event()
        self._ready = False
        self._ended = None
        self._cancelled = False
        self._running_since = None

    def check_session(self, record):
        """The session that asks is this spawner's.  Args: record (of record.parse()).  Raises: Refused."""
        state = self.current
        if state is None:
            raise Refused(404, "the hub has no such server any more")
        if state.job_id != record.job_id:
            raise Refused(403, "the record is of job %s, and the server's job is another one" % record.job_id)
        if record.restart < state.restart:
            raise Refused(409, "the job was requeued since: the record is of its run %d" % record.restart)

    async def take_environment(self, record):
        """The session asks for the server's environment.  Returns: {str: str}.  Raises: Refused."""
        state = self.current
        if state is not None and state.job_id not in (None, record.job_id):
            raise Refused(409, "the spawn id was used by job %s already" % state.job_id)
        changed = state is not None and self._bind(record.job_id)
        self.check_session(record)
        if state.restart != record.restart:
            # Where it was before is not where it will be.
            state.restart, state.url, self._ready = record.restart, None, False
            changed = True
        if self.internal_ssl:
            await self._renew_certificates(state)
            changed = True
        if changed:
            await self.save()
        self._running_since = self._running_since or time.monotonic()
        self.events.say(progress.STARTING, "The session has started")
        self._changed.set()
        return state.environment

    async def _renew_certificates(self, state):
        """The server's certificate is for the address of the job's first node, which nobody knew before."""
        node = first((await self._look(fresh=True)).nodes)
        try:
            addresses = await self.service.nodes.addresses(node) if node else ()
        except NodesUnknown as error:
            raise Refused(503, "Slurm on the hub's host: %s" % error, 5) from None
        if not addresses:
            raise Refused(503, "Slurm on the hub's host does not tell the node of job %s" % state.job_id, 5)
        names = ["DNS:" + node] + ["IP:%s" % address for address in sorted(addresses, key=str)]
        self.ssl_alt_names = list(self.trusted_alt_names) + names
        self.cert_paths = await maybe_future(self.create_certs())
        values = {name: value for name, value in self.get_env().items() if name.startswith("JUPYTERHUB_SSL_")}
        state.environment.update(environment.collect(values))

    async def take_serving(self, url):
        """The server answers at `url` (str), which was checked.  Returns: whether it did elsewhere before."""
        state = self.current
        moved = state.url != url and self.server is not None and bool(self.server.ip)
        if state.url != url:
            state.url = url
            await self.save()
        self._changed.set()
        return moved

    def take_status(self, record):
        """The session says how it is."""
        if record.state in ("ready", "degraded"):
            self._ready = True
        self.events.say(*progress.status_words(record))
        self._changed.set()

    def take_end(self, record):
        """The session has ended."""
        self._ended = "the session has %s%s" % (
            "failed" if record.state == "failed" else "ended",
            ": " + record.reason if record.reason else "",
        )
        self._changed.set()
