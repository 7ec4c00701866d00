# SPDX-License-Identifier: MIT
"""handler.py: who may say what, and who may not."""

import json
import os
import time

import pytest
from stand_in import Head, Munged, wait_for


@pytest.fixture(scope="module")
def head(hub):
    """The head of daemon's job, which runs and has its environment; its server does not answer yet."""
    one = Head.of(hub, "daemon")
    one.start()
    return one


@pytest.fixture(scope="module")
def other(hub):
    """The same of bin."""
    one = Head.of(hub, "bin")
    one.token = one.start()["JUPYTERHUB_API_TOKEN"]
    return one


def activity(head, **fields):
    return head.record("activity", last_activity=int(time.time()), busy=False, **fields)


def refused(head, status, words, record, **arguments):
    got, answer, _ = head.post({"credential": head.credential(record, **arguments)})
    assert (got, words in answer.get("message", "")) == (status, True), (got, answer)


def test_an_activity_is_taken(head):
    assert head.post({"credential": head.credential(activity(head))})[0] == 200


@pytest.mark.parametrize("body, status", [
    (b"", 401), (b"{}", 401), (b'{"credential": null}', 401), (b'{"credential": ["MUNGE:"]}', 401), (b"{", 400),
    (b"[]", 400), (b'"MUNGE:"', 400), (b"\xff", 400), (b'{"credential": "x", "port": 1}', 400),
    (b'{"credential": "x"}', 401), (b'{"credential": "MUNGE:AwQFAAA:"}', 401), (b'{"credential": "M\\u00fc\\u0000"}', 401),
    (b'{"credential": "' + b"x" * 70000 + b'"}', 400), (b"[" * 20000, 400),
])
def test_a_request_without_a_credential(head, body, status):
    got, answer, _ = head.post(body)
    assert got == status and answer["message"]


def test_other_methods(hub):
    for method in ("GET", "PUT", "DELETE"):
        assert hub.call(method, "/spank-jupyter")[0] == 405


def test_no_cookie_and_no_xsrf_token_are_needed(head):
    credential = head.credential(activity(head))
    assert head.post({"credential": credential}, Origin="http://elsewhere", Cookie="jupyterhub-session-id=1; _xsrf=x")[0] == 200


def test_replayed_credential(head):
    body = {"credential": head.credential(activity(head))}
    assert head.post(body)[0] == 200
    assert head.post(body)[0] == 409


def test_used_nonce(head):
    record = activity(head)
    assert head.post({"credential": head.credential(record)})[0] == 200
    refused(head, 409, "nonce", record)


def test_expired_record(head):
    now = int(time.time())
    refused(head, 401, "expired", activity(head, issued=now - 200, expires=now - 5))
    refused(head, 401, "future", activity(head, issued=now + 200, expires=now + 300))
    refused(head, 401, "more than", activity(head, expires=now + 4000))


def test_expired_credential(head):
    body = {"credential": head.credential(activity(head), ttl=1)}
    # munge counts whole seconds.
    made = time.time()
    wait_for(lambda: time.time() > made + 3, "the credential expires")
    status, answer, _ = head.post(body)
    assert status == 401 and "clocks" in answer["message"]


def test_credential_for_another_uid(head):
    refused(head, 401, "hub_user", activity(head), to=2)


def test_malformed_record(head):
    refused(head, 400, "unknown key", activity(head, api_token="x"))
    refused(head, 400, "JSON", "no record")
    refused(head, 400, "last_activity", head.record("activity", busy=True))


def test_other_users_uid(head, other):
    # With his own name, with daemon's, and with no account at all.
    refused(head, 403, "another user", activity(head, user="bin"), uid=other.uid)
    refused(head, 403, "is not daemon", activity(head), uid=other.uid)
    refused(head, 403, "is not daemon", activity(head), uid=4040404)
    refused(head, 403, "another user", head.record("environment", user="bin"), uid=other.uid)
    refused(head, 403, "another user", activity(head, user="root"), uid=0)


def test_unknown_spawn(head):
    refused(head, 404, "no such spawn", activity(head, spawn_id="0" * 32))
    refused(head, 404, "no server", activity(head, spawn_id=None, server="job-" + head.job))


def test_other_job(head, other):
    refused(head, 403, "another one", activity(head, job_id=other.job))
    refused(head, 403, "another one", activity(head, job_id="77"))


def test_two_sessions_for_one_spawn_id(head):
    refused(head, 409, "was used by job " + head.job, head.record("environment", job_id="77"))
    # The same job may ask again, as after a crash of its head.
    assert head.say("environment")[0] == 200


def test_job_of_another_user(hub, server, name):
    """The user's own processes say which job it is, before sbatch has said it or in its place."""
    hub.slurm.set("90", user="bin")
    with hub.slurm.fault("slow"):
        head = Head.of(hub, "daemon", name)
        head.job = "90"
        head.say("environment")
        refusal = head.serving(server)
    assert refusal == (403, "serving: job 90 is not daemon's")
    assert "409" in head.failure() or "made for job" in head.failure()
    assert head.route() is None and hub.slurm.state("90") == "RUNNING"


def test_salloc_that_names_the_job_of_another_user(make_hub):
    hub = make_hub('c.SpankSpawner.submit_with = "salloc"\n')
    hub.slurm.set("90", user="bin", nodes="n2", reason="theirs")
    with hub.slurm.fault("slow"):
        head = Head.of(hub, "daemon")
        head.job = "90"
        [said] = [name for name in os.listdir(hub.directory + "/spank-jupyter") if name.endswith(".err")]
        with open(os.path.join(hub.directory, "spank-jupyter", said), "a") as file:
            file.write("salloc: Granted job allocation 90\n")
        head.gone()
    told = head.progress()
    assert "job 90: it is another user's" in told[-1]["message"], told
    assert not any("n2" in event["message"] or "theirs" in event["message"] for event in told)
    assert hub.slurm.state("90") == "RUNNING"


def test_token_of_another(head, other):
    credential = head.credential(activity(head))
    assert head.post({"credential": credential}, Authorization="token " + other.token)[0] == 403
    credential = head.credential(activity(head))
    assert head.post({"credential": credential}, Authorization="token 00000000000000000000000000000000")[0] == 403
    credential = head.credential(activity(head))
    assert head.post({"credential": credential}, Authorization="Basic eDp5")[0] == 403
    credential = other.credential(activity(other))
    assert other.post({"credential": credential}, Authorization="token " + other.token)[0] == 200


@pytest.mark.parametrize("fields, words", [
    ({"ip": "127.0.0.2"}, "not an address of n1"),
    ({"ip": "10.9.8.7"}, "not an address of n1"),
    ({"ip": "::1"}, "not an address of n1"),
    ({"ip": "127.0.0.2", "head": "n2"}, "not a node of job"),
    ({"head": "n9"}, "not a node of job"),
])
def test_address_outside_the_jobs_nodes(head, server, fields, words):
    status, said = head.serving(server, **fields)
    assert status == 403 and words in said
    assert head.model()["pending"] == "spawn"


def test_https_where_the_hub_has_none(head, server):
    assert head.serving(server, scheme="https")[0] == 400


def test_a_job_whose_nodes_changed(head, server):
    # What the hub knew is old: it asks once more before it refuses.
    head.hub.slurm.set(head.job, nodes="n2")
    wait_for(lambda: "not a node" in str(head.serving(server, port=1, ip="127.0.0.1")[1]), "the hub sees n2")
    head.hub.slurm.set(head.job, nodes="n1")
    assert head.serving(server, ip="127.0.0.3")[1].startswith("serving: 127.0.0.3 is not an address of n1")


def test_slurm_does_not_answer(hub, server):
    head = Head.of(hub, "games")
    assert head.say("environment")[0] == 200
    with hub.slurm.fault("down"):
        record = head.record("serving", ip="127.0.0.1", port=server.port, scheme="http", nodes=[], head="n1", app="lab")
        status, answer, headers = head.post({"credential": head.credential(record)})
        # Only what was known before can be said.
        assert status in (403, 503), answer
        if status == 503:
            assert int(headers["Retry-After"]) > 0 and "contact" in answer["message"]
    head.come_up(server)


def test_requeued_job(hub, server):
    head = Head.of(hub, "games", "again")
    head.restart = 1
    head.start()
    head.restart = 0
    assert head.say("environment")[0] == 409
    assert head.serving(server)[0] == 409
    head.restart = 1
    assert head.serving(server)[0] == 200


def test_activity_is_kept(hub, other):
    before = other.model()["last_activity"]
    now = time.time()
    assert other.say("activity", last_activity=now + 5000, busy=False)[0] == 200
    after = wait_for(lambda: other.model()["last_activity"] != before and other.model()["last_activity"], "activity")
    # Never in the future.
    assert after[:16] <= time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 1))
    other.say("activity", last_activity=1000, busy=False)
    assert other.model()["last_activity"] == after
    other.say("activity", last_activity=1000, busy=True)
    assert other.model()["last_activity"] > after


def test_answer_is_for_the_user_alone(head, munged):
    record = head.record("environment")
    _, answer, _ = head.post({"credential": head.credential(record)})
    assert munged.run(2, "decode", answer["credential"])[1].startswith("unauthorized")
    text, _ = munged.run(head.uid, "decode", answer["credential"])
    payload = json.loads(text.split(" ", 1)[1])
    assert set(payload) == {"version", "nonce", "known", "environment"}


def test_munged_down(make_hub, tmp_path, server, monkeypatch):
    (tmp_path / "munged").mkdir()
    for parent in (tmp_path, tmp_path / "munged"):
        parent.chmod(0o755)
    munged = Munged(str(tmp_path / "munged"))
    munged.start()
    try:
        hub = make_hub("c.SpankHub.munge_socket = %r\n" % munged.socket)
        hub.munged = munged
        head = Head.of(hub, "daemon")
        credential = head.credential(head.record("environment"))
        munged.stop()
        status, answer, headers = head.post({"credential": credential})
        assert status == 503 and int(headers["Retry-After"]) > 0 and "munge" in answer["message"]
        # The hub goes on with other things.
        assert hub.call("GET", "/users/daemon")[0] == 200
        munged.start()
        assert head.post({"credential": credential})[0] == 200
        head.come_up(server)
    finally:
        munged.stop()
