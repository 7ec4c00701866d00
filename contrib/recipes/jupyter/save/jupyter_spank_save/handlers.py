# SPDX-License-Identifier: MIT
"""The two places at which the server is spoken to: `save` by the session's head, which has the server's token, and
`saved` by the pages.  Both want what any other of the server's APIs wants: who may write documents, and from a browser
the XSRF token.  In the event loop of the session's server, as the user.
"""

import json

from jupyter_server.auth import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from .rounds import Refused, Unknown

PATH = "/api/spank-jupyter"
BODY_MAX = 256 << 10  # bytes: all that a page may say, with each character escaped


def _object(pairs):
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key comes twice")
    return made


@web.stream_request_body
class _Handler(APIHandler):
    """Takes a body no larger than BODY_MAX; the server's own limit is hundreds of megabytes."""

    auth_resource = "contents"
    # Neither is work of anybody's: the session may still be idle.
    _track_activity = False

    def initialize(self, rounds):
        self._rounds = rounds
        self._body = bytearray()

    async def prepare(self):
        self.request.connection.set_max_body_size(BODY_MAX)
        await super().prepare()

    def data_received(self, chunk):
        self._body += chunk

    def message(self):
        try:
            return json.loads(self._body.decode("utf-8"), object_pairs_hook=_object)
        except (ValueError, RecursionError):
            raise web.HTTPError(400, "no JSON") from None


class SaveHandler(_Handler):
    """The head's: answers when all pages are done, or not in time."""

    @web.authenticated
    @authorized
    async def post(self):
        try:
            result = await self._rounds.save(self.message())
        except Refused as error:
            raise web.HTTPError(400, str(error)) from None
        self.finish(json.dumps(result))


class SavedHandler(_Handler):
    """The pages': what each has saved, not saved, and not yet."""

    @web.authenticated
    @authorized
    def post(self):
        try:
            self._rounds.hear(self.message())
        except Refused as error:
            raise web.HTTPError(400, str(error)) from None
        except Unknown as error:
            raise web.HTTPError(404, str(error)) from None
        self.set_status(204)
        self.finish()


def add_handlers(web_app, rounds):
    base = web_app.settings["base_url"]
    web_app.add_handlers(".*$", [
        (url_path_join(base, PATH, "save"), SaveHandler, {"rounds": rounds}),
        (url_path_join(base, PATH, "saved"), SavedHandler, {"rounds": rounds}),
    ])
