# SPDX-License-Identifier: MIT
"""The hub is killed and started again; servers are at every stage then.  One restart for all of them."""

import os

import pytest
from stand_in import Head, Hub, Server, Slurm, wait_for


class After:
    """A hub that was restarted, with the sessions (Head) that it had, by the stage that they were at."""

    def __init__(self, directory, munged, way):
        config = 'c.SpankSpawner.submit_with = "%s"\nc.SpankSpawner.start_when = "ready"\n' % way
        self.hub = hub = Hub(directory, munged, Slurm(os.path.join(directory, "slurm")), config)
        hub.start()
        self.servers = {}
        stages = ("pending", "cancelled", "ended", "starting", "between", "ready")
        self.heads = {stage: Head.of(hub, "daemon", stage) for stage in stages}
        for number, stage in (("77", "adopting"), ("78", "adopted")):
            hub.slurm.set(number)
            self.heads[stage] = Head(hub, "daemon", number)
        for stage in ("pending", "cancelled", "ended"):
            self.heads[stage].pending()
        self.environments = {stage: self.heads[stage].start() for stage in ("starting", "between", "ready", "adopting", "adopted")}
        for stage in ("between", "ready", "adopted"):
            self.servers[stage] = Server()
        # It was told that all is well, and will not say it again.
        assert self.heads["between"].serving(self.servers["between"])[0] == 200
        for stage in ("ready", "adopted"):
            self.heads[stage].answer(self.servers[stage])
        with hub.slurm.fault("slow"):
            self.heads["submitting"] = Head.of(hub, "daemon", "submitting")
            hub.kill()
        self.stored = self._stored()
        hub.slurm.set(self.heads["ended"].job, "CANCELLED")
        hub.start()

    def _stored(self):
        stored = b""
        for name in os.listdir(self.hub.directory):
            path = os.path.join(self.hub.directory, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    stored += file.read()
        return stored

    def check(self, stage, server):
        """The server is there, its token works, and to stop it ends the job."""
        head, token = self.heads[stage], self.environments[stage]["JUPYTERHUB_API_TOKEN"]
        head.ready()
        wait_for(lambda: head.route() == "http://127.0.0.1:%d" % server.port, "the route")
        assert self.hub.call("GET", "/user", token=token)[1]["name"] == "daemon"
        # The session goes on with what it got before.
        assert head.start() == self.environments[stage]
        head.delete()
        assert self.hub.slurm.state(head.job) == "CANCELLED"
        assert self.hub.call("GET", "/user", token=token)[0] == 403


@pytest.fixture(scope="module", params=["sbatch", "salloc"])
def after(request, tmp_path_factory, munged):
    one = After(str(tmp_path_factory.mktemp("restart")), munged, request.param)
    yield one
    one.hub.kill()
    for server in one.servers.values():
        server.stop()
    for number in one.hub.slurm.numbers():
        one.hub.slurm.set(number, "CANCELLED")


def test_tokens_are_not_in_the_database(after):
    assert b"SQLite" in after.stored
    for environment in after.environments.values():
        assert environment["JUPYTERHUB_API_TOKEN"].encode() not in after.stored


def test_while_pending(after, server):
    head = after.heads["pending"]
    wait_for(lambda: (head.model() or {}).get("pending") == "spawn", "the spawn goes on")
    head.told("Job %s, found again after the hub was restarted" % head.job)
    assert after.hub.slurm.state(head.job) == "PENDING"
    after.environments["pending"] = head.come_up(server)
    assert head.progress()[-1]["ready"]
    after.check("pending", server)


def test_while_submitting(after, server):
    """sbatch was under way when the hub died; the hub that came after learns the job's number."""
    head = after.heads["submitting"]
    head.pending()
    after.environments["submitting"] = head.come_up(server)
    after.check("submitting", server)


@pytest.mark.parametrize("stage", ["starting", "adopting"])
def test_while_starting(after, server, stage):
    after.heads[stage].answer(server)
    after.check(stage, server)


def test_between_serving_and_ready(after):
    head = after.heads["between"]
    assert head.status("ready")[0] == 200
    after.check("between", after.servers["between"])


@pytest.mark.parametrize("stage", ["ready", "adopted"])
def test_while_ready(after, stage):
    assert after.heads[stage].say("activity", last_activity=1000, busy=False)[0] == 200
    after.check(stage, after.servers[stage])


def test_job_ended_meanwhile(after):
    head = after.heads["ended"]
    head.gone()
    wait_for(lambda: "job %s: it has ended before its server answered" % head.job in after.hub.log(), "the words")
    # And the next spawn is a new one.
    assert Head.of(after.hub, "daemon", "ended").job != head.job


def test_cancelled_after_the_restart(after):
    head = after.heads["cancelled"]
    wait_for(lambda: (head.model() or {}).get("pending") == "spawn", "the spawn goes on")
    if after.hub.version < 5:
        head.cancel()
    else:
        head.delete()
    head.gone()
    head.cancelled()
    assert head.say("environment")[0] == 410


def test_nothing_was_submitted_twice(after):
    """But for the one server that was started again."""
    submitted = after.hub.slurm.calls("sbatch") + after.hub.slurm.calls("salloc")
    assert len(submitted) in (7, 8)


def test_scheduler_down_at_the_restart(make_hub, server):
    """What Slurm does not say is unknown, and no reason to end anything."""
    hub = make_hub()
    head = Head.of(hub, "daemon")
    head.come_up(server)
    with hub.slurm.fault("down"):
        hub.kill()
        hub.start()
        head.ready()
        calls = len(hub.slurm.calls("squeue"))
        wait_for(lambda: len(hub.slurm.calls("squeue")) > calls + 2, "some polls")
        assert head.model()["ready"]
    head.delete()
    head.cancelled()
