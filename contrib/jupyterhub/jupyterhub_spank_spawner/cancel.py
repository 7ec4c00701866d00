# SPDX-License-Identifier: MIT
"""POST {hub}/spank-jupyter/cancel/USER[/SERVER]: the button beside the progress of a spawn.

Run by JupyterHub in its own process, with the authority of the page's user.  JupyterHub 4 cannot stop a
server that is pending, and the page of later ones stops the unnamed server only.
"""

from jupyterhub.handlers import BaseHandler
from jupyterhub.handlers import default_handlers as page_handlers
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import url_path_join
from tornado import web

from .spawner import SpankSpawner


class CancelHandler(BaseHandler):
    @web.authenticated
    @needs_scope("delete:servers")
    async def post(self, user_name, server_name=""):
        user = self.find_user(user_name)
        name = server_name or ""
        spawner = user.spawners.get(name) if user else None
        if not isinstance(spawner, SpankSpawner):
            raise web.HTTPError(404, "there is no such server")
        if spawner.pending == "spawn":
            spawner.cancel()
        self.redirect(url_path_join(self.hub.base_url, "home"))


page_handlers.append((r"/spank-jupyter/cancel/([^/]+)", CancelHandler))
page_handlers.append((r"/spank-jupyter/cancel/([^/]+)/([^/]+)", CancelHandler))
