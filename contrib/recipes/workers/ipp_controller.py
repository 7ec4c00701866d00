# SPDX-License-Identifier: MIT
"""The controller of IPython Parallel, as a fork of preload.py or a command: [workers ipyparallel] and
[workers mpi] of the recipes beside it.  On the job's first node, as the user.

It is ipyparallel's own, but for what the session rests on:
- It is one process: its queues are threads, its schedulers and its heart monitor run in the hub's
  loop.  So it dies as a whole, takes little memory, and knows when an engine has nothing left to do.
- The sockets that engines connect to are inherited, listening; the other ports are held from the
  moment they are chosen.  All connections use CURVE.
- An engine is registered as soon as it answers, not at the next beat but one.
- A client that connects while engines come and go is told of those that it would have missed.
- An engine's uuid has the worker's ID in it, so that hub and session speak of the same one.
"""
import collections
import json
import os
import resource
import socket
import sys
import tempfile
import threading
import time
import types

from ipp_common import ENGINE_FILE, RETIRE_REPLY, RETIRE_REQUEST, is_worth_logging, worker_of
from lazy_package import packages_missing

with packages_missing("numpy"):  # which the engines of this node may want with CPUs of their own
    from ipyparallel.controller import broadcast_scheduler, task_scheduler
import ipyparallel.controller.app as controller_app
import zmq
from ipyparallel import util
from ipyparallel.controller.heartmonitor import HeartMonitor
from ipyparallel.controller.hub import Hub
from tornado.ioloop import PeriodicCallback
from zmq.devices import ThreadMonitoredQueue
from zmq.eventloop.zmqstream import ZMQStream

BACKLOG = 4096  # connections that wait to be accepted: engines come all at once
BIND_TIMEOUT = 30  # seconds
ENGINE_FDS = 8  # connections of one engine to the controller
OTHER_FDS = 200  # of the controller, clients included
IO_THREADS = 2  # of the controller's ZeroMQ: handshakes of many engines take their time
GREETING = 0.01  # seconds in which engines that appear are greeted together...
GREETING_EACH = 0.0005  # ...and so much longer for each there is, since all of them answer
LOOK = 1  # seconds between looks whether engines are busy
CONNECTING = 60  # seconds a client may take from the hub's answer to its subscription


def file_write(directory, name, data):
    """Writes data (str) to directory/name, mode 0600, so that no reader sees half of it."""
    fd, temporary = tempfile.mkstemp(prefix=".", dir=directory)
    with os.fdopen(fd, "w") as file:
        file.write(data)
    os.rename(temporary, os.path.join(directory, name))


listening = {}  # port: inherited socket.socket, of those that no ZeroMQ socket has taken yet


def listening_take(url):
    """The descriptor (int) that is listening at url already, or None."""
    sock = listening.pop(int(url.rpartition(":")[2]), None)
    if sock is None:
        return None
    sock.listen(BACKLOG)
    return sock.detach()


def bind(sock, url, curve_publickey=None, curve_secretkey=None):
    """In the place of ipyparallel.util.bind, which schedulers call, for inherited sockets."""
    if curve_secretkey:
        sock.setsockopt(zmq.CURVE_SERVER, 1)
        sock.setsockopt(zmq.CURVE_SECRETKEY, curve_secretkey)
    sock.setsockopt(zmq.BACKLOG, BACKLOG)
    fd = listening_take(url)
    if fd is not None:
        sock.setsockopt(zmq.USE_FD, fd)
    return sock.bind(url)


class Queue(ThreadMonitoredQueue):
    """A queue whose sockets may be inherited, and of which one knows when they are bound."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.bound = threading.Event()
        self.error = None

    def bind_in(self, addr):
        self.setsockopt_in(zmq.BACKLOG, BACKLOG)
        fd = listening_take(addr)
        if fd is not None:
            self.setsockopt_in(zmq.USE_FD, fd)
        super().bind_in(addr)

    def bind_out(self, addr):
        self.setsockopt_out(zmq.BACKLOG, BACKLOG)
        fd = listening_take(addr)
        if fd is not None:
            self.setsockopt_out(zmq.USE_FD, fd)
        super().bind_out(addr)

    def _setup_sockets(self):
        try:
            return super()._setup_sockets()
        except zmq.ZMQError as error:
            self.error = error
            raise
        finally:
            self.bound.set()


class Beats(HeartMonitor):
    """The heart monitor, in the hub's loop.

    Its ping socket tells of every engine that subscribes to it.  That is when the engine is
    greeted with a ping of its own, and its answer completes its registration: at once, where the
    stock monitor needs up to two periods.  Engines are given up after as many beats as ever.
    """

    def __init__(self, hub, ping, pong, **kwargs):
        """hub: Hub; ping, pong: ZMQStream of a bound XPUB and ROUTER."""
        super().__init__(ping_stream=ping, pong_stream=pong, **kwargs)
        self.hub = hub
        self.greeting = None

    def start(self):
        self.pong_stream.on_recv(self.handle_pong)
        self.ping_stream.on_recv(self.handle_subscription)
        self.tic = time.monotonic()
        self.caller = PeriodicCallback(self.beat, self.period)
        self.caller.start()

    def handle_subscription(self, msg):
        """Greets who has come, some at a time: msg is b"\\1" when one comes, b"\\0" when one goes."""
        if msg[0][:1] == b"\1" and self.greeting is None:
            delay = GREETING + GREETING_EACH * len(self.hearts)
            self.greeting = self.loop.call_later(delay, self.greet)

    def greet(self):
        self.greeting = None
        self.ping_stream.send(str(self.lifetime).encode("ascii"))

    def handle_pong(self, msg):
        super().handle_pong(msg)
        if msg[0] in self.responses and msg[0] not in self.hearts:
            self.handle_new_hearts({msg[0]})

    def handle_new_hearts(self, hearts):
        self.hearts.update(hearts)
        for heart in hearts:
            self.hub.handle_new_heart(heart)

    def handle_heart_failure(self, hearts):
        self.hearts.difference_update(hearts)
        for heart in hearts:
            self.hub.handle_stopped_heart(heart)

    def forget(self, heart):
        """Expects no more of heart (bytes), which has said good-bye."""
        self.hearts.discard(heart)
        self.responses.discard(heart)
        self.on_probation.pop(heart, None)


class Tasks(task_scheduler.TaskScheduler):
    """The scheduler of load-balanced tasks, which the hub can ask about an engine's."""

    hub = None

    def start(self):
        if self.scheme_name == "weighted":  # the one that counts with it
            import numpy

            task_scheduler.numpy = numpy
        super().start()
        self.hub.scheduler = self

    def retire(self, uid):
        """Gives no further task to engine uid (bytes)."""
        if uid in self.targets:
            index = self.targets.index(uid)
            self.targets.pop(index)
            self.loads.pop(index)

    def _register_engine(self, uid):
        if uid not in self.pending:  # else a client is being told of it
            super()._register_engine(uid)

    def _unregister_engine(self, uid):
        if uid not in self.targets:  # it has retired
            self.targets.append(uid)
            self.loads.append(0)
        super()._unregister_engine(uid)

    def dispatch_result(self, raw_msg):
        super().dispatch_result(raw_msg)
        self.hub.retired_look()


class Broadcasts(broadcast_scheduler.BroadcastScheduler):
    """The scheduler of broadcasts, of which the stock one tells the hub nothing."""

    hub = None

    def send_to_targets(self, msg, original_msg_id, targets, idents, is_coalescing):
        self.hub.broadcasts.update(targets)
        super().send_to_targets(msg, original_msg_id, targets, idents, is_coalescing)

    def dispatch_result(self, raw_msg):
        self.hub.broadcasts[bytes(raw_msg[0]).decode("utf8", "replace")] -= 1
        super().dispatch_result(raw_msg)


class SessionHub(Hub):
    """The hub, which tells the session who joins and leaves, and lets engines retire."""

    channel = None  # preload.Channel

    def __init__(self, **kwargs):
        kwargs["notifier"].close()  # one that nobody has bound
        kwargs["notifier"] = kwargs["parent"].notifier_open()
        super().__init__(**kwargs)
        self.query_handlers[RETIRE_REQUEST] = self.retire_engine
        self.retiring = {}  # engine id: ([identity: bytes], request: dict)
        self.scheduler = None  # Tasks
        self.beats = None  # Beats
        self.broadcasts = collections.Counter()  # engine's uuid (str): how many it has not answered
        self.engine_state_file = ""
        self.connecting = collections.deque()  # (time, {engine id: uuid} told) of who connects
        self.notifier.on_recv(self.handle_subscription)

    def connection_request(self, client_id, msg):
        super().connection_request(client_id, msg)
        known = {eid: ec.uuid for eid, ec in self.engines.items()}
        self.connecting.append((time.monotonic(), known))

    def handle_subscription(self, msg):
        """A client hears notifications from now on: tells what has changed since its answer.

        msg: [b"\1"] when one comes, [b"\0"] when one goes.  Which of those that connect it is
        remains unknown, so all is told that is news to any of them; the others know it already.
        """
        while self.connecting and self.connecting[0][0] < time.monotonic() - CONNECTING:
            self.connecting.popleft()
        if msg[0][:1] != b"\1" or not self.connecting:
            return
        now = {eid: ec.uuid for eid, ec in self.engines.items()}
        come, gone = {}, {}
        for _, known in self.connecting:
            come.update((eid, now[eid]) for eid in now.keys() - known.keys())
            gone.update((eid, known[eid]) for eid in known.keys() - now.keys())
        for name, engines in (("unregistration", gone), ("registration", come)):
            for eid, uuid in sorted(engines.items()):
                self.session.send(self.notifier, name + "_notification",
                                  content={"id": eid, "uuid": uuid})

    def engines_of(self, worker):
        """The ids ([int]) of registered engines of the worker ID (str): one, or the dead one too."""
        return [eid for eid, ec in self.engines.items() if worker_of(ec.uuid) == worker]

    def new_engine_id(self, requested_id=None):
        # What is kept of an engine that is gone is kept under its id.
        if requested_id in self.ids:
            requested_id = None
        return super().new_engine_id(requested_id)

    def register_engine(self, reg, msg):
        worker = worker_of(str(msg["content"].get("uuid")))
        if worker:
            self.gone(worker)  # it has been started again
        return super().register_engine(reg, msg)

    def finish_registration(self, heart):
        super().finish_registration(heart)
        worker = worker_of(heart.decode("utf8", "replace"))
        if worker and heart in self.by_ident:
            self.channel.say("joined " + worker)

    def unregister_engine(self, ident, msg):
        engine = self.engines.get(msg["content"].get("id"))
        super().unregister_engine(ident, msg)
        if engine is not None and engine.id not in self.engines:
            self.beats.forget(engine.ident)
            self.retiring.pop(engine.id, None)
            del self.broadcasts[engine.uuid]
            worker = worker_of(engine.uuid)
            if worker:
                self.channel.say("left " + worker)

    def gone(self, worker):
        """Forgets the engine of a worker (str) that is known to have ended."""
        for eid in self.engines_of(worker):
            self.unregister_engine("gone", {"content": {"id": eid}})

    def retire_engine(self, ident, msg):
        """An engine asks to go.  It is answered when all that it was given is done."""
        eid = self.by_ident.get(str(msg["content"].get("uuid")).encode("utf8"))
        if eid is None:
            self.session.send(self.query, RETIRE_REPLY, {"status": "ok"}, msg, ident)
            return
        self.scheduler.retire(self.engines[eid].ident)
        self.retiring[eid] = (ident, msg)
        self.monitor.flush(zmq.POLLIN)
        self.retired_look()

    def retired_look(self):
        """Lets those go that have nothing left to do."""
        for eid, (ident, msg) in list(self.retiring.items()):
            if self.queues[eid] or self.scheduler.pending.get(self.engines[eid].ident):
                continue
            self.unregister_engine(ident, {"content": {"id": eid}})
            self.session.send(self.query, RETIRE_REPLY, {"status": "ok"}, msg, ident)

    def look(self):
        """Tells whether any engine has something to do; a task that waits for one makes no work."""
        self.channel.say_busy(
            any(self.queues[eid] or self.broadcasts[ec.uuid] > 0 for eid, ec in self.engines.items())
            or any(self.scheduler.pending.values()))

    def dispatch_monitor_traffic(self, msg):
        super().dispatch_monitor_traffic(msg)
        if self.retiring:
            self.retired_look()


class Controller(controller_app.IPController):
    """The controller, with connection files where the session wants them."""

    share = ""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inherited = []  # [socket.socket], for engines to connect to
        self.held = []  # [socket.socket], bound to ports until ZeroMQ's are
        self.log.addFilter(is_worth_logging)

    def _log_level_default(self):
        return 30  # logging.WARNING; the default tells of every message

    def next_port(self, pool_name="common"):
        if pool_name == "engine" and self.inherited:
            sock = self.inherited.pop(0)
            port = sock.getsockname()[1]
            listening[port] = sock
            return port
        if self.ports or getattr(self, pool_name + "_ports", None):
            return super().next_port(pool_name)
        # A port chosen by the system, which gives it to nobody else as long as it is held.
        ip = "127.0.0.1" if pool_name == "common" else self.ip
        sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((ip, 0))
        self.held.append(sock)
        return sock.getsockname()[1]

    def bind(self, socket, url):
        if url == self.client_url("notification"):
            return None  # the hub takes another, see notifier_open()
        return bind(socket, url, curve_secretkey=self.curve_secretkey)

    def notifier_open(self):
        """The hub's bound socket for notifications (ZMQStream), which tells of all that subscribe."""
        notifier = self.context.socket(zmq.XPUB)
        notifier.setsockopt(zmq.XPUB_VERBOSE, 1)
        util.set_hwm(notifier, 0)
        bind(notifier, self.client_url("notification"), curve_secretkey=self.curve_secretkey)
        return ZMQStream(notifier, self.loop)

    def get_python_scheduler_args(self, name, scheduler_class, *args, **kwargs):
        if scheduler_class is task_scheduler.TaskScheduler:
            scheduler_class = Tasks
            Tasks.hub = self.hub
        elif scheduler_class is broadcast_scheduler.BroadcastScheduler:
            scheduler_class = Broadcasts
            Broadcasts.hub = self.hub
        return super().get_python_scheduler_args(name, scheduler_class, *args, **kwargs)

    def save_connection_dict(self, fname, cdict):
        directory = self.share if fname == self.engine_json_file else self.profile_dir.security_dir
        name = ENGINE_FILE if fname == self.engine_json_file else fname
        file_write(directory, name, json.dumps(cdict, indent=2))

    def cleanup_connection_files(self):
        pass  # they go with the session's directory

    def init_hub(self):
        super().init_hub()
        self.heartmonitor_process = types.SimpleNamespace(start=self.start_rest)

    def init_schedulers(self):
        self.mq_class = __name__ + ".Queue"
        super().init_schedulers()

    def start_rest(self):
        """The heart monitor, in this process; called where the stock controller starts its own."""
        ping = self.context.socket(zmq.XPUB)
        ping.setsockopt(zmq.XPUB_VERBOSE, 1)
        pong = self.context.socket(zmq.ROUTER)
        util.set_hwm(ping, 0)
        util.set_hwm(pong, 0)
        self.bind(ping, self.engine_url("hb_ping"))
        self.bind(pong, self.engine_url("hb_pong"))
        self.hub.beats = Beats(
            self.hub, ZMQStream(ping, self.loop), ZMQStream(pong, self.loop), parent=self,
            session=self.session, loop=self.loop, log=self.log)
        self.hub.beats.start()
        for queue in self.children:
            if not queue.bound.wait(BIND_TIMEOUT) or queue.error:
                sys.exit("ipcontroller: %s: %s" % (queue.name, queue.error or "no sockets bound"))
        for sock in self.held:
            sock.close()
        PeriodicCallback(self.hub.look, LOOK * 1000).start()
        self.loop.add_callback(self.hub.channel.say, "listening")

    def handle_line(self, line):
        """A line (str) of the head, in the channel's thread."""
        words = line.split()
        if words[:1] == ["expect"]:
            self.loop.add_callback(files_check, int(words[1]))
        elif words[:1] == ["gone"]:
            for worker in words[1:]:
                self.loop.add_callback(self.hub.gone, worker)
        elif words == ["end"]:
            self.loop.add_callback(self.loop.stop)


def files_check(engines):
    """Says where this process may not have as many open files as that many engines (int) need."""
    need = engines * ENGINE_FDS + OTHER_FDS
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit != resource.RLIM_INFINITY and need > limit:
        print("ipcontroller: %d engines need about %d open files, the limit is %d: some will not "
              "register" % (engines, need, limit), file=sys.stderr, flush=True)


def controller(channel, sockets):
    """The controller's process.  channel: preload.Channel; sockets: [listening socket.socket]."""
    if not sockets:
        sys.exit("ipcontroller: it was given no listening sockets: its recipe needs ports = 8")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    ip = sockets[0].getsockname()[0]
    zmq.Context.instance(io_threads=IO_THREADS)
    SessionHub.channel = channel
    controller_app.Hub = SessionHub
    # IPController waits a quarter of a second on its way, for sockets that are bound already.
    controller_app.time = types.SimpleNamespace(sleep=lambda seconds: None)
    util.bind = bind
    app = Controller()
    app.share = channel.share
    app.inherited = list(sockets)
    app.initialize([
        "--IPController.%s=%s" % item for item in {
            "ip": ip, "engine_ip": ip, "client_ip": ip, "location": ip,
            "transport": "tcp", "engine_transport": "tcp", "client_transport": "tcp",
            "monitor_transport": "inproc", "monitor_ip": "hub",
            "enable_curve": True, "use_threads": True, "broadcast_scheduler_depth": 0,
            "reuse_files": False, "restore_engines": False,
        }.items()] + ["--profile=" + profile(channel.kind)])
    channel.on_line(app.handle_line)
    app.start()


def profile(kind):
    """The IPython profile (str) whose client finds the controller of kind (str).

    It is the default one, so that ipp.Client() takes no arguments, but where mpi and ipyparallel
    are in one session: there mpi's engines are those of ipp.Client(profile="mpi").
    """
    kinds = os.environ.get("SPANK_JUPYTER_KINDS", "").split(",")
    return "mpi" if kind == "mpi" and "ipyparallel" in kinds else "default"
