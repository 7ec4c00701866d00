# SPDX-License-Identifier: MIT
"""A spawn that a restart of the hub has interrupted goes on as a spawn of JupyterHub's own.

Started by spawner.py as a task when the hub reads its database.  So the user's page shows progress again, it
can be cancelled, and what fails is told as always.
"""

import asyncio
from types import SimpleNamespace

from jupyterhub.handlers import BaseHandler
from tornado.httputil import HTTPServerRequest


class _Resumption(BaseHandler):
    """Stands in for the request that the user made to the hub that is no more."""

    # The spawn was admitted before.
    concurrent_spawn_limit = 0
    active_server_limit = 0

    async def refresh_auth(self, user, force=False):
        return user


def _handler(app):
    connection = SimpleNamespace(set_close_callback=lambda callback: None, context=None)
    request = HTTPServerRequest(method="POST", uri=app.hub_prefix, connection=connection)
    return _Resumption(app.tornado_application, request)


async def resume(spawner):
    """Args: spawner (SpankSpawner whose `resumed` is set)."""
    user, name = spawner.user, spawner.name
    app = user.settings["app"]
    # Until then the proxy is not there, nor are JupyterHub's own checks of this spawner over.
    await asyncio.wait([app._start_future])
    while spawner._check_pending:
        await asyncio.sleep(0.05)
    await spawner.service.turn()
    if spawner.resumed is None:
        return
    user.spawners[name] = spawner
    spawner.log.info("%s: the spawn goes on with job %s", spawner._log_name, spawner.resumed.job_id)
    try:
        await _handler(app).spawn_single_user(user, server_name=name)
        if spawner._spawn_future:
            await asyncio.wait([spawner._spawn_future])
        # JupyterHub has taken the token that the session has instead of the new one, and dropped the scopes.
        client = spawner.orm_spawner.oauth_client
        if client is not None:
            client.allowed_scopes = list(await spawner._get_oauth_client_allowed_scopes())
            user.db.commit()
    except Exception as error:
        spawner.log.error("%s: the spawn did not go on: %s", spawner._log_name, error)
