# SPDX-License-Identifier: MIT
"""An engine of IPython Parallel, as a fork of preload.py, or as a rank of MPI: [workers ipyparallel]
and [workers mpi] of the recipes beside it.  On every node, as the user.

It is ipyparallel's own, but that it has no nanny, since the agent watches it, that it can retire, and
that configuration and shell are made once, before the forks.
"""
import asyncio
import faulthandler
import os
import signal
import sys
import threading
import types

from ipp_common import ENGINE_FILE, RETIRE_REQUEST, is_worth_logging, uuid_for

# The nanny's module is where engines need psutil.
sys.modules["ipyparallel.engine.nanny"] = types.ModuleType("ipyparallel.engine.nanny")
sys.modules["ipyparallel.engine.nanny"].start_nanny = None

import ipykernel.ipkernel  # noqa: E402
import ipyparallel.engine.app as engine_app  # noqa: E402
import IPython.extensions.storemagic  # noqa: E402,F401, which every shell loads
import tornado.platform.asyncio  # noqa: E402,F401, which every loop loads
import zmq  # noqa: E402
from ipyparallel import util  # noqa: E402
from ipyparallel.apps.baseapp import BaseParallelApplication  # noqa: E402

REGISTER_TIMEOUT = 100  # seconds an engine waits for the hub's answer; below ready_timeout
LEAVE_LOOK = 0.01  # seconds between looks at what is still to be done
RETIRE_AGAIN = 10  # seconds until an engine that wants to go asks again


class FewModules:
    """In the place of the module sys, where the file of each module is asked for."""

    modules = {}

    def __getattr__(self, name):
        return getattr(sys, name)


class Kernel(engine_app.Kernel):
    """What runs an engine's tasks, in the shell that has been made before the fork."""

    def __init__(self, **kwargs):
        # IPythonKernel lists the files of all modules, for the debugger that there is not.  Each
        # would be touched, and so copied from what the engines of the node share.
        ipykernel.ipkernel.sys = FewModules()
        try:
            super().__init__(**kwargs)
        finally:
            ipykernel.ipkernel.sys = sys
        self.shell.kernel = self
        self.shell.parent = self
        self.run_task = self.shell_handlers["apply_request"]
        self.shell_handlers["apply_request"] = self.run_or_give_back
        self.control_handlers["signal_request"] = self.signal_request

    def run_or_give_back(self, stream, ident, parent):
        """Runs a task, but gives a load-balanced one back to the scheduler when retiring."""
        targets = parent["metadata"].get("targets")
        if not self.parent.retiring or ident[0] != b"task_out" or targets == [self.ident]:
            return self.run_task(stream, ident, parent)
        content = {"status": "error", "ename": "UnmetDependency", "evalue": "retiring",
                   "traceback": [], "engine_info": self.get_engine_info(method="apply")}
        metadata = self.finish_metadata(parent, self.init_metadata(parent), content)
        self.session.send(stream, "apply_reply", content, parent, ident, metadata=metadata)
        return None

    def signal_request(self, stream, ident, parent):
        """Client.send_signal(), which is the nanny's where there is one; in the control thread."""
        number = parent["content"]["sig"]
        os.kill(os.getpid(), getattr(signal, number) if isinstance(number, str) else number)
        self.session.send(stream, "signal_reply", {"status": "ok"}, parent, ident)


class Engine(engine_app.IPEngine):
    """An engine, which says with its identity which worker it is, and can retire."""

    channel = None  # preload.Channel
    retiring = False

    def _log_level_default(self):
        return 30  # logging.WARNING; the default tells of every message

    def prepare(self):
        """All that is the same in every engine, before the fork: configuration and shell."""
        self.log.addFilter(is_worth_logging)
        BaseParallelApplication.initialize(self, [
            "--IPEngine.enable_nanny=False", "--IPEngine.max_heartbeat_misses=0",
            "--IPEngine.timeout=%d" % REGISTER_TIMEOUT,
        ])
        self.log.setLevel(self.log_level)
        self.config.HistoryManager.hist_file = ":memory:"  # as IPEngine does
        self.config.IPKernelApp.exec_lines = []  # the section is there, so the shell adds nothing
        engine_app.Kernel = Kernel
        options = {"parent": self, "user_ns": self.user_ns}
        if hasattr(Kernel, "compiler_class"):  # from ipykernel 7 on
            options["compiler_class"] = Kernel.compiler_class.default_value
        Kernel.shell_class.klass.instance(**options)

    def init_signal(self):
        signal.signal(signal.SIGINT, self._signal_sigint)
        signal.signal(signal.SIGTERM, lambda number, frame: self.end(128 + number))

    def handle_line(self, line):
        """A line (str) of the agent, in the channel's thread."""
        if line == "retire" and not self.retiring:
            self.retiring = True
            threading.Thread(target=self.retire, name="retire", daemon=True).start()

    def retire(self):
        """Asks the hub to go, and goes when it answers, in a thread: a task may be running."""
        session = self.session.clone()
        context = zmq.Context()
        sock = context.socket(zmq.DEALER)
        util.connect(sock, self.registration_url, self.curve_serverkey, self.curve_publickey,
                     self.curve_secretkey)
        answered = False
        while not answered:
            session.send(sock, RETIRE_REQUEST, {"uuid": self.ident})
            answered = sock.poll(RETIRE_AGAIN * 1000)
        self.loop.add_callback(self.leave)

    async def leave(self):
        """Ends the process when what has come in already is done."""
        for stream in self.kernel.shell_streams:
            stream.flush(zmq.POLLIN)
        await asyncio.sleep(0)
        if hasattr(self.kernel, "_main_asyncio_lock"):  # ipykernel 7: what has come waits for it
            await self.kernel._main_asyncio_lock.acquire()
        while hasattr(self.kernel, "msg_queue") and self.kernel.msg_queue.qsize():  # ipykernel 6
            await asyncio.sleep(LEAVE_LOOK)
        self.end(0)

    def keep_output(self):
        """Keeps the output that the process was started with, before it becomes the clients'."""
        self.outputs = [os.dup(1), os.dup(2)]
        faulthandler.enable(self.outputs[1])

    def restore_output(self):
        """So that what is said at the end is in the worker's log."""
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        for number, fd in enumerate(self.outputs, 1):
            os.dup2(fd, number)

    def end(self, status):
        """Ends the process with status (int)."""
        self.restore_output()
        self.channel.end(status)


def preload():
    """Called before the forks."""
    Engine.instance().prepare()


def engine_id(worker):
    """The id (int) that the engine of a worker ID (str) asks for, so that ids go by node and index.

    Where nodes have different numbers of workers, two may ask for the same: the hub gives another.
    """
    rank, _, index = worker.partition(".")
    count = os.environ.get("SPANK_JUPYTER_COUNT", "")
    return int(rank) * int(count) + int(index) if count.isdigit() else None


def worker(channel):
    """An engine's process.  channel: preload.Channel."""
    app = Engine.instance()
    app.channel = channel
    app.keep_output()
    if app.id is None:
        app.id = engine_id(channel.id)
    app.url_file = os.path.join(channel.share, ENGINE_FILE)
    app.config.Session.session = uuid_for(channel.id)
    app.init_engine()
    channel.on_line(app.handle_line)
    try:
        app.start()
    except RuntimeError as error:
        if "loop stopped" not in str(error):  # else a client has shut the engine down
            raise
    finally:
        app.restore_output()
