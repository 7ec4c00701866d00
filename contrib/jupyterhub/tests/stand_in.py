# SPDX-License-Identifier: MIT
"""What the tests stand on: a munged, a Slurm, a hub (a process with a database) and a head that calls it.

munge, JupyterHub and its tokens are real; Slurm is the script beside this file; the head is a few lines here.
"""

import contextlib
import http.cookiejar
import http.server
import json
import os
import pwd
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(HERE)
MUNGE = os.path.join(PACKAGE, "jupyterhub_spank_spawner", "munge.py")

# Every wait of the tests ends here (seconds); the machine may be busy.
DEADLINE = 60.0


def wait_for(condition, what, deadline=DEADLINE):
    """Looks at `condition` (callable) until it is true.  Returns: its value."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "waited in vain: %s" % what
        time.sleep(0.05)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Munged:
    """A munged of our own.  Args: directory (str)."""

    def __init__(self, directory):
        self.directory = directory
        self.socket = os.path.join(directory, "munge.socket")
        self.key = os.path.join(directory, "key")
        self.process = None
        if not os.path.exists(self.key):
            with open(os.open(self.key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(os.urandom(128))

    def start(self):
        program = next(path for path in ("/usr/sbin/munged", "/sbin/munged", "/usr/bin/munged") if os.path.exists(path))
        command = [program, "--foreground", "--force", "--socket=" + self.socket, "--key-file=" + self.key]
        for name in ("pid-file", "seed-file", "log-file"):
            command.append("--%s=%s" % (name, os.path.join(self.directory, name)))
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: self.run(os.geteuid(), "encode", "x", "0", "60")[0], "munged answers")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def run(self, uid, action, data, *arguments):
        """Returns: (stdout or None, stderr), of mint.py."""
        command = [sys.executable, "-S", os.path.join(HERE, "mint.py"), MUNGE, self.socket, str(uid), action, *arguments]
        done = subprocess.run(command, input=data, capture_output=True, text=True)
        return (done.stdout if done.returncode == 0 else None), done.stderr


class Slurm:
    """The jobs.  Args: directory (str)."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(os.path.join(directory, "jobs"))
        for name in ("sbatch", "salloc", "squeue", "scancel", "scontrol"):
            os.symlink(os.path.join(HERE, "slurm"), os.path.join(directory, name))

    def _path(self, *names):
        return os.path.join(self.directory, *names)

    def numbers(self):
        return sorted(name for name in os.listdir(self._path("jobs")) if name.isdigit())

    def new(self, before):
        """The number of the job that is not in `before` (of numbers()), when it is there."""
        return wait_for(lambda: [number for number in self.numbers() if number not in before], "a job")[0]

    def submitted(self, number):
        """Returns: (argv (list), environment (dict)) that sbatch or salloc had."""
        path = self._path("jobs", number + ".submitted")
        wait_for(lambda: os.path.exists(path), "the submission")
        with open(path) as file:
            words = file.read().split("\0")
        # The last of them: salloc's own command comes after one.
        end = max(index for index, word in enumerate(words) if word == "--")
        return words[:end], dict(word.split("=", 1) for word in words[end + 1:])

    def state(self, number):
        with open(self._path("jobs", number)) as file:
            return file.read().split("|")[0]

    def set(self, number, state="RUNNING", user="daemon", start="N/A", nodes="n1", reason="None"):
        path = self._path("jobs", number)
        with open(path + ".new", "w") as file:
            file.write("%s|%d|%s|%s|%s" % (state, pwd.getpwnam(user).pw_uid, start, nodes, reason))
        os.rename(path + ".new", path)

    def remove(self, number):
        os.unlink(self._path("jobs", number))

    def calls(self, name):
        try:
            with open(self._path("calls")) as file:
                return [line for line in file if line.split()[0] == name]
        except OSError:
            return []

    @contextlib.contextmanager
    def fault(self, name, words=""):
        """down, refuse or slow, as the script has them, inside `with`."""
        with open(self._path(name), "w") as file:
            file.write(words)
        try:
            yield
        finally:
            os.unlink(self._path(name))


class Server:
    """A single-user server, as far as the hub looks at it."""

    def __init__(self, address="127.0.0.1"):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = b'{"version": "1"}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.address, self.port = self.http.server_address
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()


_CONFIG = """
import sys
sys.path[:0] = [{package!r}, {here!r}]
c.JupyterHub.spawner_class = "jupyterhub_spank_spawner.SpankSpawner"
c.JupyterHub.proxy_class = "memory_proxy.MemoryProxy"
c.JupyterHub.hub_bind_url = "{scheme}://127.0.0.1:{port}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = {{"daemon", "bin", "games"}}
c.JupyterHub.allow_named_servers = True
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.cleanup_servers = False
c.JupyterHub.log_level = "DEBUG"
c.JupyterHub.init_spawners_timeout = 1
c.JupyterHub.activity_resolution = 0
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0.5, "slow_stop_timeout": 0.5}}
c.JupyterHub.services = [{{"name": "tests", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [{{"name": "tests", "services": ["tests"],
    "scopes": ["admin:users", "admin:servers", "admin:server_state", "admin:groups", "delete:servers"]}}]
c.JupyterHub.load_groups = {{"gpu": ["bin"]}} if {groups_old} else {{"gpu": {{"users": ["bin"]}}}}
c.SpankHub.munge_socket = {munge!r}
c.SpankHub.queue_interval = 1
c.SpankSpawner.exec_prefix = []
c.SpankSpawner.min_uid = 1
c.SpankSpawner.poll_interval = 2
c.SpankSpawner.stop_session_command = "scancel {{job_id}}"
c.SpankSpawner.env_submit = ["PATH"]
"""


class Hub:
    """A hub with a database in `directory`; start() and kill() as often as a test likes."""

    def __init__(self, directory, munged, slurm, extra=""):
        from jupyterhub import version_info

        self.directory, self.munged, self.slurm = directory, munged, slurm
        self.token = secrets.token_hex(16)
        self.port = free_port()
        self.tls = "internal_ssl = True" in extra
        self.api = "%s://127.0.0.1:%d/hub/api" % ("https" if self.tls else "http", self.port)
        self.process = None
        self.version = version_info[0]
        self.routes_file = os.path.join(directory, "routes")
        config = _CONFIG.format(
            package=PACKAGE, here=HERE, port=self.port, scheme="https" if self.tls else "http", token=self.token, munge=munged.socket,
            groups_old=version_info[0] < 4,
        )
        with open(os.path.join(directory, "jupyterhub_config.py"), "w") as file:
            file.write(config + extra)

    def start(self):
        env = dict(os.environ, PATH=self.slurm.directory + ":" + os.environ["PATH"], MEMORY_PROXY_ROUTES=self.routes_file)
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", "jupyterhub_config.py"],
                cwd=self.directory, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        wait_for(self._answers, "the hub answers; its log is %s/log" % self.directory)

    def _answers(self):
        assert self.process.poll() is None, "the hub has ended:\n" + self.log()[-3000:]
        try:
            return self.call("GET", "/users/daemon")[0] in (200, 404)
        except OSError:
            return False

    def context(self):
        """What the proxy, behind which sessions are at first, shows to the hub with internal_ssl."""
        if not self.tls:
            return None
        directory = os.path.join(self.directory, "internal-ssl")
        context = ssl.create_default_context(cafile=os.path.join(directory, "proxy-client-ca_trust.crt"))
        name = os.path.join(directory, "proxy-client", "proxy-client")
        context.load_cert_chain(name + ".crt", name + ".key")
        return context

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def log(self):
        with open(os.path.join(self.directory, "log"), errors="replace") as file:
            return file.read()

    def routes(self):
        try:
            with open(self.routes_file) as file:
                return json.load(file)
        except OSError:
            return {}

    def call(self, method, path, body=None, token=None):
        """Returns: (status, parsed JSON or text), of JupyterHub's own interface, with the tests' rights."""
        request = urllib.request.Request(self.api + path, method=method)
        request.add_header("Authorization", "token " + (token or self.token))
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        return _open(request, self.context())[:2]

    def server(self, user, name=""):
        """The model of a server, None where the hub has none that runs or starts."""
        model = self.call("GET", "/users/" + user)[1]
        return model.get("servers", {}).get(name)

    def spawn(self, user, name="", options=None):
        """Returns: the number of the job that was submitted for it."""
        if self.call("GET", "/users/" + user)[0] == 404:
            assert self.call("POST", "/users/" + user)[0] == 201
        before = self.slurm.numbers()
        status, answer = self.call("POST", _path(user, name), options or {})
        assert status in (201, 202), answer
        return self.slurm.new(before)

    def refusal(self, user, name="", options=None):
        """Asks for a server that is refused, at once or a little later.  Returns: the words that the user gets."""
        status, answer = self.call("POST", _path(user, name), options or {})
        if status == 202:
            return Head(self, user, "0", "0", name).failure()
        assert status in (400, 403, 409), answer
        return answer["message"]

    def delete(self, user, name=""):
        status, answer = self.call("DELETE", _path(user, name))
        assert status in (202, 204), answer

    def browser(self, user):
        """A logged-in browser, without a screen.

        Returns: callable(path, fields or None, token or the page's own) -> (status, text).
        """
        jar = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

        def visit(path, fields=None, token=None):
            data = None
            if fields is not None:
                # Tied to who is logged in: the page before has set it.
                token = token or next(cookie.value for cookie in jar if cookie.name == "_xsrf")
                data = urllib.parse.urlencode(dict(fields, _xsrf=token), doseq=True).encode()
            try:
                with opener.open(self.api[:-len("/api")] + path, data, timeout=DEADLINE) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        visit("/login")
        # To the home page: JupyterHub's own next page would start a server.
        assert visit("/login?next=%2Fhub%2Fhome", {"username": user, "password": "x"})[0] == 200
        return visit

    def progress(self, user, name="", seconds=DEADLINE):
        """The events of a spawn (list of dict), until its end or until nothing more comes for so long."""
        request = urllib.request.Request(self.api + _path(user, name) + "/progress")
        request.add_header("Authorization", "token " + self.token)
        lines = []
        # A busy hub may not answer at all in that time.
        with contextlib.suppress(socket.timeout), urllib.request.urlopen(request, timeout=seconds) as answer:
            with contextlib.suppress(OSError):
                for line in answer:
                    lines.append(line.decode())
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def _path(user, name):
    return "/users/%s/servers/%s" % (user, name) if name else "/users/%s/server" % user


def _open(request, context):
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE, context=context) as answer:
            status, text, headers = answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        status, text, headers = error.code, error.read().decode(), error.headers
    try:
        return status, json.loads(text), headers
    except ValueError:
        return status, text, headers


class Head:
    """A session that calls the hub.

    Args: hub, user (str), job (str); spawn_id (str), and the server's name (str); without: an adopted job.
    """

    def __init__(self, hub, user, job, spawn_id=None, name=""):
        self.hub, self.user, self.job, self.restart = hub, user, job, 0
        self.name = name if spawn_id else "job-" + job
        self.uid = pwd.getpwnam(user).pw_uid
        self.who = {"spawn_id": spawn_id} if spawn_id else {"server": self.name}
        self.headers = {}

    @classmethod
    def of(cls, hub, user, name="", options=None):
        """The head in a job that the hub submits for it."""
        job = hub.spawn(user, name, options)
        return cls(hub, user, job, hub.slurm.submitted(job)[1]["SPANK_JUPYTER_SPAWN_ID"], name)

    def record(self, action, **fields):
        now = int(time.time())
        record = {
            "version": 1, "action": action, "cluster": "test", "job_id": self.job, "restart": self.restart,
            "user": self.user, "hub": self.hub.api, "nonce": secrets.token_hex(16), "issued": now,
            "expires": now + 300, **self.who,
        }
        record.update(fields)
        return {key: value for key, value in record.items() if value is not None}

    def credential(self, record, uid=None, to=None, ttl=300):
        data = record if isinstance(record, str) else json.dumps(record)
        to = os.geteuid() if to is None else to
        made, error = self.hub.munged.run(self.uid if uid is None else uid, "encode", data, str(to), str(ttl))
        assert made, error
        return made.strip()

    def post(self, body, **headers):
        """Returns: (status, answer, headers) as they come."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self.headers, **headers}
        request = urllib.request.Request(self.hub.api + "/spank-jupyter", data=data, headers=headers, method="POST")
        return _open(request, self.hub.context())

    def say(self, action, uid=None, **fields):
        """Returns: (status, payload of the answer or the refusal's words)."""
        record = self.record(action, **fields)
        status, answer, _ = self.post({"credential": self.credential(record, uid)})
        if status != 200:
            return status, answer.get("message") if isinstance(answer, dict) else answer
        text, error = self.hub.munged.run(self.uid if uid is None else uid, "decode", answer["credential"])
        assert text, error
        made_by, payload = text.split(" ", 1)
        payload = json.loads(payload)
        assert int(made_by) == os.geteuid() and payload["nonce"] == record["nonce"] and payload["known"] is True
        return status, payload

    def serving(self, server, **fields):
        values = {"ip": server.address, "port": server.port, "scheme": "http", "nodes": ["n1"], "head": "n1", "app": "lab"}
        values.update(fields)
        return self.say("serving", **values)

    def status(self, state, **fields):
        return self.say("status", **{"state": state, "reason": "", "phases": {}, "workers": [], **fields})

    def come_up(self, server):
        """From the first call to a server that is ready.  Returns: the server's environment."""
        environment = self.start()
        self.answer(server)
        return environment

    def start(self):
        """The job runs and its session has called.  Returns: the server's environment."""
        self.hub.slurm.set(self.job, user=self.user)
        status, answer = self.say("environment") if "spawn_id" in self.who else self.say("adopt", app="lab")
        assert status == 200, answer
        return answer["environment"]

    def answer(self, server):
        """The server answers, and its workers are there; the hub finds it."""
        for status, said in (self.serving(server), self.status("ready")):
            assert status == 200, said
        self.ready()
        wait_for(lambda: self.route() == "http://127.0.0.1:%d" % server.port, "the route")

    def route(self):
        """Where the proxy leads to, or None."""
        return self.hub.routes().get("/user/%s/%s" % (self.user, self.name + "/" if self.name else ""))

    def model(self):
        """What the hub says of the server; None where it neither runs nor starts."""
        return self.hub.server(self.user, self.name)

    def pending(self):
        """Waits until the hub knows the job's number."""
        wait_for(lambda: ((self.model() or {}).get("state") or {}).get("job_id") == self.job, "the hub knows the job")

    def ready(self):
        wait_for(lambda: (self.model() or {}).get("ready"), "the server %s is ready" % self.name)

    def gone(self):
        def stopped():
            model = self.model()
            return model is None or not model["ready"] and not model["pending"]

        wait_for(stopped, "the server %s is gone" % self.name)
        assert self.route() is None

    def delete(self):
        self.hub.delete(self.user, self.name)
        self.gone()

    def cancel(self):
        """The button of the progress page."""
        path = "/spank-jupyter/cancel/" + self.user + ("/" + self.name if self.name else "")
        assert self.hub.browser(self.user)(path, {})[0] == 200

    def cancelled(self):
        """Waits until the job is."""
        wait_for(lambda: self.hub.slurm.state(self.job) == "CANCELLED", "job %s is cancelled" % self.job)

    def progress(self, seconds=DEADLINE):
        """The spawn's events (list of dict), as of Hub.progress()."""
        return self.hub.progress(self.user, self.name, seconds)

    def told(self, words):
        """Waits until the page of the spawn, opened now, shows these words."""
        wait_for(lambda: words in "\n".join(event["message"] for event in self.progress(1.0)), "the words %r" % words)

    def failure(self):
        """What the user is told of a spawn that has failed."""
        self.gone()
        event = self.progress()[-1]
        assert event.get("failed"), event
        return event["message"]
