#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Uses a running Jupyter server from the tests, by its REST and websocket interface only.

    jupyter_client.py URL_FILE exec CODE        prints what the code printed in a new kernel
    jupyter_client.py URL_FILE terminal COMMAND prints what a terminal shows for the command
    jupyter_client.py URL_FILE get PATH         prints the HTTP status and the body

URL_FILE holds the URL with its token, "-" is standard input: a token is never an argument.  Started by the bats suite
with the Python of an environment that has JupyterLab.  Exit status 1 when the server or the code fails.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from urllib.parse import parse_qs, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

# Seconds: a kernel's first start on a loaded machine is the longest wait.
DEADLINE = 120.0


class Server:
    """A server's base URL and token.

    Args:
        url: what `sjupyter url` prints.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.headers = {"Authorization": "token " + parse_qs(parts.query).get("token", [""])[0]}

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Returns the HTTP status and the body of one request."""
        request = HTTPRequest(
            self.base + path,
            method=method,
            headers=self.headers,
            body=None if body is None else json.dumps(body),
            allow_nonstandard_methods=True,
            request_timeout=DEADLINE,
        )
        try:
            response = await AsyncHTTPClient().fetch(request)
        except HTTPClientError as error:
            return error.code, error.response.body.decode() if error.response else str(error)
        return response.code, response.body.decode()

    async def create(self, path: str, body: object) -> dict:
        """Returns what a POST made.

        Raises:
            RuntimeError: the server refused.
        """
        status, text = await self.call("POST", path, body)
        if status not in (200, 201):
            raise RuntimeError(f"POST {path}: {status} {text}")
        return json.loads(text)

    async def connect(self, path: str):
        """Returns a websocket of the server."""
        url = self.base.replace("http", "ws", 1) + path
        return await websocket_connect(HTTPRequest(url, headers=self.headers, request_timeout=DEADLINE))


async def execute(server: Server, code: str) -> int:
    """Runs code in a new kernel and prints its streams; 1 when it raised."""
    kernel = (await server.create("/api/kernels", {}))["id"]
    socket = await server.connect(f"/api/kernels/{kernel}/channels")
    header = {"msg_id": uuid.uuid4().hex, "username": "", "session": uuid.uuid4().hex, "msg_type": "execute_request",
              "version": "5.3", "date": "2026-01-01T00:00:00Z"}
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    await socket.write_message(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "channel": "shell",
                                           "content": content, "buffers": []}))
    status = None
    idle = False
    while not (idle and status):
        data = await socket.read_message()
        if data is None:
            raise RuntimeError("the kernel's websocket was closed")
        message = json.loads(data)
        if message["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        kind = message["header"]["msg_type"]
        if kind == "stream":
            print(message["content"]["text"], end="")
        elif kind == "error":
            print("\n".join(message["content"]["traceback"]), file=sys.stderr)
        elif kind == "execute_reply":
            status = message["content"]["status"]
        elif kind == "status":
            idle = message["content"]["execution_state"] == "idle"
    socket.close()
    await server.call("DELETE", f"/api/kernels/{kernel}")
    return 0 if status == "ok" else 1


async def type_in_terminal(server: Server, command: str) -> int:
    """Types a command into a new terminal and prints what it shows until the command has ended."""
    name = (await server.create("/api/terminals", {}))["name"]
    socket = await server.connect(f"/terminals/websocket/{name}")
    # The mark is built by the shell, so that the echo of what was typed does not hold it.
    await socket.write_message(json.dumps(["stdin", command + "; echo end-of-'command'\r"]))
    shown = ""
    while "end-of-command" not in shown:
        data = await socket.read_message()
        if data is None:
            raise RuntimeError(f"the terminal was closed after {shown!r}")
        kind, *rest = json.loads(data)
        if kind == "stdout":
            shown += rest[0]
    print(shown)
    socket.close()
    await server.call("DELETE", f"/api/terminals/{name}")
    return 0


async def get(server: Server, path: str) -> int:
    """Prints the HTTP status, then the body; 1 for a status of 400 and more."""
    status, body = await server.call("GET", path)
    print(status)
    print(body)
    return 0 if status < 400 else 1


def main() -> int:
    """Returns the exit status."""
    actions = {"exec": execute, "terminal": type_in_terminal, "get": get}
    if len(sys.argv) != 4 or sys.argv[2] not in actions:
        print(__doc__, file=sys.stderr)
        return 2
    if sys.argv[1] == "-":
        url = sys.stdin.readline()
    else:
        with open(sys.argv[1], encoding="utf-8") as file:
            url = file.readline()
    action = actions[sys.argv[2]](Server(url.strip()), sys.argv[3])
    return asyncio.run(asyncio.wait_for(action, DEADLINE))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, OSError, TimeoutError, asyncio.TimeoutError) as problem:
        print(f"jupyter_client: {problem!r}", file=sys.stderr)
        sys.exit(1)
