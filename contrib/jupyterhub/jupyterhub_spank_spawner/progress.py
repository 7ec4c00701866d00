# SPDX-License-Identifier: MIT
"""What a spawn has to tell its user, from the queue to the workers, as JupyterHub's progress events.

Used by spawner.py in the hub's process; several pages may watch one spawn.
"""

import asyncio
import html
from datetime import datetime

# Percent of the bar.
SUBMITTED, PENDING, RUNNING, STARTING, WORKERS, SERVING = 5, 10, 30, 45, 75, 90

# Events kept for a page that is opened later, and seconds after which one without news is looked at again.
_KEPT = 100


class Progress:
    """The events of one spawn."""

    def __init__(self):
        self._events = []
        self._first = 0
        self._news = asyncio.Event()
        self._closed = False

    def say(self, percent, text, markup=None):
        """Args: percent (int), text (str); markup (str or None): HTML in the place of the text.  What was said
        last is not said again."""
        event = {"progress": percent, "message": text}
        if markup:
            event["html_message"] = markup
        if self._events and self._events[-1] == event:
            return
        self._events.append(event)
        if len(self._events) > _KEPT:
            del self._events[0]
            self._first += 1
        self._wake()

    def close(self):
        """Nothing more will be said."""
        self._closed = True
        self._wake()

    def _wake(self):
        self._news.set()
        self._news = asyncio.Event()

    async def events(self):
        """Async generator of all events from the first one kept; ends when the spawn has."""
        place = 0
        while True:
            place = max(place, self._first)
            while place - self._first < len(self._events):
                event = self._events[place - self._first]
                place += 1
                yield event
            if self._closed:
                return
            await self._news.wait()


def pending_words(job):
    """Why a job waits and until when.  Args: job (queue.Job).  Returns: str."""
    if job.phase != "pending":
        return "Job %s was submitted" % job.number
    if job.state == "CONFIGURING":
        return "Job %s: its nodes are being prepared" % job.number
    words = "Job %s is waiting in the queue" % job.number
    if job.reason:
        words += " (%s)" % job.reason
    start = _estimate(job.start)
    return words + (", expected to start %s" % start if start else "")


def _estimate(start):
    """A time of squeue's in words; None where it is none or has passed."""
    try:
        seconds = (datetime.fromisoformat(start) - datetime.now()).total_seconds()
    except ValueError:
        return None
    if seconds < 0:
        return None
    if seconds < 3600:
        return "in about %d min" % max(1, round(seconds / 60))
    if seconds < 48 * 3600:
        return "%s (in about %d h)" % (start.replace("T", " ")[:16], round(seconds / 3600))
    return "%s (in about %d days)" % (start.replace("T", " ")[:16], round(seconds / 86400))


def status_words(record):
    """A status of the session.  Args: record (record.parse's).  Returns: (percent (int), text (str))."""
    if record.workers and record.state in ("serving", "degraded"):
        counts = ", ".join("%(kind)s %(ready)d of %(expected)d" % kind for kind in record.workers)
        text = "Workers: " + counts
        if record.state == "degraded" and record.reason:
            text += " (%s)" % record.reason
        return WORKERS, text
    text = {"starting": "The session is starting", "serving": "The server answers"}.get(
        record.state, "The session is %s" % record.state
    )
    if record.state == "starting" and record.phases:
        text += ": " + max(record.phases, key=record.phases.get).replace("_", " ")
    if record.reason:
        text += " (%s)" % record.reason
    return (STARTING if record.state == "starting" else WORKERS), text


def cancel_markup(text, url):
    """The text with a button that cancels the spawn.  Args: text (str), url (str, of cancel.py).

    JupyterHub's pages have their token in window.jhdata; the button works in all versions, for named servers
    and while the job waits, where JupyterHub 4 offers nothing.
    """
    return (
        '%s <form method="post" action="%s" style="display: inline"'
        " onsubmit=\"this._xsrf.value = window.jhdata.xsrf_token || ''\">"
        '<input type="hidden" name="_xsrf">'
        '<button class="btn btn-default btn-outline-secondary btn-xs btn-sm" id="spank-jupyter-cancel">Cancel'
        "</button></form>" % (html.escape(text), html.escape(url, quote=True))
    )
