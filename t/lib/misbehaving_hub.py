#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A hub for tests, good or bad as the first part of the URL's path says.

Usage: misbehaving_hub.py LOG [--host=IP] [--port=N] [--tls=CERTIFICATE,KEY[,AUTHORITY]]

Started by t/unit/hub_world.h and t/50-hub-callback.bats, as whoever runs the tests.  It prints
"port N" once it listens, writes one line of JSON into LOG for each request, and ends when its
standard input does.  With AUTHORITY it wants a certificate of the client.  Where credentials
are made or read, MUNGE_SOCKET names munged's socket and HUB_TEST_UID the uid that answers are
for.

Paths are /BEHAVIOUR/hub/api/...; a behaviour that depends on what came before has a word of the
test's own behind a dash (/flaky-2-abc/: twice status 500, then good).
"""
import json
import os
import socket
import ssl
import subprocess
import sys
import threading

TIMEOUT = 60  # seconds for a client that says or takes nothing

lock = threading.Lock()
counts = {}
kept = {}


def munge(*words, data):
    """The output (bytes) of munge or unmunge, given data (bytes); raises on failure."""
    command = [words[0], "--socket=" + os.environ["MUNGE_SOCKET"], *words[1:]]
    return subprocess.run(
        command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    ).stdout


def record_of(body):
    """The record in a request's body (bytes), or None."""
    try:
        credential = json.loads(body.decode())["credential"]
        return json.loads(munge("unmunge", "--metadata=/dev/null", data=credential.encode()))
    except (ValueError, KeyError, TypeError, OSError, subprocess.CalledProcessError):
        return None


def credential_for(payload, uid=None):
    """A reply's body (bytes) with the payload for the uid (the session's)."""
    uid = os.environ.get("HUB_TEST_UID", str(os.geteuid())) if uid is None else str(uid)
    made = munge("munge", "--restrict-uid=" + uid, data=json.dumps(payload).encode())
    return json.dumps({"credential": made.decode().strip()}).encode()


def good_payload(record):
    """What a hub answers to the record."""
    payload = {"version": 1, "nonce": record["nonce"], "known": True}
    if record["action"] in ("environment", "adopt"):
        payload["environment"] = {
            "JUPYTERHUB_API_TOKEN": "secret",
            "JUPYTERHUB_USER": record["user"],
            "SITE_DATA": "/data",
            "PATH": "/hub/bin",
            "LD_PRELOAD": "/hub/lib.so",
        }
    return payload


def answer(status, body=b"", headers=()):
    """A whole HTTP answer as bytes."""
    lines = ["HTTP/1.1 %d Said" % status, "Content-Length: %d" % len(body), *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def message(status, *headers):
    """An error as JupyterHub gives it."""
    words = {"status": status, "message": "said\u001b[31m so"}
    return answer(status, json.dumps(words).encode(), headers)


def good(request):
    """What a hub of ours, or batchspawner, answers."""
    if request["path"].endswith("/batchspawner"):
        return answer(201, b'{"message": "BatchSpawner data configured"}')
    if request["path"].endswith("/user"):
        return answer(200, b'{"kind": "user", "name": "alice"}')
    if request["record"] is None:
        return message(401)
    return answer(200, credential_for(good_payload(request["record"])))


def drip(client, first, piece, pause):
    """Sends first, then piece again and again, pause seconds apart, until the client goes."""
    client.sendall(first)
    end = threading.Event()
    while not end.wait(pause):
        client.sendall(piece)


def bad_credential(kind, request):
    """A reply whose credential is not the one to expect."""
    record = request["record"]
    payload = good_payload(record)
    if kind == "for":  # for another user
        return credential_for(payload, os.geteuid() + 1)
    if kind == "nonce":
        payload["nonce"] = "0" * 32
    elif kind == "version":
        payload["version"] = 2
    elif kind == "field":
        payload["more"] = 1
    elif kind == "variable":
        payload["environment"] = {"A\nB": "1"}
    elif kind == "forged":
        made = json.loads(credential_for(payload).decode())["credential"]
        middle = len(made) // 2
        other = "A" if made[middle] != "A" else "B"
        return json.dumps({"credential": made[:middle] + other + made[middle + 1 :]}).encode()
    elif kind == "replayed":
        with lock:
            kept.setdefault("replayed", credential_for(payload))
        return kept["replayed"]
    return credential_for(payload)


def behave(client, request):
    """Answers one request as its path says."""
    words = request["path"].split("/")[1].split("-")
    name = words[0]
    with lock:
        count = counts[request["path"]] = counts.get(request["path"], 0) + 1
    if name == "s":
        client.sendall(message(int(words[1])))
    elif name == "flaky":
        client.sendall(message(500) if count <= int(words[1]) else good(request))
    elif name == "busy":  # 429 with Retry-After once
        client.sendall(
            message(429, "Retry-After: " + words[1]) if count == 1 else good(request)
        )
    elif name == "redirect":
        client.sendall(answer(302, b"", ["Location: http://127.0.0.1:1/elsewhere"]))
    elif name == "huge":
        drip(client, b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", b"x" * 65536, 0)
    elif name == "chunked":
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        drip(client, head, b"10000\r\n" + b"x" * 65536 + b"\r\n", 0)
    elif name == "endless":
        drip(client, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" ", 0.01)
    elif name == "headers":
        drip(client, b"HTTP/1.1 200 OK\r\n", b"X: " + b"x" * 1000 + b"\r\n", 0)
    elif name == "slow":
        drip(client, b"HTTP/1.1 200 OK\r\n", b"X", 0.01)
    elif name == "continue":
        drip(client, b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0)
    elif name == "silent":
        client.recv(1)
    elif name == "old":  # HTTP/0.9
        client.sendall(b'{"credential": "MUNGE:AAAA:"}')
    elif name == "text":
        client.sendall(answer(200, b"<html>Welcome</html>"))
    elif name == "deep":
        client.sendall(answer(200, b"[" * 500000))
    elif name == "cut":
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    elif name == "bad":
        client.sendall(answer(200, bad_credential(words[1], request)))
    elif name == "good":
        client.sendall(good(request))
    else:
        client.sendall(message(404))


def read_request(client):
    """The request as a dict of method, path, headers and body (bytes); None at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece or len(data) > 1 << 20:
            return None
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    while len(body) < int(headers.get("content-length", "0")):
        piece = client.recv(65536)
        if not piece:
            return None
        body += piece
    return {"method": method, "path": path, "headers": headers, "body": body}


def serve(client, context, log):
    """One connection."""
    try:
        client.settimeout(TIMEOUT)
        if context:
            client = context.wrap_socket(client, server_side=True)
        request = read_request(client)
        if request:
            request["record"] = record_of(request["body"])
            line = {name: request[name] for name in ("method", "path", "headers", "record")}
            line["body"] = request["body"].decode("latin-1")
            with lock:
                log.write(json.dumps(line) + "\n")
                log.flush()
            behave(client, request)
            client.shutdown(socket.SHUT_WR)
    except (OSError, ValueError):
        pass  # the client has gone, as it is meant to
    finally:
        client.close()


def main():
    options = dict(word[2:].split("=", 1) for word in sys.argv[2:])
    context = None
    if "tls" in options:
        certificate, key, *authority = options["tls"].split(",")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if authority:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(authority[0])
    host = options.get("host", "127.0.0.1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, int(options.get("port", "0"))))
    server.listen(64)
    print("port", server.getsockname()[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
    with open(sys.argv[1], "a", encoding="utf-8") as log:
        while True:
            client, _ = server.accept()
            threading.Thread(target=serve, args=(client, context, log), daemon=True).start()


if __name__ == "__main__":
    main()
