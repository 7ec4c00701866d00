# SPDX-License-Identifier: MIT
"""environment.py: what is handed to a session, and internal_ssl."""

import ssl
import subprocess

import pytest
from jupyterhub_spank_spawner import environment
from stand_in import Head


def test_collect(tmp_path):
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN KEY-----\n")
    values = {"A": 1, "B": None, "C_d": "\u00e9", "JUPYTERHUB_SSL_KEYFILE": str(key), "JUPYTERHUB_SSL_CERTFILE": ""}
    assert environment.collect(values) == {
        "A": "1", "C_d": "\u00e9", "JUPYTERHUB_SSL_KEYFILE": "-----BEGIN KEY-----\n", "JUPYTERHUB_SSL_CERTFILE": "",
    }


@pytest.mark.parametrize("values", [
    {"A=B": "1"}, {"": "1"}, {"1A": "1"}, {"A\n": "1"}, {"A": "x\0y"}, {"A": "x" * 65536}, {"A": "\udc80"},
    {"A%d" % n: "" for n in range(1025)}, {"A%d" % n: "x" * 50000 for n in range(4)},
])
def test_collect_refuses(values):
    with pytest.raises(ValueError):
        environment.collect(values)


def test_seal():
    values = {"JUPYTERHUB_API_TOKEN": "secret", "B": "\u00e9"}
    text = environment.seal(values, b"x" * 32)
    assert "secret" not in text and environment.seal(values, b"x" * 32) != text
    assert environment.unseal(text, b"x" * 32) == values
    assert environment.unseal(text, b"y" * 32) is None
    assert environment.unseal(text[:-8] + "AAAAAAA=", b"x" * 32) is None
    assert environment.unseal("", b"x" * 32) is None


def test_internal_ssl(make_hub, tmp_path):
    """The session gets the text of its key and certificate, which is for the address of its node."""
    hub = make_hub('c.JupyterHub.internal_ssl = True\nc.SpankHub.api_url = "https://hub.example.org/hub/api"\n')
    head = Head.of(hub, "daemon")
    assert hub.slurm.submitted(head.job)[1]["JUPYTERHUB_API_URL"] == "https://hub.example.org/hub/api"
    values = head.start()
    for name in ("KEYFILE", "CERTFILE", "CLIENT_CA"):
        assert values["JUPYTERHUB_SSL_" + name].startswith("-----BEGIN ")
    pem = tmp_path / "pem"
    pem.write_text(values["JUPYTERHUB_SSL_CERTFILE"] + values["JUPYTERHUB_SSL_KEYFILE"])
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(str(pem))
    text = subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName"], input=pem.read_text(), capture_output=True, text=True)
    assert "DNS:n1" in text.stdout and "IP Address:127.0.0.1" in text.stdout, text
    assert head.say("serving", ip="127.0.0.1", port=1, scheme="http", nodes=[], head="n1", app="lab")[0] == 400
    assert head.say("serving", ip="127.0.0.1", port=1, scheme="https", nodes=[], head="n1", app="lab")[0] == 200
