# SPDX-License-Identifier: MIT
"""record.py: what is a record, and what is not."""

import json
from types import SimpleNamespace

import pytest
from jupyterhub_spank_spawner.record import Malformed, in_time, parse

COMMON = {
    "version": 1, "cluster": "c", "job_id": "12", "restart": 0, "user": "alice", "hub": "https://hub/hub/api",
    "nonce": "0" * 32, "issued": 1000, "expires": 1300,
}
SPAWN = {"spawn_id": "f" * 32}
SERVING = {"ip": "10.0.0.1", "port": 40001, "scheme": "http", "nodes": ["n1", "n2"], "head": "n1", "app": "lab"}
STATUS = {
    "state": "degraded", "reason": "dask: n2 is missing", "phases": {"serving": 1.5},
    "workers": [{"kind": "dask", "expected": 4, "ready": 3}],
}
GOOD = [
    {**COMMON, **SPAWN, "action": "environment"},
    {**COMMON, "server": "job-12", "action": "adopt", "app": "lab"},
    {**COMMON, **SPAWN, **SERVING, "action": "serving"},
    {**COMMON, "server": "job-12", **SERVING, "ip": "2001:db8::1", "action": "serving"},
    {**COMMON, **SPAWN, **STATUS, "action": "status"},
    {**COMMON, **SPAWN, "action": "activity", "last_activity": 1700000000.5, "busy": True},
    {**COMMON, **SPAWN, "action": "ended", "state": "failed", "reason": "the server crashed"},
]


def encode(fields):
    return json.dumps(fields).encode()


@pytest.mark.parametrize("fields", GOOD, ids=lambda fields: fields["action"])
def test_good(fields):
    record = parse(encode(fields))
    for key, value in fields.items():
        assert str(getattr(record, key)) == str(value)


@pytest.mark.parametrize("fields", GOOD, ids=lambda fields: fields["action"])
def test_every_key_is_needed_and_no_other_taken(fields):
    for key in fields:
        with pytest.raises(Malformed):
            parse(encode({name: value for name, value in fields.items() if name != key}))
    with pytest.raises(Malformed, match="unknown key 'api_token'"):
        parse(encode({**fields, "api_token": "x"}))


@pytest.mark.parametrize("fields", GOOD, ids=lambda fields: fields["action"])
@pytest.mark.parametrize("value", [None, [], {}, "", "\n", -1, 1e400, True, "x" * 5000, "../x", "a b"])
def test_no_key_takes_anything(fields, value):
    for key in fields:
        if (key, value) in (("busy", True), ("reason", ""), ("reason", "\n"), ("reason", "../x"), ("reason", "a b"),
                            ("phases", {}), ("workers", []), ("nodes", [])):
            continue
        with pytest.raises(Malformed):
            parse(encode({**fields, key: value}))


@pytest.mark.parametrize("change", [
    {"version": 2}, {"version": 1.0}, {"version": True}, {"job_id": 12}, {"job_id": "012"}, {"job_id": "1" * 20},
    {"job_id": "12_3"}, {"job_id": "१२"}, {"restart": -1}, {"user": "a/b"}, {"user": "-x"}, {"hub": "ftp://hub/"}, {"hub": "http://"},
    {"hub": "http://[::1"}, {"nonce": "F" * 32}, {"nonce": "0" * 31}, {"nonce": "0" * 32 + "\n"}, {"spawn_id": "0" * 33},
    {"issued": -1}, {"issued": "1000"}, {"server": "job-12"}, {"ip": "n1"}, {"ip": "0.0.0.0"}, {"ip": "::"},
    {"ip": "224.0.0.1"}, {"ip": "fe80::1%eth0"}, {"ip": "10.0.0.1:80"}, {"ip": 167772161}, {"port": 0}, {"port": 65536},
    {"port": "80"}, {"port": True}, {"scheme": "file"}, {"nodes": ["n1"] * 65}, {"nodes": "n1"}, {"nodes": [1]},
    {"head": "n1;x"}, {"head": ""}, {"app": "lab\n"},
])
def test_bad_values(change):
    with pytest.raises(Malformed):
        parse(encode({**GOOD[2], **change}))


@pytest.mark.parametrize("change", [
    {"state": "ended"}, {"phases": []}, {"phases": {"a": "b"}}, {"phases": {"a\n": 1}}, {"phases": {"p%d" % n: 1 for n in range(65)}},
    {"workers": {}}, {"workers": [{"kind": "dask", "expected": 1}]}, {"workers": [{"kind": "dask", "expected": 1, "ready": -1}]},
    {"workers": [{"kind": "dask", "expected": 1, "ready": 1, "more": 1}]}, {"reason": 1},
])
def test_bad_status(change):
    with pytest.raises(Malformed):
        parse(encode({**GOOD[4], **change}))


def test_server_is_the_job():
    with pytest.raises(Malformed, match="job-12"):
        parse(encode({**GOOD[1], "server": "job-13"}))
    with pytest.raises(Malformed, match="either"):
        parse(encode({**GOOD[1], **SPAWN}))


@pytest.mark.parametrize("payload", [
    b"", b"x", b"[]", b"1", b"null", b"\xff", b"{", b"[" * 100000, b'{"version": NaN}', b"{}" + b" " * 10 + b"{}",
    encode(GOOD[0])[:-1] + b', "restart": 1}',
])
def test_no_record(payload):
    with pytest.raises(Malformed):
        parse(payload)


def test_words_are_on_one_line():
    reason = "a\nb\x1b[31m\u202ec"
    assert parse(encode({**GOOD[6], "reason": reason})).reason == "a b [31m c"


@pytest.mark.parametrize("now, issued, expires, words", [
    (1000, 1000, 1300, None), (1299, 1000, 1300, None), (1301, 1000, 1300, "expired"), (900, 1000, 1300, "future"),
    (1000, 1000, 1301, "more than"), (1000, 1010, 1005, "more than"), (950, 1000, 1300, None),
])
def test_time(now, issued, expires, words):
    why = in_time(SimpleNamespace(issued=issued, expires=expires), now)
    assert why is None if words is None else words in why
