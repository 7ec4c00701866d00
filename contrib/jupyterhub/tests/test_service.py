# SPDX-License-Identifier: MIT
"""service.py: commits that are shared, and turns of the loop."""

import asyncio

import pytest
from jupyterhub_spank_spawner.service import SpankHub


class Session:
    """As much of a database session as commit() uses.  Args: fails (bool)."""

    def __init__(self, fails=False):
        self.fails, self.calls = fails, []

    def commit(self):
        self.calls.append("commit")
        if self.fails:
            raise RuntimeError("the disk is full")

    def rollback(self):
        self.calls.append("rollback")


def test_one_commit_for_all_that_wait():
    async def run():
        hub, db, made = SpankHub(), Session(), []
        await asyncio.gather(*(hub.commit(db, lambda number=number: made.append(number)) for number in range(100)))
        assert made == list(range(100)) and db.calls == ["commit"]
        # And what comes later has its own.
        await hub.commit(db, lambda: made.append(100))
        assert made[-1] == 100 and db.calls == ["commit", "commit"]

    asyncio.run(run())


def test_changes_are_made_right_before_their_commit():
    """What a request has changed and not committed JupyterHub rolls back at the end of any other request."""

    async def run():
        hub, db = SpankHub(), Session()
        waiting = asyncio.ensure_future(hub.commit(db, lambda: db.calls.append("change")))
        await asyncio.sleep(0)
        db.calls.append("another request ends")
        await waiting
        assert db.calls == ["another request ends", "change", "commit"]

    asyncio.run(run())


def test_a_commit_that_fails_fails_all_that_wait():
    async def run():
        hub, db = SpankHub(), Session(fails=True)
        results = await asyncio.gather(*(hub.commit(db, list) for _ in range(3)), return_exceptions=True)
        assert [str(result) for result in results] == ["the disk is full"] * 3
        assert db.calls == ["commit", "rollback"]
        db.fails = False
        await hub.commit(db, list)
        assert db.calls[2:] == ["commit"]

    asyncio.run(run())


def test_a_request_that_is_given_up_leaves_the_others_their_commit():
    async def run():
        hub, db = SpankHub(), Session()
        first, second = (asyncio.ensure_future(hub.commit(db, list)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await second
        assert db.calls == ["commit"]

    asyncio.run(run())


def test_turns_are_one_by_one():
    """Between two spawns that go on whatever else is ready is served."""

    async def run():
        hub, order = SpankHub(), []

        async def spawn(number):
            await hub.turn()
            order.append(number)

        async def requests():
            for _ in range(20):
                order.append("request")
                await asyncio.sleep(0)

        await asyncio.gather(*(spawn(number) for number in range(5)), requests())
        spawns = [place for place, what in enumerate(order) if what != "request"]
        assert [order[place] for place in spawns] == list(range(5))
        assert all(after - before > 1 for before, after in zip(spawns, spawns[1:]))

    asyncio.run(run())
