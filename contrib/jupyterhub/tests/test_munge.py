# SPDX-License-Identifier: MIT
"""munge.py against a real munged."""

import os

import pytest
from jupyterhub_spank_spawner import munge

ME = os.geteuid()


def test_there_and_back(munged):
    credential = munge.encode(b"payload \x00\xff", ME, socket=munged.socket)
    assert credential.startswith("MUNGE:")
    assert munge.decode(credential, munged.socket) == (b"payload \x00\xff", ME)


def test_empty_payload(munged):
    assert munge.decode(munge.encode(b"", ME, socket=munged.socket), munged.socket) == (b"", ME)


def kind_of(credential, socket):
    with pytest.raises(munge.MungeError) as error:
        munge.decode(credential, socket)
    assert str(error.value)
    return error.value.kind


def test_replayed(munged):
    credential = munge.encode(b"x", ME, socket=munged.socket)
    munge.decode(credential, munged.socket)
    assert kind_of(credential, munged.socket) == "replayed"


def test_of_another_uid(munged):
    made, _ = munged.run(1, "encode", "x", str(ME), "300")
    assert munge.decode(made.strip(), munged.socket) == (b"x", 1)


def test_for_another_uid(munged):
    made, _ = munged.run(1, "encode", "x", "2", "300")
    assert kind_of(made.strip(), munged.socket) == "unauthorized"


def test_restriction_holds(munged):
    credential = munge.encode(b"x", 2, socket=munged.socket)
    assert munged.run(1, "decode", credential)[1].startswith("unauthorized")
    assert munged.run(2, "decode", credential)[0] == "%d x\n" % ME


@pytest.mark.parametrize("text", ["", "MUNGE:", "MUNGE:AwQFAAA:", "x" * 100, "MUNGE:\0:", "MUNGE:\xe9:", "M" * 70000])
def test_rubbish(munged, text):
    assert kind_of(text, munged.socket) == "invalid"


def test_changed(munged):
    credential = munge.encode(b"payload", ME, socket=munged.socket)
    middle = len(credential) // 2
    other = "A" if credential[middle] != "A" else "B"
    assert kind_of(credential[:middle] + other + credential[middle + 1:], munged.socket) == "invalid"


def test_no_daemon(tmp_path):
    with pytest.raises(munge.MungeError) as error:
        munge.encode(b"x", ME, socket=str(tmp_path / "none"))
    assert error.value.kind == "down"
    with pytest.raises(munge.MungeError) as error:
        munge.decode("MUNGE:AwQFAAA:", str(tmp_path / "none"))
    assert error.value.kind == "down"


def test_library_missing(monkeypatch):
    def fail(name):
        raise OSError("no such library")

    monkeypatch.setattr(munge, "_library", None)
    monkeypatch.setattr(munge.ctypes, "CDLL", fail)
    with pytest.raises(munge.MungeError) as error:
        munge.encode(b"x", ME)
    assert error.value.kind == "down" and "libmunge" in str(error.value)
