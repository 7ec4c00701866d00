# SPDX-License-Identifier: MIT
"""A spawn from the form to the end of the job, and what can go wrong on the way."""

import os

import pytest
from stand_in import Head, Server, wait_for


@pytest.mark.parametrize("way", ["sbatch", "salloc"])
def test_from_spawn_to_stop(make_hub, server, way):
    hub = make_hub('c.SpankSpawner.submit_with = "%s"\nc.SpankSpawner.options = ["--qos=now"]\n' % way)
    head = Head.of(hub, "daemon")
    argv, env = hub.slurm.submitted(head.job)
    assert os.path.basename(argv[0]) == way
    assert {"--jupyter=singleuser", "--qos=now", "--chdir=/usr/sbin"} <= set(argv)
    assert (argv[-1] == "--wrap=sjupyter wait") if way == "sbatch" else (argv[-2:] == ["sjupyter", "wait"])
    # The job carries the spawn id and nothing else of the hub's.
    ours = {name for name in env if name.startswith(("JUPYTERHUB", "JPY", "SPANK", "CONFIGPROXY"))}
    assert ours == {"SPANK_JUPYTER_SPAWN_ID", "SPANK_JUPYTER_HUB_UID", "JUPYTERHUB_API_URL"}
    assert env["SPANK_JUPYTER_SPAWN_ID"] not in " ".join(argv)
    assert env["JUPYTERHUB_API_URL"] == hub.api

    model = wait_for(head.model, "the server's model")
    assert model["pending"] == "spawn" and not model["ready"]
    environment = head.come_up(server)
    assert environment["JUPYTERHUB_USER"] == "daemon"
    # The token is the server's.
    token = environment["JUPYTERHUB_API_TOKEN"]
    assert hub.call("GET", "/user", token=token)[1]["name"] == "daemon"
    assert token not in hub.log()

    head.delete()
    assert hub.slurm.state(head.job) == "CANCELLED"
    assert head.say("activity", last_activity=0, busy=False)[0] == 410
    assert hub.call("GET", "/user", token=token)[0] == 403
    # And a next one, of which the former session is not a part.
    again = Head.of(hub, "daemon")
    assert again.job != head.job and head.say("environment")[0] == 410
    again.come_up(server)


def test_progress(hub, name, server):
    head = Head.of(hub, "daemon", name)
    hub.slurm.set(head.job, "PENDING", start="2099-01-01T00:00:00", nodes="", reason="Resources")
    head.told("is waiting in the queue (Resources), expected to start 2099-01-01 00:00")
    assert "cancel/daemon/" + name in head.progress(1.0)[-1]["html_message"]
    hub.slurm.set(head.job)
    head.told("Job %s runs on n1" % head.job)
    head.start()
    assert head.status("starting", phases={"launched": 1.0, "server_started": 2.5})[0] == 200
    head.told("The session is starting: server started")
    workers = [{"kind": "dask", "expected": 4, "ready": 1}]
    assert head.status("degraded", reason="<n2> is missing", workers=workers)[0] == 200
    head.told("Workers: dask 1 of 4 (<n2> is missing)")
    events = head.progress(1.0)
    assert [event["progress"] for event in events] == sorted(event["progress"] for event in events)
    head.answer(server)
    assert head.progress()[-1]["ready"]


def test_session_that_fails(hub, name):
    head = Head.of(hub, "daemon", name)
    head.start()
    assert head.say("ended", state="failed", reason="the server crashed")[0] == 200
    # A job that does not end with its session is ended.
    assert hub.slurm.state(head.job) == "RUNNING"
    assert head.failure() == "Spawn failed: job %s: the session has failed: the server crashed" % head.job
    head.cancelled()


def test_cancelled_while_pending(hub, name):
    head = Head.of(hub, "daemon", name)
    head.pending()
    head.cancel()
    assert head.failure().endswith("cancelled")
    head.cancelled()
    assert head.say("environment")[0] == 410


def test_stopped_by_jupyterhub_while_pending(hub, name):
    if hub.version < 5:
        pytest.skip("JupyterHub 4 does not stop what is pending")
    head = Head.of(hub, "daemon", name)
    head.pending()
    head.delete()
    head.cancelled()


def test_cancelled_while_sbatch_runs(hub, name):
    """The job's number comes after the user has lost patience."""
    with hub.slurm.fault("slow"):
        head = Head.of(hub, "daemon", name)
        head.cancel()
        assert hub.slurm.state(head.job) == "PENDING"
    head.cancelled()
    head.gone()


def test_nobody_cancels_anothers_spawn(hub, name):
    head = Head.of(hub, "daemon", name)
    head.pending()
    path = "/spank-jupyter/cancel/daemon/" + name
    assert hub.browser("bin")(path, {})[0] in (403, 404)
    # Nor does a link, or a form of another page.
    visit = hub.browser("daemon")
    assert visit(path)[0] == 405
    assert visit(path, {}, token="x")[0] == 403
    assert head.model()["pending"] == "spawn" and hub.slurm.state(head.job) == "PENDING"


def test_pending_has_no_timeout_and_running_has(make_hub):
    hub = make_hub("c.SpankSpawner.start_timeout = 2\n")
    head = Head.of(hub, "daemon")
    calls = len(hub.slurm.calls("squeue"))
    # Longer than the timeout, by the clock that the hub itself goes by.
    wait_for(lambda: len(hub.slurm.calls("squeue")) > calls + 5, "looks at the queue")
    assert head.model()["pending"] == "spawn"
    hub.slurm.set(head.job)
    assert "runs for more than 2 s and its server does not answer" in head.failure()
    head.cancelled()


def test_job_that_ends_before_its_server(hub, name):
    head = Head.of(hub, "daemon", name)
    hub.slurm.set(head.job, "FAILED", reason="NonZeroExitCode")
    assert "has ended before its server answered: FAILED NonZeroExitCode" in head.failure()


@pytest.mark.parametrize("way", ["sbatch", "salloc"])
def test_refused_submission(make_hub, way):
    hub = make_hub('c.SpankSpawner.submit_with = "%s"\n' % way)
    with hub.slurm.fault("refuse", "Batch job submission failed: Invalid account"):
        assert "Batch job submission failed: Invalid account" in hub.refusal("daemon")


def test_scheduler_hiccup(hub, name, server):
    """squeue fails for a while: neither a pending spawn nor a server is given up."""
    def down_for_some_looks():
        with hub.slurm.fault("down"):
            calls = len(hub.slurm.calls("squeue"))
            wait_for(lambda: len(hub.slurm.calls("squeue")) > calls + 2, "some looks")
            return head.model()

    head = Head.of(hub, "daemon", name)
    assert down_for_some_looks()["pending"] == "spawn"
    head.come_up(server)
    assert down_for_some_looks()["ready"]
    # But a job that Slurm does not know has gone.
    hub.slurm.remove(head.job)
    head.gone()


def test_scancel_fails_at_first(hub, name, server):
    head = Head.of(hub, "daemon", name)
    head.come_up(server)
    calls = len(hub.slurm.calls("scancel"))
    with hub.slurm.fault("down"):
        hub.delete("daemon", name)
        wait_for(lambda: len(hub.slurm.calls("scancel")) > calls, "an attempt")
        assert hub.slurm.state(head.job) == "RUNNING"
    head.gone()
    head.cancelled()


def test_session_ends_by_itself(make_hub, server):
    hub = make_hub("c.SpankSpawner.poll_interval = 3600\n")
    head = Head.of(hub, "daemon")
    head.come_up(server)
    assert head.say("ended", state="ended", reason="idle for too long")[0] == 200
    head.gone()
    assert head.say("activity", last_activity=1, busy=False)[0] == 410


def test_server_that_moves(hub, name, server):
    """A job that was requeued comes up at another address."""
    head = Head.of(hub, "daemon", name)
    environment = head.come_up(server)
    head.restart = 1
    assert head.start() == environment
    moved = Server()
    try:
        head.answer(moved)
        assert head.model()["ready"]
    finally:
        moved.stop()


def test_few_squeue(hub, name):
    """Each squeue is about all spawns, however many there are."""
    heads = [Head.of(hub, "daemon", "%s-%d" % (name, number)) for number in range(5)]
    for head in heads:
        head.pending()
    begun = len(hub.slurm.calls("squeue"))
    calls = wait_for(lambda: hub.slurm.calls("squeue")[begun + 2:], "some squeue")
    assert all(head.job in calls[0] for head in heads)


def test_workers_are_waited_for(make_hub, server):
    hub = make_hub('c.SpankSpawner.start_when = "ready"\n')
    head = Head.of(hub, "daemon")
    head.start()
    assert head.serving(server)[0] == 200
    workers = [{"kind": "dask", "expected": 2, "ready": 1}]
    assert head.status("serving", workers=workers)[0] == 200
    assert head.model()["pending"] == "spawn"
    assert head.status("degraded", workers=workers)[0] == 200
    head.ready()


LIMITS = """
c.SpankSpawner.limits = {"": {"app": ["lab", "notebook"], "nodes": 2, "workers": ["dask"], "workers_per_node": 4},
                         "gpu": {"gpus": 2}, "games": {"gpus": 1, "account": ["arcade"]}}
c.SpankSpawner.unix_groups = True
c.SpankSpawner.profiles = [{"name": "large", "options": {"nodes": 9}}]
c.SpankSpawner.defaults = {"nodes": 2}
"""


def test_options_and_form(make_hub):
    hub = make_hub(LIMITS)
    for options, words in (
        ({"gpus": 1}, "GPUs per node cannot be chosen"),
        ({"profile": "larger"}, "no profile"),
        ({"profile": ["large"]}, "no profile"),
        ({"nodes": 3}, "give a number from 1 to 2"),
        ({"exclusive": True}, "no option 'exclusive'"),
    ):
        assert words in hub.refusal("daemon", "bad", options)
    assert hub.slurm.numbers() == []
    head = Head.of(hub, "bin", "", {"gpus": 1, "workers": ["dask"], "workers_per_node": 3, "app": "notebook"})
    argv, _ = hub.slurm.submitted(head.job)
    assert {"--nodes=2", "--gpus-per-node=1", "--jupyter-workers=dask:3", "--ntasks-per-node=1"} <= set(argv)
    assert head.start()["JUPYTERHUB_DEFAULT_URL"] == "/tree"
    argv, _ = hub.slurm.submitted(hub.spawn("daemon", "big", {"profile": "large"}))
    assert "--nodes=9" in argv
    # By his Unix group.
    argv, _ = hub.slurm.submitted(hub.spawn("games", "", {"gpus": 1, "account": "arcade"}))
    assert {"--gpus-per-node=1", "--account=arcade"} <= set(argv)

    visit = hub.browser("daemon")
    status, page = visit("/spawn")
    assert status == 200 and 'name="workers"' in page and 'name="gpus"' not in page
    status, page = visit("/spawn/daemon", {"nodes": "3", "profile": "", "app": "lab"})
    # JupyterHub 4 shows the words with status 200.
    assert status == (200 if hub.version < 5 else 400) and "is not allowed: give a number from 1 to 2" in page
    before = hub.slurm.numbers()
    assert visit("/spawn/daemon", {"nodes": "1", "profile": "", "app": "lab", "workers": ["dask"]})[0] == 200
    argv, _ = hub.slurm.submitted(hub.slurm.new(before))
    assert "--nodes=1" in argv and "--jupyter-workers=dask" in argv


def test_accounts_that_are_no_users(make_hub):
    hub = make_hub("c.SpankSpawner.min_uid = 2\nc.Authenticator.allow_all = True\n")
    for name, words in (("daemon", "not allowed"), ("nobody-at-all", "no Unix account"), ("root", "not allowed")):
        if hub.call("GET", "/users/" + name)[0] == 404:
            assert hub.call("POST", "/users/" + name)[0] == 201
        assert words in hub.refusal(name)
    assert hub.slurm.numbers() == []


def test_names_of_adopted_jobs(hub):
    before = hub.slurm.numbers()
    assert "--jupyter-hub" in hub.refusal("daemon", "job-12")
    assert hub.slurm.numbers() == before
