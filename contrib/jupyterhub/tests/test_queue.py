# SPDX-License-Identifier: MIT
"""queue.py, hostlist.py, nodes.py and command.py."""

import asyncio
import logging
import sys
import time
from ipaddress import ip_address

import pytest
from jupyterhub_spank_spawner.command import CommandFailed, run
from jupyterhub_spank_spawner.hostlist import contains, first
from jupyterhub_spank_spawner.nodes import Nodes, NodesUnknown
from jupyterhub_spank_spawner.queue import SlurmQueue, parse

LOG = logging.getLogger("tests")


class Squeue:
    """Answers as squeue would with `jobs` ({number: line}); `error` is what it fails with instead."""

    def __init__(self):
        self.jobs, self.error, self.calls = {}, None, []

    async def __call__(self, argv):
        self.calls.append(argv)
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        wanted = [word for word in argv if word.startswith("--jobs=")][0][7:].split(",")
        there = [number for number in wanted if number in self.jobs]
        if len(wanted) == 1 and not there:
            raise CommandFailed("slurm_load_jobs error: Invalid job id specified", 1)
        return "".join("%s|%s\n" % (number, self.jobs[number]) for number in there)


def queue_of(squeue, interval=0.0):
    queue = SlurmQueue(squeue, interval, LOG)
    return queue


@pytest.fixture(autouse=True)
def no_gap(monkeypatch):
    monkeypatch.setattr("jupyterhub_spank_spawner.queue._GAP", 0.0)


def test_parse():
    jobs = parse(
        "12|PENDING|1000|2026-11-20T14:05:00||Priority\n"
        "13|RUNNING|1001|2026-11-20T13:00:00|n[1-3,5]|None\n"
        "14|COMPLETING|1|N/A|n1|None\n15|FAILED|1|N/A|n1|NonZeroExitCode\n16|NEW_STATE|1|N/A||x\n"
        "17|PENDING|1|N/A||Nodes required | for job\n\nrubbish\n18|PENDING|x|N/A||a\n-1|PENDING|1|N/A||a\n"
    )
    assert {number: job.phase for number, job in jobs.items()} == {
        "12": "pending", "13": "running", "14": "running", "15": "ended", "16": "unknown", "17": "pending",
    }
    assert jobs["12"].start == "2026-11-20T14:05:00" and jobs["12"].reason == "Priority" and jobs["12"].uid == 1000
    assert jobs["13"].nodes == "n[1-3,5]" and jobs["13"].reason == ""
    assert jobs["17"].reason == "Nodes required | for job" and jobs["17"].start == ""


def test_one_squeue_for_all():
    async def check():
        squeue = Squeue()
        squeue.jobs = {str(n): "RUNNING|1|N/A|n1|None" for n in range(1, 201)}
        queue = queue_of(squeue, 60.0)
        for number in squeue.jobs:
            queue.watch(number)
        jobs = await asyncio.gather(*(queue.look(number) for number in squeue.jobs))
        assert [job.phase for job in jobs] == ["running"] * 200
        for number in squeue.jobs:
            await queue.look(number)
        assert len(squeue.calls) == 1 == queue.calls
        await asyncio.gather(*(queue.look(number, fresh=True) for number in squeue.jobs))
        assert len(squeue.calls) == 2

    asyncio.run(check())


def test_hiccup_is_unknown_and_keeps_what_was_known():
    async def check():
        squeue = Squeue()
        squeue.jobs = {"1": "RUNNING|1|N/A|n1|None"}
        queue = queue_of(squeue)
        assert (await queue.look("1")).phase == "running"
        squeue.error = CommandFailed("Unable to contact slurm controller", 1)
        assert (await queue.look("1", fresh=True)).phase == "running"
        assert "contact" in queue.failure
        assert (await queue.look("2", fresh=True)).phase == "unknown"
        squeue.error = None
        squeue.jobs = {"1": "FAILED|1|N/A|n1|NonZeroExitCode"}
        assert (await queue.look("1", fresh=True)).phase == "ended"
        assert queue.failure is None

    asyncio.run(check())


def test_a_job_that_is_missing_once_is_not_gone():
    async def check():
        squeue = Squeue()
        squeue.jobs = {"1": "RUNNING|1|N/A|n1|None"}
        queue = queue_of(squeue)
        queue.watch("1")
        assert (await queue.look("1", fresh=True)).phase == "running"
        del squeue.jobs["1"]
        assert (await queue.look("1", fresh=True)).phase == "running"
        gone = await queue.look("1", fresh=True)
        assert (gone.phase, gone.state) == ("ended", "GONE")

    asyncio.run(check())


def test_error_that_only_names_the_job_is_no_answer_without_a_status():
    async def check():
        squeue = Squeue()
        queue = queue_of(squeue)
        squeue.error = CommandFailed("squeue did not end: Invalid job id specified", None)
        for _ in range(5):
            assert (await queue.look("1", fresh=True)).phase == "unknown"

    asyncio.run(check())


def test_what_is_not_watched_is_forgotten():
    async def check():
        squeue = Squeue()
        squeue.jobs = {"1": "RUNNING|1|N/A|n1|None", "2": "RUNNING|1|N/A|n1|None"}
        queue = queue_of(squeue)
        queue.watch("1")
        await queue.look("2", fresh=True)
        await queue.look("1", fresh=True)
        assert [word for word in squeue.calls[-1] if word.startswith("--jobs")] == ["--jobs=1"]
        queue.forget("1")
        await queue.look("2", fresh=True)
        assert [word for word in squeue.calls[-1] if word.startswith("--jobs")] == ["--jobs=2"]

    asyncio.run(check())


def test_fresh_is_of_after_the_question():
    async def check():
        begun, go_on = asyncio.Event(), asyncio.Event()
        jobs = {"1": "PENDING|1|N/A||Priority"}
        calls = []

        async def slow(argv):
            calls.append(argv)
            answer = "".join("%s|%s\n" % pair for pair in jobs.items())
            begun.set()
            await go_on.wait()
            return answer

        queue = queue_of(slow)
        early = asyncio.ensure_future(queue.look("1"))
        await begun.wait()
        jobs["1"] = "RUNNING|1|N/A|n1|None"
        late = asyncio.ensure_future(queue.look("1", fresh=True))
        await asyncio.sleep(0)
        go_on.set()
        assert (await early).phase == "pending"
        assert (await late).phase == "running"
        assert len(calls) == 2

    asyncio.run(check())


@pytest.mark.parametrize("text, inside, outside", [
    ("n1", ["n1"], ["n10", "n", "", "xn1"]),
    ("n[1-3,08],login2", ["n1", "n2", "n3", "n08", "login2"], ["n8", "n4", "n03", "login", "n[1-3,08]", "n"]),
    ("r[0-1]n[01-10]", ["r0n01", "r1n10"], ["r0n1", "r2n01", "r01", "r0n011"]),
    ("a[1-2]b,c", ["a1b", "a2b", "c"], ["a1", "a3b", "b"]),
    ("a[1-2][0-9]", ["a10", "a29"], ["a1", "a30", "a100"]),
    ("n[1-4000000000]", ["n3999999999"], ["n4000000001", "n0"]),
    ("n[1-", [], ["n1"]), ("n[a-b]", [], ["na"]), ("", [], ["", "n"]), ("n]", [], ["n"]), ("n[]", [], ["n"]),
])
def test_hostlist(text, inside, outside):
    assert [name for name in inside if not contains(text, name)] == []
    assert [name for name in outside if contains(text, name)] == []


def test_first():
    assert first("n[03-12,20],m1") == "n03"
    assert first("r[0-1]n[07,09]x") == "r0n07x"
    assert first("n1") == "n1"
    assert first("n[") == "" and first("") == ""


def test_nodes():
    async def check():
        calls, failure = [], []

        async def scontrol(argv):
            calls.append(argv)
            if failure:
                raise CommandFailed(failure[0], 1)
            return "NodeName=n1 Arch=x NodeAddr=127.0.0.1 NodeHostName=n1\nNodeName=n2 CPUs=1\nNodeName=n3 NodeAddr=::1 x\n"

        nodes = Nodes(scontrol, ["{node}.invalid"])
        answers = await asyncio.gather(*(nodes.addresses(name) for name in ("n1", "n1", "n3")))
        assert answers == [{ip_address("127.0.0.1")}, {ip_address("127.0.0.1")}, {ip_address("::1")}]
        assert await nodes.addresses("n4") == set()
        assert len(calls) == 1
        failure.append("Unable to contact slurm controller")
        nodes = Nodes(scontrol, [])
        for _ in range(3):
            with pytest.raises(NodesUnknown, match="contact"):
                await nodes.addresses("n1")
        # A controller that is down is not asked for each session.
        assert len(calls) == 2

    asyncio.run(check())


def test_command():
    async def check():
        python = [sys.executable, "-S", "-c"]
        assert await run(python + ["print('x')"], 60) == "x\n"
        with pytest.raises(CommandFailed, match="words of it") as error:
            await run(python + ["import sys; sys.exit('words\\nof it')"], 60)
        assert error.value.status == 1
        with pytest.raises(CommandFailed, match="/nowhere"):
            await run(["/nowhere"], 60)
        began = time.monotonic()
        with pytest.raises(CommandFailed, match="did not end"):
            await run(python + ["import time; time.sleep(600)"], 0.2)
        assert time.monotonic() - began < 60

    asyncio.run(check())


def test_output_of_a_command_is_bounded(monkeypatch):
    monkeypatch.setattr("jupyterhub_spank_spawner.command.OUTPUT_MAX", 100000)
    program = [sys.executable, "-S", "-c", "import sys\nfor _ in range(100): sys.stdout.write('x' * 65536)"]
    assert len(asyncio.run(run(program, 60))) == 100000
