# SPDX-License-Identifier: MIT
"""A round: the pages are told to save, by an event, and what each of them says is gathered until all are done or the
time is over.  In the event loop of the session's server, as the user.

What comes from a browser is checked here, key by key: whoever may write a document may also talk to the handlers.
"""

import asyncio
import secrets
import string

SCHEMA_ID = "https://spank-jupyter.invalid/events/save/v1"
SCHEMA = {
    "$id": SCHEMA_ID,
    "version": "1",
    "title": "The session ends: save what is open",
    "personal-data": True,
    "type": "object",
    "required": ["round", "why", "end"],
    "properties": {
        "round": {"type": "string", "description": "what the pages' answers carry"},
        "why": {"enum": ["warn", "end"], "description": "the end comes, or is here"},
        "end": {"type": "integer", "description": "when, in Unix seconds"},
    },
}

# Seconds: [until nobody has begun, for others once one has, in all].  The head waits a little longer than the last;
# at the end Slurm's KillWait runs, 5 s at least, of which the server needs some too.
TIMES = {"warn": (5.0, 2.0, 20.0), "end": (1.0, 0.5, 2.3)}

PAGES_MAX = 64  # which are heard in one round
PATHS_MAX = 64  # of one page's list, and of the answer's
PATH_MAX = 256  # characters
COUNT_MAX = 10000  # documents of one page
END_MAX = 1 << 40  # Unix seconds
NAME_SIZE = 32  # of a round and of a page: hexadecimal digits


class Refused(Exception):
    """What was sent is not what is known; for people."""


class Unknown(Exception):
    """The round is over, or never was."""


def _is_count(value, most):
    return type(value) is int and 0 <= value <= most  # a bool is an int, too


def _is_name(value):
    return isinstance(value, str) and len(value) == NAME_SIZE and set(value) <= set(string.hexdigits)


def _is_paths(value):
    return (isinstance(value, list) and len(value) <= PATHS_MAX and
            all(isinstance(path, str) and 0 < len(path) <= PATH_MAX for path in value))


_ORDER = {
    "why": lambda value: isinstance(value, str) and value in TIMES,
    "end": lambda value: _is_count(value, END_MAX),
}
_WORD = {
    "round": _is_name,
    "page": _is_name,
    "saved": lambda value: _is_count(value, COUNT_MAX),
    "failed": _is_paths,
    "pending": _is_paths,
}


def _check(message, keys):
    if not isinstance(message, dict) or set(message) != set(keys):
        raise Refused(f"an object with {', '.join(keys)} and nothing else")
    for key, is_right in keys.items():
        if not is_right(message[key]):
            raise Refused(f"not allowed: the value of {key}")


class _Round:
    def __init__(self):
        self.name = secrets.token_hex(NAME_SIZE // 2)
        self.pages = {}  # the last word of each
        self.replaced = False
        self.changed = asyncio.Event()

    def hear(self, word):
        if word["page"] not in self.pages and len(self.pages) == PAGES_MAX:
            raise Refused(f"no more than {PAGES_MAX} pages")
        self.pages[word["page"]] = word
        self.changed.set()

    def is_done(self):
        return not any(word["pending"] for word in self.pages.values())

    async def wait(self, until, is_over):
        """Until a time of the loop's, or until a page has said what makes it over."""
        loop = asyncio.get_running_loop()
        while not self.replaced and not is_over():
            left = until - loop.time()
            if left <= 0:
                return
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), left)
            except asyncio.TimeoutError:
                return

    def result(self):
        # In the order in which they were told, each once.
        failed = dict.fromkeys(
            path for word in self.pages.values() for path in word["failed"] + word["pending"])
        return {
            "pages": len(self.pages),
            "saved": sum(word["saved"] for word in self.pages.values()),
            "failed": list(failed)[:PATHS_MAX],
        }


class Rounds:
    """Of one server; there is one round at a time.

    events is the server's jupyter_events.EventLogger, to which SCHEMA is known.
    """

    def __init__(self, events):
        self._events = events
        self._round = None

    async def save(self, order):
        """The head's order, a round of it: {"pages", "saved", "failed": [path]}.

        A page that has begun and is not done in time has failed with what it had left.  Raises Refused.
        """
        _check(order, _ORDER)
        if self._round is not None:  # whoever asked for that one has given it up
            self._round.replaced = True
            self._round.changed.set()
        this = self._round = _Round()
        begin, others, most = TIMES[order["why"]]
        start = asyncio.get_running_loop().time()
        try:
            # Without anybody who listens there is nobody to wait for.
            if self._events.emit(schema_id=SCHEMA_ID, data={"round": this.name, **order}) is None:
                return this.result()
            await this.wait(start + begin, lambda: this.pages)
            if this.pages:
                # Who sees the event at the same time may take longer to say so.
                await this.wait(start + others, lambda: False)
                await this.wait(start + most, this.is_done)
            return this.result()
        finally:
            if self._round is this:
                self._round = None

    def hear(self, word):
        """What a page says of itself.  Raises Refused or Unknown."""
        _check(word, _WORD)
        if self._round is None or word["round"] != self._round.name:
            raise Unknown("no such round, or it is over")
        self._round.hear(word)
