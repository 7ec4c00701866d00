# SPDX-License-Identifier: MIT
"""Workers of one kind as forks of one Python process, which has imported what they need.

Started by jupyter-agent on each node as `python preload.py MODULE_FILE` (the host), as the user:
imports MODULE_FILE, then forks a worker or the controller for each request on its socket.  By
recipes whose commands are ordinary programs also as `python preload.py --worker MODULE_FILE` or
`--controller MODULE_FILE`: the same functions without a host; with `--check MODULE_FILE` it only
says which of the modules that it needs are missing (sjupyter doctor).  MODULE_FILE has the functions
`worker(channel)` and, where the recipe says `controller = preload`, `controller(channel, sockets)`, and
may have `preload()`, which does before the forks what is the same in all workers.  It starts no thread
and opens no connection, as importing it does not.

The protocol between agent and host is one JSON object in each datagram of SPANK_JUPYTER_HOST_FD:
    agent: {"fork": "worker"|"controller", "id": "2.1", "cpus": [0, 1]|null, "env": {NAME: VALUE|null}}
           with the descriptors [stdout and stderr, channel, listening sockets...]
    host:  {"loaded": SECONDS} | {"failed": WHY}, then for each request
           {"forked": PID, "id": "2.1"} | {"fork_failed": WHY, "id": "2.1"}
"""
import array
import gc
import importlib.util
import json
import os
import signal
import socket
import sys
import time

REQUEST_MAX = 65536  # bytes of a datagram
FDS_MAX = 16  # descriptors of a datagram: output, channel and the recipe's ports, at most 8
BATCH_MAX = 64  # processes that one intermediate forks
LINE_MAX = 255  # bytes of a channel's line
WHY_MAX = 400  # bytes of a reason, which the agent shows in one line


class Channel:
    """The lines that a worker or controller exchanges with its agent.

    Attributes, all str: `id` ("NODE_RANK.INDEX", "" for a controller), `kind`, `share` (the
    directory of files shared from the controller to all nodes).
    """

    def __init__(self, sock):
        """sock: connected stream socket.socket, or None for a process without a channel."""
        self.id = os.environ.get("SPANK_JUPYTER_WORKER", "")
        self.kind = os.environ.get("SPANK_JUPYTER_KIND", "")
        self.share = os.environ.get("SPANK_JUPYTER_SHARE", "")
        self._sock = sock
        self._rest = b""
        self._busy = False

    def say(self, text):
        """Sends one line.

        text: str, printable ASCII, at most 254 characters.  An agent that is gone is no error:
        the end of file on the channel ends this process.
        """
        line = text.encode("ascii") + b"\n"
        if len(line) > LINE_MAX or b"\n" in line[:-1]:
            raise ValueError("not a line of at most %d bytes: %r" % (LINE_MAX - 1, text))
        if self._sock is not None:
            try:
                self._sock.sendall(line)
            except OSError:
                pass

    def say_busy(self, busy):
        """Of a controller: says whether its workers have anything to do (bool), where that has changed."""
        if busy != self._busy:
            self._busy = busy
            self.say("busy" if busy else "idle")

    def read_line(self):
        """Waits for the next line: str without its end, None at the end of file."""
        while b"\n" not in self._rest:
            try:
                data = self._sock.recv(4096)
            except OSError:
                data = b""
            if not data or len(self._rest) > 4096:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("ascii", "replace")

    def end(self, status):
        """Ends this process with status (int) at once, but for what atexit has been told to do."""
        process_end(status)

    def on_line(self, callback):
        """Calls callback(line: str) for each line from now on, in a thread.

        The last one is "eof", when the agent is gone; then this process ends.  A callback that
        raises is told on stderr: the lines that follow, and the end, matter still.
        """
        if self._sock is None:
            return
        import threading
        import traceback

        def read():
            while True:
                line = self.read_line()
                try:
                    callback("eof" if line is None else line)
                except BaseException:
                    # Not sys.stderr, which an engine's clients may have taken.
                    traceback.print_exc(file=sys.__stderr__)
                if line is None:
                    os._exit(1)

        threading.Thread(target=read, name="channel", daemon=True).start()


def module_load(path, prepare):
    """Imports the Python file at path (str) and returns the module; raises what it raises.

    prepare: bool, whether to call its preload(), for workers.
    """
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    directory = os.path.dirname(os.path.abspath(path))
    sys.path.insert(0, directory)
    try:
        spec.loader.exec_module(module)
        if prepare and hasattr(module, "preload"):
            module.preload()
    finally:
        sys.path.remove(directory)
    return module


def module_failure(path, error):
    """One line (str) on the exception that importing path ended with."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        why = "%s has no module %s" % (sys.executable, error.name)
    else:
        why = "%s: %s, on importing %s with %s" % (
            type(error).__name__, error, path, sys.executable)
    return " ".join(why.split())[:WHY_MAX]


def request_receive(sock, flags):
    """The next request: (dict, [descriptor: int]); None at the end of file.

    Raises BlockingIOError where flags (int) say not to wait, ValueError on what is no request.
    """
    space = socket.CMSG_SPACE(FDS_MAX * array.array("i").itemsize)
    data, ancillary, got, _ = sock.recvmsg(REQUEST_MAX, space, flags | socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
    if not data:
        return None
    try:
        if got & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ValueError("a request that is too long")
        request = json.loads(data.decode())
        if request["fork"] not in ("worker", "controller") or len(fds) < 2:
            raise ValueError("no request to fork")
        return request, fds.tolist()
    except (ValueError, KeyError, TypeError):
        for fd in fds:
            os.close(fd)
        raise ValueError("not a request: %r" % data[:80])


def requests_receive(sock):
    """Waits for a request, and takes those that wait already.  None at the end of file."""
    requests = []
    flags = 0
    while len(requests) < BATCH_MAX:
        try:
            request = request_receive(sock, flags)
        except BlockingIOError:
            break
        if request is None:
            return None
        requests.append(request)
        flags = socket.MSG_DONTWAIT
    return requests


def process_become(request, fds):
    """What a fork does before the module's function: its environment, output, channel, CPUs.

    request: dict; fds: [int].  Returns (Channel, [listening socket.socket]).
    """
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.dup2(fds[0], 1)
    os.dup2(fds[0], 2)
    os.close(fds[0])
    for name, value in request.get("env", {}).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    os.environ.pop("SPANK_JUPYTER_HOST_FD", None)
    os.environ["SPANK_JUPYTER_FD"] = str(fds[1])
    os.environ["SPANK_JUPYTER_LISTEN_FDS"] = ",".join(str(fd) for fd in fds[2:])
    os.environ.pop("SPANK_JUPYTER_WORKER", None)
    if request["fork"] == "worker":
        os.environ["SPANK_JUPYTER_WORKER"] = request["id"]
    sys.path.insert(0, "")
    process_name(request)
    if request.get("cpus"):
        try:
            os.sched_setaffinity(0, request["cpus"])
        except OSError as error:
            print("cannot be bound to CPUs %s: %s" % (request["cpus"], error), file=sys.stderr)
    return Channel(socket.socket(fileno=fds[1])), [socket.socket(fileno=fd) for fd in fds[2:]]


def process_name(request):
    """Gives the process the name that ps and top show, "dask 2.1", since a fork has its host's command
    line.  The kernel cuts it after 15 bytes (TASK_COMM_LEN)."""
    role = request["id"] if request["fork"] == "worker" else "control"
    try:
        with open("/proc/self/comm", "w") as comm:
            comm.write("%s %s" % (os.environ.get("SPANK_JUPYTER_KIND", "")[: 14 - len(role)], role))
    except OSError:
        pass


def process_run(module, request, fds):
    """The life of a fork, which begins when the agent watches it and says go; does not return."""
    status = 1
    try:
        channel, sockets = process_become(request, fds)
        if channel.read_line() != "go":
            os._exit(1)
        status = module_call(module, request["fork"], channel, sockets)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        process_end(status)


def process_end(status):
    """Ends a process with status (int), without the interpreter's own end, which would touch, and
    so copy, all of the memory it shares with the host."""
    import atexit

    try:
        atexit._run_exitfuncs()  # as multiprocessing does
    except BaseException as error:
        print("at exit: %s" % error, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(status)


def module_call(module, role, channel, sockets):
    """Calls module.worker or module.controller; returns the exit status (int)."""
    if role == "worker":
        status = module.worker(channel)
    else:
        status = module.controller(channel, sockets)
    return status or 0


def batch_fork(sock, module, requests):
    """Forks the requests' processes from an intermediate process, and returns the answers.

    sock: the host's socket.socket; requests: [(dict, [int])].  The intermediate ends at once, so
    the processes become children of the agent, their subreaper.  Returns [dict].
    """
    reader, writer = os.pipe()
    try:
        intermediate = os.fork()
    except OSError as error:
        os.close(reader)
        os.close(writer)
        return [{"fork_failed": str(error), "id": request["id"]} for request, _ in requests]
    if intermediate == 0:
        answers = []
        for request, fds in requests:
            try:
                pid = os.fork()
            except OSError as error:
                answers.append({"fork_failed": str(error), "id": request["id"]})
                continue
            if pid == 0:
                sock.close()
                os.close(reader)
                os.close(writer)
                for other, other_fds in requests:
                    if other is not request:
                        for fd in other_fds:
                            os.close(fd)
                process_run(module, request, fds)
            answers.append({"forked": pid, "id": request["id"]})
        os.write(writer, json.dumps(answers).encode())  # less than a pipe holds
        os._exit(0)
    os.close(writer)
    os.waitpid(intermediate, 0)
    os.set_blocking(reader, False)
    try:
        return json.loads(os.read(reader, REQUEST_MAX).decode())
    except (OSError, ValueError):
        return [{"fork_failed": "the intermediate process died", "id": request["id"]}
                for request, _ in requests]
    finally:
        os.close(reader)


def answer_send(sock, answer):
    """Sends answer (dict) to the agent; False where that is gone."""
    try:
        sock.send(json.dumps(answer).encode())
        return True
    except OSError:
        return False


def host(path):
    """The host process, until the agent closes its socket.  Returns the exit status (int)."""
    sock = socket.socket(fileno=int(os.environ["SPANK_JUPYTER_HOST_FD"]))
    sock.set_inheritable(False)
    begin = time.monotonic()
    gc.disable()
    try:
        module = module_load(path, True)
    except (Exception, SystemExit) as error:
        answer_send(sock, {"failed": module_failure(path, error)})
        return 1
    # What lives now lives as long as the forks: a collection in one of them must not touch, and
    # so copy, the pages of all of it.
    gc.freeze()
    gc.enable()
    answer_send(sock, {"loaded": round(time.monotonic() - begin, 3)})
    while True:
        try:
            requests = requests_receive(sock)
        except (OSError, ValueError) as error:
            print("preload: %s" % error, file=sys.stderr, flush=True)
            return 1
        if requests is None:
            return 0
        sys.stdout.flush()
        sys.stderr.flush()
        for answer in batch_fork(sock, module, requests):
            answer_send(sock, answer)
        for _, fds in requests:
            for fd in fds:
                os.close(fd)


def command(role, path):
    """A worker or controller as an ordinary program.  Returns the exit status (int)."""
    sockets = []
    for number in os.environ.get("SPANK_JUPYTER_LISTEN_FDS", "").split(","):
        if number:
            sockets.append(socket.socket(fileno=int(number)))
            sockets[-1].set_inheritable(False)
    sock = None
    if os.environ.get("SPANK_JUPYTER_FD"):
        sock = socket.socket(fileno=int(os.environ["SPANK_JUPYTER_FD"]))
        sock.set_inheritable(False)
    try:
        module = module_load(path, role == "worker")
    except (Exception, SystemExit) as error:
        print(module_failure(path, error), file=sys.stderr)
        return 1
    sys.path.insert(0, "")
    return module_call(module, role, Channel(sock), sockets)


def imports_of(path):
    """The packages ({str}) that the Python file at path (str) and those beside it import at their top."""
    import ast

    directory = os.path.dirname(os.path.abspath(path))
    found, seen, waiting = set(), set(), [os.path.abspath(path)]
    while waiting:
        file_name = waiting.pop()
        if file_name in seen:
            continue
        seen.add(file_name)
        with open(file_name, "rb") as file:
            tree = ast.parse(file.read(), file_name)
        for node in tree.body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in names:
                beside = os.path.join(directory, name + ".py")
                if os.path.exists(beside):
                    waiting.append(beside)
                else:
                    found.add(name.partition(".")[0])
    return found


def check(path):
    """Whether this Python has what the file at path (str) imports, without importing it, which takes
    time and may begin something, as MPI's library does.  Returns the exit status (int)."""
    try:
        missing = sorted(name for name in imports_of(path) if importlib.util.find_spec(name) is None)
    except (OSError, SyntaxError, ValueError) as error:
        print("error: %s" % module_failure(path, error), file=sys.stderr)
        return 1
    if missing:
        print("error: %s has no module %s" % (sys.executable, ", ".join(missing)), file=sys.stderr)
    return 1 if missing else 0


def main(words):
    """words: [str], the command line without the program.  Returns the exit status (int)."""
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.path and os.path.abspath(sys.path[0]) == here:
        del sys.path[0]  # what lies beside this file is no place for the user's imports
    if len(words) == 2 and words[0] in ("--worker", "--controller"):
        del sys.argv[1:]  # nothing of the user's program
        return command(words[0][2:], words[1])
    if len(words) == 2 and words[0] == "--check":
        return check(words[1])
    if len(words) == 1 and not words[0].startswith("-") and "SPANK_JUPYTER_HOST_FD" in os.environ:
        del sys.argv[1:]
        return host(words[0])
    print("usage: preload.py [--worker|--controller|--check] MODULE_FILE", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
