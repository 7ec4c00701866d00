# SPDX-License-Identifier: MIT
"""Jobs that users have submitted themselves, and that ask the hub for a server."""

import asyncio
import os
import time
from types import SimpleNamespace

import pytest
from jupyterhub_spank_spawner import SpankHub, SpankSpawner, adopt
from jupyterhub_spank_spawner.errors import Refused
from jupyterhub_spank_spawner.handler import SpankHandler
from jupyterhub_spank_spawner.queue import SlurmQueue
from stand_in import Head, wait_for


def job_of(hub, user, number, state="RUNNING"):
    hub.slurm.set(number, state, user=user)
    return Head(hub, user, number)


def test_from_adoption_to_the_end(hub, server):
    head = job_of(hub, "daemon", "77")
    environment = head.start()
    assert environment["JUPYTERHUB_SERVICE_PREFIX"] == "/user/daemon/job-77/"
    assert hub.call("GET", "/user", token=environment["JUPYTERHUB_API_TOKEN"])[1]["name"] == "daemon"
    # Again, as when the answer was lost: the same.
    assert head.start() == environment
    assert head.model()["pending"] == "spawn"
    assert head.status("starting", phases={"launched": 1})[0] == 200
    head.answer(server)
    assert head.say("activity", last_activity=1, busy=True)[0] == 200
    assert head.say("ended", state="ended", reason="")[0] == 200
    head.gone()
    all_servers = "/users/daemon?include_stopped_servers=1"
    wait_for(lambda: "job-77" not in hub.call("GET", all_servers)[1]["servers"], "the name is gone")
    assert not hub.slurm.calls("scancel") and not hub.slurm.calls("sbatch")
    assert head.say("activity", last_activity=1, busy=True)[0] == 404


def test_stopped_in_the_hub(make_hub, server):
    """The session ends, by a command of the site's, and the job goes on."""
    hub = make_hub('c.SpankSpawner.stop_session_command = "stop-session {job_id}"\n')
    program = os.path.join(hub.slurm.directory, "stop-session")
    with open(program, "w") as file:
        file.write("#!/bin/sh\necho stop-session $* >>%s/calls\n" % hub.slurm.directory)
    os.chmod(program, 0o755)
    head = job_of(hub, "daemon", "77")
    head.come_up(server)
    hub.delete("daemon", "job-77")
    wait_for(lambda: hub.slurm.calls("stop-session") == ["stop-session 77\n"], "the command")
    assert head.say("ended", state="ended", reason="stopped")[0] == 200
    head.gone()
    assert hub.slurm.state("77") == "RUNNING" and not hub.slurm.calls("scancel")


def test_refusals(hub, server):
    mine = job_of(hub, "daemon", "81")
    assert job_of(hub, "daemon", "82", "PENDING").say("adopt", app="lab") == (403, "daemon has no running job 82")
    assert job_of(hub, "daemon", "83", "FAILED").say("adopt", app="lab")[0] == 403
    # bin's job, asked for by daemon; daemon's, asked for by bin with either name.
    job_of(hub, "bin", "84")
    assert Head(hub, "daemon", "84").say("adopt", app="lab")[0] == 403
    assert Head(hub, "bin", "81").say("adopt", app="lab")[0] == 403
    assert Head(hub, "daemon", "81").say("adopt", uid=2, app="lab")[0] == 403
    # A job that Slurm does not know (yet).
    for _ in range(3):
        assert Head(hub, "daemon", "4711").say("adopt", app="lab")[0] == 503
    # A user that the hub does not know.
    assert "log in" in job_of(hub, "sys", "85").say("adopt", app="lab")[1]
    # Nothing but adopt before it was adopted.
    assert mine.serving(server)[0] == 404
    assert mine.status("ready")[0] == 404
    assert mine.model() is None
    assert mine.say("adopt", app="lab")[0] == 200
    # Another user's session cannot speak for it.
    assert Head(hub, "bin", "81").serving(server)[0] == 404
    assert mine.say("status", uid=2, state="ready", reason="", phases={}, workers=[])[0] == 403
    assert mine.serving(server, ip="127.0.0.2")[0] == 403


def test_slurm_down(hub):
    head = job_of(hub, "daemon", "91")
    with hub.slurm.fault("down"):
        record = head.record("adopt", app="lab")
        status, answer, headers = head.post({"credential": head.credential(record)})
        assert status == 503 and "contact" in answer["message"] and int(headers["Retry-After"]) > 0
    wait_for(lambda: head.say("adopt", app="lab")[0] == 200, "it gets there in the end")


def test_what_jupyterhub_refuses(make_hub):
    hub = make_hub("c.JupyterHub.active_server_limit = 1\n")
    job_of(hub, "daemon", "77").start()
    status, said = job_of(hub, "bin", "78").say("adopt", app="lab")
    assert status == 429 and "limit" in said


@pytest.mark.parametrize("limit", ["1", "lambda handler: {'daemon': 1}[handler.current_user.name]"])
def test_limit_of_named_servers(make_hub, limit):
    hub = make_hub("c.JupyterHub.named_server_limit_per_user = %s\n" % limit)
    first = job_of(hub, "daemon", "77")
    first.start()
    second = job_of(hub, "daemon", "78")
    status, said = second.say("adopt", app="lab")
    assert status == 403 and "limit" in said and second.model() is None
    assert first.say("adopt", app="lab")[0] == 200


def test_hub_user_of_another_account(make_hub):
    """daemon's job would become a server of the hub's user games, who has another uid."""
    hub = make_hub('c.SpankHub.hub_username = lambda name: {"daemon": "games"}.get(name, name)\n')
    assert "another account" in job_of(hub, "daemon", "77").say("adopt", app="lab")[1]


class Handler:
    """As much of a SpankHandler as adopt.py and _check_record() look at."""

    allow_named_servers = True
    authenticator = SimpleNamespace(blocked_users={"bin"})

    def __init__(self, **settings):
        self.service = SpankHub(**settings)
        self.user = SimpleNamespace(name="daemon", spawner_class=SpankSpawner)

    def find_user(self, name):
        return self.user


def refusal(function, *arguments):
    with pytest.raises(Refused) as error:
        result = function(*arguments)
        if result is not None:
            # A coroutine that refuses before it waits.
            result.send(None)
    assert error.value.status_code == 403
    return error.value.words


def test_settings_of_adoption():
    record = SimpleNamespace(user="daemon", job_id="1", server="job-1")
    handler = Handler(adopt=False)
    assert "c.SpankHub.adopt" in refusal(adopt._check, handler, handler.user, record, 1)
    handler = Handler()
    handler.allow_named_servers = False
    assert "c.JupyterHub.allow_named_servers" in refusal(adopt._check, handler, handler.user, record, 1)
    handler = Handler()
    handler.user.spawner_class = object
    assert "c.JupyterHub.spawner_class" in refusal(adopt._check, handler, handler.user, record, 1)
    assert "does not admit" in refusal(adopt._user, Handler(), SimpleNamespace(user="bin"))


def test_refusal_does_not_touch_the_job_of_another():
    """Its owner's spawner goes on with what was known, however often others ask to adopt it."""
    record = SimpleNamespace(user="daemon", job_id="1", server="job-1")

    async def check():
        handler = Handler()
        calls = []

        async def squeue(argv):
            calls.append(argv)
            return "1|FAILED|2|N/A|n1|None\n"

        queue = handler.service.queue = SlurmQueue(squeue, 60, None)
        queue.watch("1")
        assert (await queue.look("1", fresh=True)).phase == "ended"
        with pytest.raises(Refused, match="daemon has no running job 1"):
            await adopt._check(handler, handler.user, record, 1)
        assert (await queue.look("1")).phase == "ended"
        await queue.look("2", fresh=True)
        assert "--jobs=1,2" in calls[-1]

    asyncio.run(check())


def test_settings_of_all_records():
    now = time.time()
    record = SimpleNamespace(issued=now, expires=now + 300, user="daemon", cluster="a", hub="https://h/hub/api/")
    check = SpankHandler._check_record
    assert check(Handler(), record, 1) is None
    assert check(Handler(cluster="a", hub_urls=["http://x/hub/api", "https://h/hub/api"]), record, 1) is None
    assert "cluster b" in refusal(check, Handler(cluster="b"), record, 1)
    assert "another hub" in refusal(check, Handler(hub_urls=["https://x/hub/api"]), record, 1)
    assert "which is not daemon" in refusal(check, Handler(), record, 2)
