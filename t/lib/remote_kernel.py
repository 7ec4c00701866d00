#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Uses kernels of the provisioner from the tests, as the programs do that people have: by jupyter_client's own
managers, and by the REST and websocket interface of a Jupyter server.

    remote_kernel.py life NAME              a kernel's whole life by AsyncKernelManager
    remote_kernel.py suite NAME             jupyter_kernel_test's suite
    remote_kernel.py hold NAME CODE         runs code in a new kernel, waits for stdin to end, shuts it down
    remote_kernel.py many NAME COUNT        so many kernels at once, each of which executes
    remote_kernel.py file PATH CODE         runs code in the kernel of a connection file
    remote_kernel.py console JOB            `sjupyter kernel JOB` on a terminal
    remote_kernel.py new URL NAME PATH      a session of a Jupyter server; prints its kernel's id
    remote_kernel.py rename URL ID OLD NEW  renames its notebook
    remote_kernel.py exec URL ID CODE       prints what the code prints
    remote_kernel.py interrupt URL ID       a cell that sleeps is interrupted
    remote_kernel.py restart URL ID         restarts it
    remote_kernel.py delete URL ID          shuts it down

URL may be "@FILE", which holds it with its token.  Started by the bats suite on the login host, as the user, with the
Python of an environment that has JupyterLab and the provisioner.  Exit status 1 when something is not as it should be.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import queue
import sys
import time
import unittest
import uuid
from urllib.parse import parse_qs, urlsplit

import requests
import websocket
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager, start_new_kernel

# Seconds: a job on a loaded machine is the longest wait.
DEADLINE = 180.0

# For each language: code whose output is 42, a name that is set and printed, and code that takes long and makes a file
# when it has begun.  It is one expression: an interrupt between two of them finds IRkernel amid a message that it
# sends, after which it dies or says no more.
CODE = {
    "python": ("print(6 * 7)", "x = 1", "print(x)", "open({begun}, 'w').close(); import time; time.sleep(600)"),
    "R": ("cat(6 * 7)", "x <- 1", "cat(x)", "{{ file.create({begun}); Sys.sleep(600) }}"),
}
SLEEP = "print('begun', flush=True); import time; time.sleep(600)"


def check(good: object, what: str) -> None:
    """Raises RuntimeError with these words when it is not so."""
    if not good:
        raise RuntimeError(f"not so: {what}")
    print(what, flush=True)


async def run(client, code: str) -> tuple[str, str]:
    """Executes code.  Returns its reply's status and its streams' text without blanks at both ends."""
    said: list[str] = []

    def output(message: dict) -> None:
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])

    reply = await client.execute_interactive(code, timeout=DEADLINE, output_hook=output)
    return reply["content"]["status"], "".join(said).strip()


async def interrupted(manager, client, code: str) -> str:
    """Interrupts a cell that has begun, which a file in the home tells.  Returns its reply's status."""
    begun = os.path.join(os.path.expanduser("~"), f".begun-{uuid.uuid4().hex}")
    request = client.execute(code.format(begun=json.dumps(begun)))
    deadline = time.monotonic() + DEADLINE
    while not os.path.exists(begun):
        if time.monotonic() > deadline:
            raise RuntimeError("the cell does not begin")
        await asyncio.sleep(0.05)
    os.unlink(begun)
    await manager.interrupt_kernel()
    while True:
        reply = await client.get_shell_msg(timeout=DEADLINE)
        if reply["parent_header"].get("msg_id") == request:
            return reply["content"]["status"]


async def life(name: str) -> None:
    """Start, execute, interrupt, restart in the same job, shut down."""
    manager = AsyncKernelManager(kernel_name=name)
    language = KernelSpecManager().get_kernel_spec(name).language
    answer, assign, show, sleep = CODE[language]
    await manager.start_kernel()
    job = manager.provisioner._job.job_id
    print("job", job)
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=DEADLINE)
    check(await run(client, answer) == ("ok", "42"), "executed")
    check(await run(client, assign) == ("ok", ""), "assigned")
    status = await interrupted(manager, client, sleep)
    check(status in ("error", "abort"), "interrupted")  # of ipykernel, of IRkernel
    shown = await run(client, show)
    while shown[0] == "aborted":  # by ipykernel, as if it had come before the interrupt
        shown = await run(client, show)
    check(shown == ("ok", "1"), "its state has stayed")
    await manager.restart_kernel()
    await client.wait_for_ready(timeout=DEADLINE)
    check((await run(client, show))[0] == "error", "restarted")
    check(manager.provisioner._job.job_id == job, "in the same job")
    check(await manager.is_alive(), "alive")
    client.stop_channels()
    await manager.shutdown_kernel()
    check(not await manager.is_alive(), "shut down")


def suite(name: str) -> None:
    """The tests that jupyter_kernel_test has for every kernel, with samples for this language."""
    import jupyter_kernel_test

    class Python(jupyter_kernel_test.KernelTests):
        kernel_name = name
        language_name = "python"
        file_extension = ".py"
        code_hello_world = "print('hello, world')"
        code_stderr = "import sys; print('hello, world', file=sys.stderr)"
        completion_samples = [{"text": "pri", "matches": {"print"}}, {"text": "imp", "matches": {"import"}}]
        complete_code_samples = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"]
        incomplete_code_samples = ["print('hello", "def f(x):\n  x*2"]
        invalid_code_samples = ["import = 7q"]
        code_page_something = "zip?"
        code_generate_error = "raise ValueError"
        code_execute_result = [{"code": "1+2+3", "result": "6"}, {"code": "[n*n for n in range(1, 4)]",
                                                                  "result": "[1, 4, 9]"}]
        code_display_data = [{"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))",
                              "mime": "text/html"}]
        code_history_pattern = "1?2*"
        supported_history_operations = ("tail", "search")
        code_inspect_sample = "open"
        code_clear_output = "from IPython.display import clear_output; clear_output()"

    class R(jupyter_kernel_test.KernelTests):
        kernel_name = name
        language_name = "R"
        file_extension = ".r"
        code_hello_world = "cat('hello, world')"
        code_stderr = "message('hello, world')"
        completion_samples = [{"text": "zi", "matches": {"zip"}}]
        complete_code_samples = ["1", "f <- function(x) {\n  x*2\n}"]
        incomplete_code_samples = ["f <- function(x) {"]
        code_generate_error = "stop('no')"
        code_display_data = [{"code": "6*7", "mime": "text/plain"}]

    language = KernelSpecManager().get_kernel_spec(name).language
    tests = unittest.defaultTestLoader.loadTestsFromTestCase({"python": Python, "R": R}[language])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    check(result.testsRun > 0 and result.wasSuccessful(), "the suite has passed")


def hold(name: str, code: str) -> None:
    """A kernel that lives until stdin ends."""
    manager, client = start_new_kernel(kernel_name=name, startup_timeout=DEADLINE)
    client.execute_interactive(code, timeout=DEADLINE)
    print("held", flush=True)
    sys.stdin.read()
    client.stop_channels()
    manager.shutdown_kernel()


async def one_of_many(name: str) -> str:
    """A kernel up to its first answer.  Returns its job and what it has said."""
    manager = AsyncKernelManager(kernel_name=name)
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=DEADLINE)
        said = await run(client, "import os; print(os.environ['SLURM_JOB_ID'])")
    finally:
        client.stop_channels()
        job = manager.provisioner._job.job_id
        await manager.shutdown_kernel()
    check(said == ("ok", job), f"job {job} has executed")
    return job


async def many(name: str, count: str) -> None:
    """All at once."""
    jobs = await asyncio.gather(*(one_of_many(name) for _ in range(int(count))))
    check(len(set(jobs)) == int(count), f"{count} jobs")


def console(job: str) -> None:
    """What a person types and sees."""
    import pexpect

    terminal = pexpect.spawn("sjupyter", ["kernel", job], timeout=DEADLINE, encoding="utf-8", env={**os.environ,
                                                                                                 "TERM": "xterm"})
    terminal.expect(r"/[^ ]*\.json")
    path = terminal.match.group(0)
    check(os.stat(path).st_mode & 0o777 == 0o600, "the connection file is private")
    terminal.expect(r"In \[")
    terminal.send("print(6 * 7, 'said')\r")
    terminal.expect("42 said")
    terminal.expect(r"In \[")
    terminal.send("\x04")
    terminal.expect("really want to exit")
    terminal.send("y\r")
    terminal.expect(pexpect.EOF)
    terminal.close()
    check(terminal.exitstatus == 0, "the console has ended")
    check(not os.path.exists(path), "its files are gone")


def file(path: str, code: str) -> None:
    """A client of an existing kernel."""
    client = BlockingKernelClient(connection_file=path)
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=DEADLINE)
    client.execute_interactive(code, timeout=DEADLINE)
    client.stop_channels()


class Server:
    """A Jupyter server, by its URL with token."""

    def __init__(self, url: str) -> None:
        if url.startswith("@"):
            with open(url[1:], encoding="utf-8") as source:
                url = source.readline().strip()
        parts = urlsplit(url)
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.token = parse_qs(parts.query)["token"][0]

    def call(self, method: str, path: str, body: object = None):
        """The answer's JSON, None where there is none.  Raises RuntimeError with the server's words."""
        answer = requests.request(method, self.base + path, json=body, timeout=DEADLINE,
                                  headers={"Authorization": "token " + self.token})
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.text else None


class Channels:
    """A kernel's websocket."""

    def __init__(self, server: Server, kernel: str) -> None:
        self.session = uuid.uuid4().hex
        self.socket = websocket.create_connection(
            server.base.replace("http", "ws", 1) + f"/api/kernels/{kernel}/channels?session_id={self.session}",
            header=["Authorization: token " + server.token], timeout=DEADLINE)

    def ask(self, kind: str, content: dict) -> str:
        """Sends a request on shell.  Returns its id."""
        header = {"msg_id": uuid.uuid4().hex, "username": "", "session": self.session, "msg_type": kind,
                  "version": "5.3", "date": "2026-01-01T00:00:00Z"}
        self.socket.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "channel": "shell",
                                     "content": content, "buffers": []}))
        return header["msg_id"]

    def execute(self, code: str) -> str:
        """Sends code.  Returns the request's id."""
        return self.ask("execute_request", {"code": code, "silent": False, "store_history": False,
                                            "user_expressions": {}, "allow_stdin": False})

    def messages(self, request: str):
        """Yields (type, content) of what belongs to a request, for ever."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            message = json.loads(self.socket.recv())
            if message["content"].get("execution_state") == "dead":
                raise RuntimeError("the kernel is dead")
            if message["parent_header"].get("msg_id") == request:
                yield message["header"]["msg_type"], message["content"]
        raise RuntimeError("the kernel does not answer")


def exec_code(url: str, kernel: str, code: str) -> None:
    """Prints the streams.  Raises RuntimeError with the traceback's last line."""
    channels = Channels(Server(url), kernel)
    idle, status, problem = False, None, ""
    for kind, content in channels.messages(channels.execute(code)):
        if kind == "stream":
            print(content["text"], end="", flush=True)
        elif kind == "error":
            problem = f"{content['ename']}: {content['evalue']}"
        elif kind == "execute_reply":
            status = content["status"]
        elif kind == "status":
            idle = content["execution_state"] == "idle"
        if idle and status:
            break
    if status != "ok":
        raise RuntimeError(problem or status)


def interrupt(url: str, kernel: str) -> None:
    """A cell that sleeps is interrupted by POST."""
    server = Server(url)
    channels = Channels(server, kernel)
    for kind, content in channels.messages(channels.execute(SLEEP)):
        if kind == "stream":
            server.call("POST", f"/api/kernels/{kernel}/interrupt")
        elif kind == "execute_reply":
            check(content.get("ename") == "KeyboardInterrupt", "interrupted")
            return


def new(url: str, name: str, path: str) -> None:
    """A notebook's session."""
    answer = Server(url).call("POST", "/api/sessions", {"kernel": {"name": name}, "name": path.split("/")[-1],
                                                        "path": path, "type": "notebook"})
    print(answer["kernel"]["id"])


def rename(url: str, kernel: str, old: str, path: str) -> None:
    """As JupyterLab does it: the file, then the session."""
    server = Server(url)
    server.call("PATCH", f"/api/contents/{old}", {"path": path})
    for session in server.call("GET", "/api/sessions"):
        if session["kernel"]["id"] == kernel:
            server.call("PATCH", f"/api/sessions/{session['id']}", {"path": path, "name": path.split("/")[-1]})
            return
    raise RuntimeError(f"no session has the kernel {kernel}")


def main() -> int:
    """Returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    actions = {"life": lambda name: asyncio.run(life(name)), "suite": suite, "hold": hold, "file": file, "console": console,
               "many": lambda name, count: asyncio.run(many(name, count)), "new": new,
               "rename": rename,
               "exec": exec_code, "interrupt": interrupt,
               "restart": lambda url, kernel: Server(url).call("POST", f"/api/kernels/{kernel}/restart"),
               "delete": lambda url, kernel: Server(url).call("DELETE", f"/api/kernels/{kernel}")}
    if len(sys.argv) < 2 or sys.argv[1] not in actions:
        print(__doc__, file=sys.stderr)
        return 2
    actions[sys.argv[1]](*sys.argv[2:])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, OSError, TimeoutError, queue.Empty, asyncio.TimeoutError) as problem:
        print(f"remote_kernel: {problem or type(problem).__name__}", file=sys.stderr)
        sys.exit(1)
