#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of contrib/recipes/jupyter/save/jupyter_spank_save/rounds.py: who is waited for and how long, and what of
browsers is taken.

Needs no package beyond Python's own.  Run by `make check` and t/run's stage unit, as anybody.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib/workers"))
sys.path.insert(0, os.path.join(HERE, "../../contrib/recipes/jupyter/save"))
sys.dont_write_bytecode = True

from agent import Tap  # noqa: E402
import jupyter_spank_save  # noqa: E402
from jupyter_spank_save import rounds  # noqa: E402

tap = Tap()
check = tap.check

# As the real ones; so far apart that a machine that does much else tells them from each other.
rounds.TIMES = {"warn": (0.3, 0.2, 3.0), "end": (0.3, 0.2, 3.0)}
PATIENCE = 30  # seconds, on a busy machine
ORDER = {"why": "end", "end": 1}
PAGE, OTHER = "a" * rounds.NAME_SIZE, "b" * rounds.NAME_SIZE


class Events:
    """A server's, with a page that does what it is told with each event, or without any."""

    def __init__(self, page=None):
        self.page = page
        self.tasks = []

    def emit(self, schema_id, data):
        if self.page is None:
            return None
        self.tasks.append(asyncio.ensure_future(self.page(data["round"])))
        return data


def word(name, page=PAGE, saved=0, failed=(), pending=()):
    return {"round": name, "page": page, "saved": saved, "failed": list(failed), "pending": list(pending)}


def run(page, order=ORDER):
    """The result of one round, and the seconds that it took."""

    async def main():
        events = Events(page and (lambda name: page(saves, name)))
        saves = rounds.Rounds(events)
        begun = time.monotonic()
        result = await asyncio.wait_for(saves.save(dict(order)), PATIENCE)
        took = time.monotonic() - begun
        for task in events.tasks:
            await asyncio.wait_for(task, PATIENCE)
        return result, took

    return asyncio.run(main())


def test_waiting():
    result, took = run(None)
    check("nobody listens", result == {"pages": 0, "saved": 0, "failed": []})
    check("so nobody is waited for", took < 0.3)

    async def silent(saves, name):
        await asyncio.sleep(0)

    result, took = run(silent)
    check("one that does not begin is no page", result["pages"] == 0)
    check("and is waited for as long as that may take", 0.3 <= took < 3.0)

    async def quick(saves, name):
        saves.hear(word(name, pending=["x"]))
        saves.hear(word(name, saved=1))

    result, took = run(quick)
    check("a page that is done", result == {"pages": 1, "saved": 1, "failed": []})
    check("is waited for as long as others may begin", 0.2 <= took < 3.0)

    async def slow(saves, name):
        saves.hear(word(name, pending=["x", "y"]))
        await asyncio.sleep(0.5)
        saves.hear(word(name, saved=1, failed=["y"]))

    result, took = run(slow)
    check("one that takes longer", result == {"pages": 1, "saved": 1, "failed": ["y"]})
    check("is waited for until it is done", 0.5 <= took < 3.0)

    async def asks(saves, name):
        saves.hear(word(name, saved=1, failed=["y"], pending=["x", "y"]))

    result, took = run(asks)
    check("what is not done in time has failed", result == {"pages": 1, "saved": 1, "failed": ["y", "x"]})
    check("and is waited for no longer than it may take", took >= 3.0)

    async def two(saves, name):
        saves.hear(word(name, saved=1))
        await asyncio.sleep(0.1)
        saves.hear(word(name, page=OTHER, pending=["x"]))
        await asyncio.sleep(0.3)
        saves.hear(word(name, page=OTHER, saved=2))

    result, took = run(two)
    check("a second page that begins later counts", result == {"pages": 2, "saved": 3, "failed": []})


def test_again():
    async def main():
        names = []

        async def page(name):
            names.append(name)
            saves.hear(word(name, pending=["x"]))

        events = Events(page)
        saves = rounds.Rounds(events)
        first = asyncio.ensure_future(saves.save({"why": "warn", "end": 1}))
        while not names:
            await asyncio.sleep(0)
        begun = time.monotonic()
        second = asyncio.ensure_future(saves.save(dict(ORDER)))
        result = await asyncio.wait_for(first, PATIENCE)
        check("a new order ends the one before", time.monotonic() - begun < 3.0 and result["failed"] == ["x"])
        while len(names) < 2:
            await asyncio.sleep(0)
        try:
            saves.hear(word(names[0]))
            check("whose pages are not heard any more", False)
        except rounds.Unknown:
            check("whose pages are not heard any more", True)
        saves.hear(word(names[1], saved=5))
        check("the new one goes on", (await asyncio.wait_for(second, PATIENCE))["saved"] == 5)
        try:
            saves.hear(word(names[1]))
            check("nor those of one that is over", False)
        except rounds.Unknown:
            check("nor those of one that is over", True)

    asyncio.run(main())


def refused(what, call):
    try:
        call()
        check("refused: " + what, False)
    except rounds.Refused as error:
        check("refused: " + what, len(str(error)) < 100)


def test_strict():
    loop = asyncio.new_event_loop()
    for order in ([], None, {}, {"why": "end"}, {**ORDER, "more": 1}, {**ORDER, "why": "END"}, {**ORDER, "why": []},
                  {**ORDER, "end": "1"}, {**ORDER, "end": True}, {**ORDER, "end": -1}, {**ORDER, "end": 1.0},
                  {**ORDER, "end": 1 << 41}):
        saves = rounds.Rounds(Events())
        refused(repr(order)[:60], lambda: loop.run_until_complete(saves.save(order)))
    loop.close()
    saves = rounds.Rounds(Events())
    good = word(PAGE)
    for key, value in (("round", PAGE[1:]), ("round", "g" * rounds.NAME_SIZE), ("page", "/" * rounds.NAME_SIZE),
                       ("page", 1), ("saved", -1), ("saved", True), ("saved", rounds.COUNT_MAX + 1), ("saved", "1"),
                       ("failed", "x"), ("failed", [1]), ("failed", [""]), ("failed", ["x" * (rounds.PATH_MAX + 1)]),
                       ("failed", ["x"] * (rounds.PATHS_MAX + 1)), ("pending", {}), ("more", 1)):
        refused(f"{key}: {repr(value)[:40]}", lambda: saves.hear({**good, key: value}))
    del good["pending"]
    refused("too few keys", lambda: saves.hear(good))


def test_bounds():
    async def crowd(saves, name):
        for i in range(rounds.PAGES_MAX):
            saves.hear(word(name, page=f"{i:032x}", failed=[f"{i}-{k}" for k in range(rounds.PATHS_MAX)]))
        refused("one page more", lambda: saves.hear(word(name, page=PAGE)))
        saves.hear(word(name, page=f"{0:032x}", saved=1))

    result, _ = run(crowd)
    check("no more pages than that are heard", result["pages"] == rounds.PAGES_MAX and result["saved"] == 1)
    check("and no more paths are told", len(result["failed"]) == rounds.PATHS_MAX)


def test_loading():
    said = []

    class Server:
        """One without events, as Jupyter Server 1, or under a Python without any."""

        class log:
            @staticmethod
            def debug(*words):
                said.append(words)

    jupyter_spank_save._load_jupyter_server_extension(Server())
    check("a server without events starts, with one line", len(said) == 1)


def main() -> int:
    for test in (test_loading, test_waiting, test_again, test_strict, test_bounds):
        test()
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
