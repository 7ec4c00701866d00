# SPDX-License-Identifier: MIT
"""Adoption: a job that a user has submitted himself becomes one of his servers, named job-NUMBER.

Called by handler.py in the hub's process.  The munge credential proves the user, Slurm says whose job it is.
"""

import asyncio

from jupyterhub.utils import maybe_future

from .errors import Refused
from .queue import GONE

# Seconds in which a spawn has to have an environment to hand out.
_BEGIN = 30.0


def _user(handler, record):
    """The hub's user.  Args: handler (SpankHandler), record (of record.parse()).  Raises: Refused."""
    service = handler.service
    name = service.hub_username(record.user) if service.hub_username else record.user
    user = handler.find_user(name)
    if user is None:
        raise Refused(403, "the hub knows no user %s: log in to it once, then try again" % name)
    if name in handler.authenticator.blocked_users:
        raise Refused(403, "the hub does not admit %s" % name)
    return user


def find(handler, record, uid):
    """The spawner of an adopted job.  Args: as of _user(); uid (int).  Raises: Refused, 404 where there is none."""
    user = _user(handler, record)
    spawner = user.spawners[record.server] if record.server in user.orm_user.orm_spawners else None
    state = spawner.current if spawner else None
    if state is None or state.way != "adopted":
        raise Refused(404, "the hub has no server %s" % record.server)
    return spawner


async def _check(handler, user, record, uid):
    """Whether the hub may and should adopt the job.  Raises: Refused."""
    from .spawner import SpankSpawner

    service = handler.service
    if not service.adopt:
        raise Refused(403, "this hub adopts no jobs: c.SpankHub.adopt")
    if not handler.allow_named_servers:
        raise Refused(403, "this hub has no named servers: c.JupyterHub.allow_named_servers")
    if not issubclass(user.spawner_class, SpankSpawner):
        raise Refused(403, "this hub cannot adopt jobs: c.JupyterHub.spawner_class is not SpankSpawner")
    job = await service.queue.look(record.job_id)
    if job.phase != "running":
        job = await service.queue.look(record.job_id, fresh=True)
    # Of a job that just begins a backup controller may know nothing yet.
    if job.phase == "unknown" or job.state == GONE:
        why = service.queue.failure or "it does not know job %s yet" % record.job_id
        raise Refused(503, "Slurm on the hub's host: %s" % why, 5)
    if job.phase != "running" or job.uid != uid:
        raise Refused(403, "%s has no running job %s" % (record.user, record.job_id))
    await _check_limit(handler, user, record)


class _AsUser:
    """The request as if the user himself had made it, for a callable of the site's."""

    def __init__(self, handler, user):
        self._handler, self.current_user = handler, user

    def __getattr__(self, name):
        return getattr(self._handler, name)


async def _check_limit(handler, user, record):
    """JupyterHub looks at this limit in its pages and in its REST interface, not when it spawns.  Raises: Refused."""
    limit = handler.settings.get("named_server_limit_per_user", 0)
    if callable(limit):
        limit = await maybe_future(limit(_AsUser(handler, user)))
    names = set(user.orm_user.orm_spawners) - {""}
    if 0 < limit <= len(names) and record.server not in names:
        raise Refused(403, "%s has %d named servers, and the limit of this hub is %d" % (user.name, len(names), limit))


def _new_spawner(user, name):
    """JupyterHub 6 has a call for it; 4 and 5 make a spawner of any name that is asked for."""
    if hasattr(user, "get_or_create_spawner"):
        spawner = user.get_or_create_spawner(name, name, replace_failed=True)
    else:
        spawner = user.get_spawner(name, replace_failed=True)
    user.spawners[name] = spawner
    return spawner


async def adopt(handler, record, uid):
    """Make the server, or find it again.

    Args: handler (SpankHandler), record (of record.parse()), uid (int).
    Returns: the server's environment ({str: str}).  Raises: Refused.
    """
    user = _user(handler, record)
    await _check(handler, user, record, uid)
    spawner = _new_spawner(user, record.server)
    if spawner.account().pw_uid != uid:
        raise Refused(403, "the hub's user %s has another account" % user.name)
    state = spawner.current
    if state is not None and state.job_id == record.job_id:
        return await spawner.take_environment(record)
    if spawner.pending:
        raise Refused(503, "the server %s is being %sed" % (record.server, spawner.pending), 5)
    spawner.adoption = (record.job_id, record.restart)
    spawner.environment_ready.clear()
    spawn = asyncio.ensure_future(handler.spawn_single_user(user, server_name=record.server, options={}))
    begun = asyncio.ensure_future(spawner.environment_ready.wait())
    await asyncio.wait([spawn, begun], timeout=_BEGIN, return_when=asyncio.FIRST_COMPLETED)
    if spawn.done() and not spawn.exception():
        # A spawn that is slow goes on, and JupyterHub's call does not wait for it.
        await asyncio.wait([begun], timeout=_BEGIN)
    if not begun.done():
        begun.cancel()
        if spawn.done() and spawn.exception():
            raise _refusal(spawn.exception())
        raise Refused(503, "the hub is slow to make the server %s" % record.server, 5)
    spawn.add_done_callback(lambda future: future.cancelled() or future.exception())
    return await spawner.take_environment(record)


def _refusal(error):
    """What JupyterHub has against a spawn, in the handler's form."""
    if isinstance(error, Refused):
        return error
    status = getattr(error, "status_code", 500)
    headers = getattr(error, "headers", None) or {}
    words = getattr(error, "jupyterhub_message", None) or getattr(error, "log_message", None) or str(error)
    return Refused(status, words, headers.get("Retry-After"))


async def forget(spawner):
    """A job is adopted once: its name does not stay among the user's servers when it has ended.

    Called as a task when the server has been stopped.
    """
    user, name = spawner.user, spawner.name
    while spawner.pending:
        await asyncio.sleep(0.1)
    if spawner.ready or user.orm_user.orm_spawners.get(name) is not spawner.orm_spawner:
        return
    user.spawners.pop(name, None)
    user.db.delete(spawner.orm_spawner)
    user.db.commit()


