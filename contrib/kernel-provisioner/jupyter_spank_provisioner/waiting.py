# SPDX-License-Identifier: MIT
"""Tells the people at a notebook why its kernel's job waits: as events of the Jupyter server, which
the extension of JupyterLab and Notebook in labextension/ shows.  Called by provisioner.py in the
event loop of a Jupyter server, as the user; without a server there is only the log.
"""

SCHEMA_ID = "https://spank-jupyter.invalid/events/kernel_job/v1"
STATES = ("waiting", "ready", "failed")
SCHEMA = {
    "$id": SCHEMA_ID,
    "version": "1",
    "title": "A kernel's Slurm job, until its kernel is there",
    "personal-data": True,
    "type": "object",
    "required": ["kernel_id", "kernel_name", "job_id", "state", "message"],
    "properties": {
        "kernel_id": {"type": "string", "description": "Jupyter's"},
        "kernel_name": {"type": "string", "description": "what people call its kernelspec"},
        "job_id": {"type": "string", "description": "the number of its job"},
        "state": {"enum": list(STATES)},
        "message": {"type": "string", "description": "for people"},
    },
}


def register(server):
    """Makes the event known to a server (ServerApp): those who listen before are told too."""
    if SCHEMA_ID not in server.event_logger.schemas:
        server.event_logger.register_event_schema(SCHEMA)


class Waiting:
    """One launch of a kernel.

    Its methods are called in the event loop.  log (logging.Logger) has each new reason once;
    an event goes out each time, for pages that were opened in between.
    """

    def __init__(self, manager, kernel_id, kernel_name, log):
        events = getattr(manager, "event_logger", None)
        self._events = events if events is not None and SCHEMA_ID in events.schemas else None
        self._data = {"kernel_id": str(kernel_id), "kernel_name": str(kernel_name), "job_id": ""}
        self._log = log
        self._told = None

    def say(self, job_id, words):
        """The job waits, for these reasons (str)."""
        if words != self._told:
            self._told = words
            self._log.info("%s", words)
        self._data["job_id"] = job_id
        self._emit("waiting", words)

    def end(self, error=None):
        """It does not wait any more: the kernel is there, or this exception says why not."""
        if self._told is not None:
            self._emit("failed" if error else "ready", str(error or ""))

    def _emit(self, state, message):
        if self._events is not None:
            self._events.emit(schema_id=SCHEMA_ID,
                              data={**self._data, "state": state, "message": message})
