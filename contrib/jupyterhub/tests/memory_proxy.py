# SPDX-License-Identifier: MIT
"""A proxy of JupyterHub's that proxies nothing: the tests look at the routes, in a file."""

import json
import os

from jupyterhub.proxy import Proxy


class MemoryProxy(Proxy):
    should_start = False
    routes = {}

    def _write(self):
        path = os.environ["MEMORY_PROXY_ROUTES"]
        with open(path + ".new", "w") as file:
            json.dump({route["routespec"]: route["target"] for route in self.routes.values()}, file)
        os.rename(path + ".new", path)

    async def add_route(self, routespec, target, data):
        self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}
        self._write()

    async def delete_route(self, routespec):
        self.routes.pop(routespec, None)
        self._write()

    async def get_all_routes(self):
        return dict(self.routes)
