#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Asks a hub for servers, for t/bench/hub.sh; the hub's API token is on stdin.

    client.py ready API USER        starts the user's server; prints the time (seconds since 1970) at which the
                                    hub says that it is ready
    client.py begin API USER COUNT  starts so many named servers and does not wait
    client.py stop API USER         stops all of them, and waits
"""

import json
import sys
import time
import urllib.request

DEADLINE = 180.0  # seconds for anything that is waited for

api, user, token = sys.argv[2], sys.argv[3], sys.stdin.read().strip()


def ask(method, path, body=None):
    request = urllib.request.Request(api + "/users/" + user + path, method=method)
    request.add_header("Authorization", "token " + token)
    if body is not None:
        request.data = json.dumps(body).encode()
    return urllib.request.urlopen(request, timeout=DEADLINE)


def ready():
    with ask("POST", "/server", {}) as answer:
        if answer.status == 201:
            # The hub waits some seconds before it answers that it goes on without us.
            print(time.time())
            return
    with ask("GET", "/server/progress") as events:
        for line in events:
            if not line.startswith(b"data: "):
                continue
            event = json.loads(line[6:])
            if event.get("ready"):
                print(time.time())
                return
            if event.get("failed"):
                sys.exit("client.py: " + event["message"])
    sys.exit("client.py: the hub has said no more")


def servers():
    with ask("GET", "") as answer:
        return json.load(answer)["servers"]


def stop():
    end = time.monotonic() + DEADLINE
    asked = set()
    while True:
        there = servers()
        if not there:
            return
        for name, model in there.items():
            if name not in asked and model["pending"] != "stop":
                ask("DELETE", "/servers/" + name if name else "/server").close()
                asked.add(name)
        if time.monotonic() > end:
            sys.exit("client.py: there still are servers: " + ", ".join(there))
        time.sleep(0.2)


if sys.argv[1] == "ready":
    ready()
elif sys.argv[1] == "begin":
    for number in range(int(sys.argv[4])):
        ask("POST", "/servers/s%d" % number, {}).close()
else:
    stop()
