# SPDX-License-Identifier: MIT
"""POST {API}/spank-jupyter: what sessions tell the hub.

Run by JupyterHub in its own process.  No cookie and no token of JupyterHub's is needed: the munge credential
in the request says which uid sends it, and everything is decided by that uid and by what the hub knows of the
job itself.  The answer is a credential as well, which only that uid can read.
"""

import asyncio
import json
import pwd
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from jupyterhub.apihandlers import APIHandler
from jupyterhub.apihandlers import default_handlers as api_handlers
from jupyterhub.user import User

from . import adopt
from .errors import Refused
from .hostlist import contains
from .munge import CREDENTIAL_MAX
from .nodes import NodesUnknown
from .record import Malformed, in_time, parse
from .service import service_of

# Seconds after which a session asks again when Slurm does not answer.
_RETRY_AFTER = 5


class SpankHandler(APIHandler):
    """One request is one action of one session."""

    def check_xsrf_cookie(self):
        """Nothing here is done with the authority of a cookie."""

    @property
    def service(self):
        return service_of(self.settings)

    async def refresh_auth(self, user, force=False):
        """An adopted job is no login: nothing is refreshed, the credential is the proof."""
        return user

    async def post(self):
        try:
            fields, uid = await self._act()
            answer = {"credential": await self.service.encode(fields, uid)}
        except Refused as error:
            self._refuse(error)
        else:
            self.set_status(200)
            self.finish(json.dumps(answer))

    def _refuse(self, error):
        self.log.warning("spank-jupyter: %s: %d %s", self.request.remote_ip, error.status_code, error.words)
        self.set_status(error.status_code)
        for name, value in error.headers.items():
            self.set_header(name, value)
        self.finish(json.dumps({"message": error.words}))

    async def _act(self):
        """Returns: (the answer (dict), the uid (int) that may read it).  Raises: Refused."""
        payload, uid = await self.service.decode(self._credential())
        try:
            record = parse(payload)
        except Malformed as error:
            raise Refused(400, str(error)) from None
        self._check_record(record, uid)
        self.service.use_nonce(record.nonce, record.expires)
        answer = {"version": 1, "nonce": record.nonce, "known": True}
        if record.action == "adopt":
            answer["environment"] = await adopt.adopt(self, record, uid)
            return answer, uid
        spawner = self._spawner(record, uid)
        self._check_token(spawner)
        if record.action == "environment":
            answer["environment"] = await spawner.take_environment(record)
            return answer, uid
        spawner.check_session(record)
        await getattr(self, "_" + record.action)(spawner, record)
        return answer, uid

    def _credential(self):
        body = self.request.body
        if not body:
            raise Refused(401, "a munge credential is needed")
        # The credential and a little around it.
        if len(body) > CREDENTIAL_MAX + 1024:
            raise Refused(400, "the request is longer than a credential can be")
        try:
            fields = json.loads(body.decode("utf-8"))
        except (ValueError, RecursionError):
            raise Refused(400, "the request is not JSON") from None
        if not isinstance(fields, dict) or set(fields) - {"credential"}:
            raise Refused(400, "the request has to be an object with the key credential and no other")
        if not isinstance(fields.get("credential"), str):
            raise Refused(401, "a munge credential is needed")
        return fields["credential"]

    def _check_record(self, record, uid):
        """What holds for every action."""
        late = in_time(record, time.time())
        if late:
            raise Refused(401, late)
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = None
        if name != record.user:
            raise Refused(403, "the credential is of uid %d, which is not %s on the hub's host" % (uid, record.user))
        if self.service.cluster and record.cluster != self.service.cluster:
            raise Refused(403, "the hub serves the cluster %s, not %s" % (self.service.cluster, record.cluster))
        urls = [url.rstrip("/") for url in self.service.hub_urls]
        if urls and record.hub.rstrip("/") not in urls:
            raise Refused(403, "the record was made for another hub, %s" % record.hub)

    def _spawner(self, record, uid):
        """The spawner that the session says it belongs to, and whose user it is.  Raises: Refused."""
        if record.spawn_id is not None:
            spawner = self.service.find(record.spawn_id)
        else:
            spawner = adopt.find(self, record, uid)
        if spawner.account().pw_uid != uid:
            raise Refused(403, "the server is of another user")
        return spawner

    def _check_token(self, spawner):
        """A token of JupyterHub's is not needed, but one that comes has to be the user's."""
        if self.request.headers.get("Authorization") is None:
            return
        user = self.current_user
        if not isinstance(user, User) or user.name != spawner.user.name:
            raise Refused(403, "the API token is not one of %s's, or was revoked" % spawner.user.name)

    # -- the actions ---------------------------------------------------------------------------------------

    async def _serving(self, spawner, record):
        scheme = "https" if spawner.internal_ssl else "http"
        if record.scheme != scheme:
            raise Refused(400, "serving: this hub's servers are reached by %s" % scheme)
        await self._check_address(record, spawner.account().pw_uid)
        # Meanwhile the hub may have stopped the server.
        spawner.check_session(record)
        host = "[%s]" % record.ip if record.ip.version == 6 else str(record.ip)
        url = "%s://%s:%d" % (scheme, host, record.port)
        if await spawner.take_serving(url):
            await self._move(spawner, url)

    async def _check_address(self, record, uid):
        """The session may be where its job's nodes are, and nowhere else, and the job is the user's (uid, int)."""
        job = await self.service.queue.look(record.job_id)
        if job.phase != "running" or not contains(job.nodes, record.head):
            job = await self.service.queue.look(record.job_id, fresh=True)
        if job.phase == "unknown":
            why = self.service.queue.failure or "it does not know job %s yet" % record.job_id
            raise Refused(503, "Slurm on the hub's host: %s" % why, _RETRY_AFTER)
        if job.uid not in (None, uid):
            raise Refused(403, "serving: job %s is not %s's" % (record.job_id, record.user))
        if not contains(job.nodes, record.head):
            raise Refused(403, "serving: %s is not a node of job %s" % (record.head, record.job_id))
        try:
            addresses = await self.service.nodes.addresses(record.head)
        except NodesUnknown as error:
            raise Refused(503, "Slurm on the hub's host: %s" % error, _RETRY_AFTER) from None
        if record.ip not in addresses:
            raise Refused(
                403,
                "serving: %s is not an address of %s, which for the hub's host has %s; c.SpankHub.node_names names"
                " more" % (record.ip, record.head, ", ".join(sorted(map(str, addresses))) or "none"),
            )

    async def _move(self, spawner, url):
        """A server that is ready answers elsewhere now: the job was requeued, or the head started again."""
        parts = urlsplit(url)
        spawner.server.ip, spawner.server.port = parts.hostname, parts.port
        self.db.commit()
        self.log.info("%s: the server is at %s now", spawner._log_name, url)
        if spawner.ready:
            await self.proxy.add_user(spawner.user, spawner.name)

    async def _status(self, spawner, record):
        spawner.take_status(record)

    async def _activity(self, spawner, record):
        when = time.time() if record.busy else min(record.last_activity, time.time())
        when = datetime.fromtimestamp(when, timezone.utc).replace(tzinfo=None)
        # As JupyterHub does: what is a few seconds newer is not worth a write to the database.
        known = when - timedelta(seconds=self.settings.get("activity_resolution", 0))
        old = [
            entry
            for entry in (spawner.orm_spawner, spawner.user.orm_user)
            if entry.last_activity is None or entry.last_activity < known
        ]

        def change():
            for entry in old:
                entry.last_activity = when

        if old:
            await self.service.commit(self.db, change)

    async def _ended(self, spawner, record):
        spawner.take_end(record)
        if spawner.ready:
            # JupyterHub learns it now, not at its next poll.
            asyncio.ensure_future(spawner.poll_and_notify())


api_handlers.append((r"/api/spank-jupyter", SpankHandler))
