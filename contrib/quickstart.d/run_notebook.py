#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Executes a notebook through a running Jupyter server's REST and websocket interface.

It takes the way that a browser takes, with the server's token, and no other: what runs here runs for a person.
contrib/quickstart and the tests start it, as any user who holds the token, with the Python of an environment that has
JupyterLab, Notebook 7 or Debian's jupyter-notebook: it needs tornado and nbformat, which they all bring.

The token is never an argument, since every user of a machine can read those.  Exit status: 0 all cells ran, 1 a cell
or the server failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import struct
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import nbformat
from nbformat.v4 import output_from_msg
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketError, websocket_connect

# Bounds on what comes from outside: bytes of one message (an image in an output is the largest), of a token or URL,
# and of the notebook.
MESSAGE_MAX = 64 << 20
SECRET_MAX = 8192
NOTEBOOK_MAX = 64 << 20

# Seconds for one REST call; starting a kernel has --timeout instead.
CALL_TIMEOUT = 30.0

ANSI_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Failed(Exception):
    """The notebook did not run to its end; the text tells a person why."""

    def __init__(self, text: str, status: int = 0) -> None:
        """Takes the text and, for an answer of the server, its HTTP status."""
        super().__init__(text)
        self.status = status


class UsageError(Exception):
    """What was asked for cannot be done; the text tells a person why."""


def read_secret(path: str, what: str) -> str:
    """Returns the first line of a small file, or of standard input for "-"."""
    try:
        if path == "-":
            text = sys.stdin.read(SECRET_MAX + 1)
        else:
            with open(path, encoding="utf-8") as file:
                text = file.read(SECRET_MAX + 1)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{what}: {path}: {error}") from error
    line = text.split("\n", 1)[0].strip()
    if not line or len(text) > SECRET_MAX or not line.isascii() or not line.isprintable():
        raise UsageError(f"{what}: {path}: give one line of printable ASCII")
    return line


def parse_url(text: str, with_token: bool) -> tuple[str, str, str]:
    """Splits a session's URL into origin ("http://10.0.0.1:8888"), path and token ("" where it has none)."""
    parts = urlsplit(text)
    try:
        port_right = parts.port is None or parts.port > 0
    except ValueError:
        port_right = False
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not port_right
        or "@" in parts.netloc
    ):
        raise UsageError("--url: give http://HOST:PORT/PATH")
    tokens = parse_qs(parts.query).get("token", [])
    if tokens and not with_token:
        raise UsageError(
            "--url: a token on the command line can be read by every user: give --token-file FILE"
        )
    origin = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
    return origin, parts.path, tokens[0] if tokens else ""


class Server:
    """A Jupyter server, spoken to as a browser that holds its token does."""

    def __init__(self, origin: str, token: str) -> None:
        """Takes the origin as parse_url returns it; base is known after find_base."""
        self.origin = origin
        self.base = "/"
        # A browser sends Origin with a websocket and with every POST: the server's checks of it are to be passed.
        self.headers = {"Origin": origin}
        if token:
            self.headers["Authorization"] = f"token {token}"
        self.client = AsyncHTTPClient(force_instance=True, max_body_size=MESSAGE_MAX)

    async def call(
        self, method: str, path: str, body: Any = None, timeout: float = CALL_TIMEOUT
    ) -> Any:
        """Makes one REST call below the base; returns the decoded JSON, or None for an empty answer."""
        request = HTTPRequest(
            f"{self.origin}{self.base}{path}",
            method=method,
            headers=self.headers
            | ({"Content-Type": "application/json"} if body is not None else {}),
            body=json.dumps(body) if body is not None else None,
            allow_nonstandard_methods=True,
            follow_redirects=False,
            connect_timeout=min(timeout, CALL_TIMEOUT),
            request_timeout=timeout,
        )
        try:
            response = await self.client.fetch(request)
        except HTTPClientError as error:
            text = ""
            if error.response is not None:
                text = (error.response.body or b"")[:200].decode(errors="replace")
            said = f"{method} {self.base}{path}: {error.code} {error.message} {text}".rstrip()
            raise Failed(said, error.code) from error
        except (OSError, ValueError) as error:
            raise Failed(f"{method} {self.base}{path}: {error}") from error
        if not response.body:
            return None
        try:
            return json.loads(response.body)
        except ValueError as error:
            raise Failed(f"{method} {self.base}{path}: the answer is no JSON") from error

    async def find_base(self, path: str) -> str:
        """Finds the part of the path that people open below which the API is; returns the server's version."""
        parts = [part for part in path.split("/") if part]
        failure = Failed("no path to try")
        for count in range(len(parts), -1, -1):
            self.base = "/" + "".join(part + "/" for part in parts[:count])
            try:
                answer = await self.call("GET", "api")
            except Failed as error:
                failure = error
                continue
            if isinstance(answer, dict) and isinstance(answer.get("version"), str):
                return str(answer["version"])
            failure = Failed(f"GET {self.base}api: no Jupyter server answers there")
        raise failure

    async def connect(
        self, kernel_id: str, session_id: str, timeout: float
    ) -> WebSocketClientConnection:
        """Opens the kernel's websocket."""
        url = f"ws{self.origin[4:]}{self.base}api/kernels/{quote(kernel_id, safe='')}/channels?session_id={session_id}"
        request = HTTPRequest(
            url, headers=self.headers, connect_timeout=timeout, request_timeout=timeout
        )
        try:
            return await websocket_connect(request, max_message_size=MESSAGE_MAX)
        except (HTTPClientError, WebSocketError, OSError) as error:
            raise Failed(f"the kernel's websocket: {error}") from error


def decode_message(data: str | bytes) -> dict[str, Any]:
    """Decodes one websocket message; a binary one has its JSON before the buffers, which no output needs."""
    if isinstance(data, bytes):
        count = struct.unpack_from("!I", data)[0]
        offsets = struct.unpack_from(f"!{count}I", data, 4)
        data = data[offsets[0] : offsets[1] if count > 1 else None]
    message = json.loads(data)
    if not isinstance(message, dict) or not isinstance(message.get("header"), dict):
        raise TypeError("no message of a kernel")
    return message


class Kernel:
    """One kernel's websocket."""

    def __init__(self, socket: WebSocketClientConnection, session_id: str) -> None:
        """Takes the open websocket over."""
        self.socket = socket
        self.session_id = session_id

    async def send(self, kind: str, content: dict[str, Any]) -> str:
        """Sends a message on the shell channel; returns its id."""
        message_id = uuid.uuid4().hex
        header = {
            "msg_id": message_id,
            "msg_type": kind,
            "username": "",
            "session": self.session_id,
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "version": "5.3",
        }
        message = {
            "channel": "shell",
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
        }
        try:
            await self.socket.write_message(json.dumps(message | {"buffers": []}))
        except WebSocketError as error:
            raise Failed("the server has closed the kernel's websocket") from error
        return message_id

    async def receive(self) -> dict[str, Any]:
        """Returns the next message.  A kernel that died is told by its server as a status."""
        data = await self.socket.read_message()
        if data is None:
            raise Failed(
                f"the server has closed the kernel's websocket ({self.socket.close_reason or 'no reason'})"
            )
        try:
            message = decode_message(data)
        except (ValueError, TypeError, struct.error, IndexError) as error:
            raise Failed(f"the kernel's websocket: {error}") from error
        state = message.get("content", {}).get("execution_state")
        if message["header"].get("msg_type") == "status" and state in (
            "dead",
            "restarting",
            "autorestarting",
        ):
            raise Failed(f"the kernel has died ({state})")
        return message

    async def wait_ready(self) -> None:
        """Returns when the kernel has answered on shell and its output arrives."""
        request = await self.send("kernel_info_request", {})
        replied = idle = False
        while not (replied and idle):
            message = await self.receive()
            if message.get("parent_header", {}).get("msg_id") == request:
                replied = replied or message.get("channel") == "shell"
                idle = idle or message.get("content", {}).get("execution_state") == "idle"

    async def execute(self, code: str, outputs: Outputs) -> dict[str, Any]:
        """Runs one cell's code; returns the reply's content when all output has arrived."""
        request = await self.send(
            "execute_request",
            {
                "code": code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": True,
            },
        )
        reply: dict[str, Any] | None = None
        idle = False
        while reply is None or not idle:
            message = await self.receive()
            if message.get("parent_header", {}).get("msg_id") != request:
                continue
            kind, content = message["header"].get("msg_type"), message.get("content", {})
            if kind == "execute_reply":
                reply = content
            elif kind == "status":
                idle = content.get("execution_state") == "idle"
            else:
                outputs.add(message)
        return reply


class Outputs:
    """A cell's outputs, collected as a browser shows them."""

    def __init__(self) -> None:
        """Begins with none."""
        self.items: list[Any] = []
        self.displays: dict[str, list[int]] = {}
        self.clear_later = False

    def add(self, message: dict[str, Any]) -> None:
        """Takes one message of the kernel's iopub channel."""
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "clear_output":
            self.clear_later = bool(content.get("wait"))
            if not self.clear_later:
                self.clear()
            return
        display = (content.get("transient") or {}).get("display_id")
        if kind == "update_display_data":
            for index in self.displays.get(display, []):
                self.items[index]["data"] = content["data"]
                self.items[index]["metadata"] = content["metadata"]
            return
        if kind not in ("stream", "display_data", "execute_result", "error"):
            return
        if self.clear_later:
            self.clear()
        last = self.items[-1] if self.items else None
        if (
            kind == "stream"
            and last
            and last["output_type"] == "stream"
            and last["name"] == content["name"]
        ):
            last["text"] += content["text"]
            return
        if display:
            self.displays.setdefault(display, []).append(len(self.items))
        self.items.append(output_from_msg(message))

    def clear(self) -> None:
        """Drops what is there."""
        self.items, self.displays, self.clear_later = [], {}, False


async def choose_kernelspec(server: Server, notebook: Any) -> str:
    """Returns the notebook's own kernelspec where the server has it, else the server's default."""
    specs = await server.call("GET", "api/kernelspecs")
    wanted = notebook.metadata.get("kernelspec", {}).get("name")
    if wanted in specs.get("kernelspecs", {}):
        return str(wanted)
    default = str(specs.get("default", ""))
    if wanted:
        print(f"kernel {wanted}: the server does not have it; its default, {default}, is taken")
    return default


async def run_cells(
    server: Server, kernel: Kernel, kernel_id: str, notebook: Any, timeout: float
) -> None:
    """Runs every code cell in order, each bounded by timeout, and prints a line for each."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    for number, cell in enumerate(cells, 1):
        name = f"cell {number} of {len(cells)}"
        if not cell.source.strip():
            continue
        outputs, begin = Outputs(), time.monotonic()
        try:
            reply = await asyncio.wait_for(kernel.execute(cell.source, outputs), timeout)
        except TimeoutError:
            with contextlib.suppress(Failed):
                await server.call("POST", f"api/kernels/{kernel_id}/interrupt")
            raise Failed(f"{name}: no end after {timeout:g} s") from None
        except Failed as error:
            raise Failed(f"{name}: {error}") from error
        finally:
            cell.outputs = outputs.items
        cell.execution_count = reply.get("execution_count")
        seconds = time.monotonic() - begin
        if reply.get("status") != "ok":
            print(f"{name}: failed, {seconds:.2f} s", flush=True)
            traceback = "\n".join(
                reply.get("traceback") or [f"{reply.get('ename')}: {reply.get('evalue')}"]
            )
            raise Failed(f"{name}:\n{traceback}")
        print(f"{name}: ok, {seconds:.2f} s", flush=True)


async def end_session(server: Server, session_id: str) -> None:
    """Deletes the session with its kernel; asks again while the server cannot, as when it restarts a dead kernel."""
    end = time.monotonic() + CALL_TIMEOUT
    while True:
        try:
            await server.call("DELETE", f"api/sessions/{quote(session_id, safe='')}")
            return
        except Failed as error:
            if error.status == 404:
                return
            if error.status < 500 or time.monotonic() > end:
                raise
        await asyncio.sleep(0.2)


async def run_notebook(server: Server, path: str, name: str, notebook: Any, timeout: float) -> None:
    """Starts a session of the server, runs the notebook in it and ends it whatever happens."""
    version = await server.find_base(path)
    print(f"server {server.origin}{server.base}: version {version}", flush=True)
    begin = time.monotonic()
    # A name of its own: under an existing one the server would hand out the kernel that a person is using.
    unique = f"{Path(name).stem}-{uuid.uuid4().hex[:12]}.ipynb"
    session = await server.call(
        "POST",
        "api/sessions",
        {
            "path": unique,
            "name": unique,
            "type": "notebook",
            "kernel": {"name": await choose_kernelspec(server, notebook)},
        },
        timeout=timeout,
    )
    try:
        kernel_id, session_id = str(session["kernel"]["id"]), uuid.uuid4().hex
        socket = await server.connect(kernel_id, session_id, timeout)
        try:
            kernel = Kernel(socket, session_id)
            try:
                await asyncio.wait_for(kernel.wait_ready(), timeout)
            except TimeoutError:
                raise Failed(f"the kernel has not answered within {timeout:g} s") from None
            print(
                f"kernel {session['kernel']['name']}: ready, {time.monotonic() - begin:.2f} s",
                flush=True,
            )
            await run_cells(server, kernel, kernel_id, notebook, timeout)
        finally:
            socket.close()
    except BaseException:
        with contextlib.suppress(Failed):  # what went wrong first is to be told
            await end_session(server, str(session["id"]))
        raise
    await end_session(server, str(session["id"]))


def read_notebook(path: str) -> Any:
    """Returns the notebook, as version 4, checked."""
    try:
        if os.stat(path).st_size > NOTEBOOK_MAX:
            raise UsageError(f"{path}: larger than {NOTEBOOK_MAX} bytes")
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except UsageError:
        raise
    except Exception as error:  # nbformat does not say what it raises for which damage
        said = (str(error) or repr(error)).splitlines()[0]
        raise UsageError(f"{path}: no notebook that can be read: {said}") from error
    return notebook


def write_notebook(path: str, notebook: Any) -> None:
    """Replaces the file as a whole."""
    directory = os.path.dirname(os.path.abspath(path))
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=directory, prefix=".run_notebook-", encoding="utf-8", delete=False
        ) as file:
            try:
                nbformat.write(notebook, file)
                file.flush()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise Failed(f"{path}: {error}") from error


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Returns the arguments; exits with 2 when they are wrong."""
    parser = argparse.ArgumentParser(
        description="Executes a notebook through a running Jupyter server."
    )
    parser.add_argument(
        "--url",
        required=True,
        help='the session\'s URL without token; "-": with token, on standard input',
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help='a file whose first line is the token; "-": standard input',
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="where to write the notebook with its outputs, also after a failure",
    )
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=float,
        default=120.0,
        help="seconds for each cell and for the kernel's start (120)",
    )
    parser.add_argument("notebook", help="the notebook's path")
    arguments = parser.parse_args(argv)
    if not 0 < arguments.timeout <= 86400:
        parser.error("--timeout: give seconds from 0 to 86400")
    if arguments.url == "-" and arguments.token_file is not None:
        parser.error("--token-file: not allowed with --url -, which reads the token too")
    return arguments


def terminate(signum: int, frame: Any) -> NoReturn:
    """Ends the program as Ctrl-C does, so that the kernel is deleted."""
    raise KeyboardInterrupt


def main(argv: list[str]) -> int:
    """Runs the program; returns its exit status."""
    arguments = parse_arguments(argv)
    try:
        if arguments.url == "-":
            origin, path, token = parse_url(read_secret("-", "--url"), with_token=True)
        else:
            origin, path, token = parse_url(arguments.url, with_token=False)
        if arguments.token_file is not None:
            token = read_secret(arguments.token_file, "--token-file")
        notebook = read_notebook(arguments.notebook)
    except UsageError as error:
        print(f"run_notebook: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, terminate)

    async def run() -> None:
        await run_notebook(
            Server(origin, token), path, arguments.notebook, notebook, arguments.timeout
        )

    status = 0
    try:
        asyncio.run(run())
    except Failed as error:
        text = str(error) if sys.stderr.isatty() else ANSI_COLOURS.sub("", str(error))
        print(f"run_notebook: {text}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("run_notebook: interrupted", file=sys.stderr)
        status = 1
    if arguments.output is not None:
        try:
            write_notebook(arguments.output, notebook)
        except Failed as error:
            print(f"run_notebook: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
