# SPDX-License-Identifier: MIT
"""Has saved what is unsaved in the browsers that a session's server is open in: the head asks for it before the job
ends, the pages (../labextensions) do it and tell.

Loaded by Jupyter Server as an extension, in the session's server, as the user, by jupyter_server_config.py.  A server
that has no events for its pages (Jupyter Server 1) goes without; nothing here keeps one from starting.
"""


def _jupyter_server_extension_points():
    """What jupyter_server asks of an extension."""
    return [{"module": "jupyter_spank_save"}]


def _load_jupyter_server_extension(server):
    """Called by the server (ServerApp) when it starts."""
    try:
        from .handlers import add_handlers
        from .rounds import SCHEMA, Rounds

        events = server.event_logger
    except (ImportError, AttributeError) as error:
        server.log.debug("no document is saved before the job ends: %s", error)
        return
    events.register_event_schema(SCHEMA)
    add_handlers(server.web_app, Rounds(events))


# Jupyter Server 1 knows it by this name only.
load_jupyter_server_extension = _load_jupyter_server_extension
