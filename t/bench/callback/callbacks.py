#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A thousand sessions that call a hub at once; see t/lib/hub-load.bash, which starts it.

    callbacks.py spawn API COUNT       as root: makes users and their servers; the hub's token is on stdin
    callbacks.py ready API COUNT       as root: waits until the hub has all of them ready; the same
    callbacks.py call PROGRAM API HUB_UID IP WAVE...
                                       as the user, on the node: one jupyter-hub-callback for each line
                                       "JOB SPAWN_ID" of stdin, which an empty one ends

A WAVE is `environment` or `serving`, said by all at once.  With `+restart` a tenth holds back; when half of all have
had their answer it prints "half", so that whoever has started it can kill the hub, and waits for a line of stdin,
after which the tenth find no hub, however quick it was with the others.  A line of JSON for each
wave follows: how many there were and were answered, median and worst seconds, and what was complained of.  Then
"done"; the servers are there until the end of stdin.
"""

import http.server
import json
import os
import pwd
import resource
import selectors
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

FIRST = 1000001
DEADLINE = 600.0  # seconds for a wave, and for anything else that is waited for
TOGETHER = 8  # requests at a time, of those that only prepare and check
PAGE = 200  # users in one answer of the hub's


def request(api, token, method, path, body=None):
    """Returns: parsed JSON of one of the hub's own answers.  Raises: urllib.error.URLError."""
    asked = urllib.request.Request(api + path, method=method)
    asked.add_header("Authorization", "token " + token)
    if body is not None:
        asked.data = json.dumps(body).encode()
    with urllib.request.urlopen(asked, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def together(function, items):
    """Calls function(item) for each item, a few at a time; the first exception ends the program."""
    failed = []
    items = iter(items)
    lock = threading.Lock()

    def work():
        while not failed:
            with lock:
                item = next(items, None)
            if item is None:
                return
            try:
                function(item)
            except (OSError, ValueError) as error:
                failed.append("%s: %s" % (item, error))

    threads = [threading.Thread(target=work) for _ in range(TOGETHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit("callbacks.py: " + failed[0])


def names(count):
    return ["u%d" % number for number in range(FIRST, FIRST + count)]


def spawn(api, token, count):
    """Users, and for each a server, which then waits to be called."""
    for begin in range(0, count, PAGE):
        request(api, token, "POST", "/users", {"usernames": names(count)[begin:begin + PAGE]})
    together(lambda name: request(api, token, "POST", "/users/%s/server" % name, {}), names(count))


def ready(api, token, count):
    """Prints {"ready": N} when all are, or how many there are at the deadline."""
    end = time.monotonic() + DEADLINE
    while True:
        model = []
        for offset in range(0, count + PAGE, PAGE):
            model += request(api, token, "GET", "/users?limit=%d&offset=%d" % (PAGE, offset))
        there = sum(1 for user in model if user["servers"].get("", {}).get("ready"))
        if there == count or time.monotonic() > end:
            print(json.dumps({"count": count, "ready": there}))
            return
        time.sleep(1)


class Server(http.server.BaseHTTPRequestHandler):
    """The server of all sessions, as far as the hub looks at it."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Listening(http.server.ThreadingHTTPServer):
    request_queue_size = 1024


def server_start(ip):
    """In a process of its own, which ends with this one.  Returns: port (int)."""
    server = Listening((ip, 0), Server)
    alive, end = os.pipe()
    if os.fork() == 0:
        os.close(end)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.read(alive, 1)
        os._exit(0)
    os.close(alive)
    server.socket.close()
    return server.server_address[1], end


class Session:
    """One jupyter-hub-callback."""

    def __init__(self, program, api, hub_uid, job, spawn_id):
        self.job, self.token, self.answered, self.said = job, None, None, []
        user = pwd.getpwuid(os.getuid()).pw_name
        # The spawn id is in the environment, as it is in a job.
        environment = dict(os.environ, SPANK_JUPYTER_SPAWN_ID=spawn_id)
        self.process = subprocess.Popen(
            [program, "run", "--mode=spawn", "--hub=" + api, "--hub-uid=" + hub_uid, "--user=" + user, "--job=" + job,
             "--restart=0", "--cluster=load"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment,
        )
        self.rest = b""

    def say(self, line):
        os.write(self.process.stdin.fileno(), line)

    def lines(self):
        """What has come (list of dict); None at the end."""
        part = os.read(self.process.stdout.fileno(), 65536)
        if not part:
            return None
        *lines, self.rest = (self.rest + part).split(b"\n")
        return [json.loads(line) for line in lines]


class Sessions:
    """All of them.  Args: words (list of str, those of the command line), jobs (of "JOB SPAWN_ID")."""

    def __init__(self, program, api, hub_uid, jobs):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = 2 * len(jobs) + 64
        if hard != resource.RLIM_INFINITY and hard < needed:
            sys.exit("callbacks.py: %d files may be open, %d are needed" % (hard, needed))
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
        self.selector = selectors.DefaultSelector()
        self.all = [Session(program, api, hub_uid, *job.split()) for job in jobs]
        for session in self.all:
            self.selector.register(session.process.stdout, selectors.EVENT_READ, session)

    def wave(self, key, line, on_half=None):
        """Says `line` (callable(Session) -> bytes) to all and waits until each has answered with `key`, or says
        that it has failed.  With `on_half` (callable) a tenth begins after that.  Returns: (seconds of each (list), words of those that failed (list), problems (set))."""
        problems, failures, times = set(), [], []
        waiting = {session.job for session in self.all}
        begun = time.monotonic()
        late = self.all[-(len(self.all) // 10 or 1):] if on_half else []

        def begin(sessions):
            for session in sessions:
                session.answered = time.monotonic()
                session.say(line(session))

        begin(self.all[:len(self.all) - len(late)])
        while waiting and time.monotonic() < begun + DEADLINE:
            for event, _ in self.selector.select(1.0):
                session = event.data
                said = session.lines()
                if said is None:
                    said = [{"failed": "the process has ended"}]
                    self.selector.unregister(event.fileobj)
                for answer in said:
                    if key in answer and session.job in waiting:
                        waiting.remove(session.job)
                        times.append(time.monotonic() - session.answered)
                        if "environment" in answer:
                            session.token = answer["environment"]["JUPYTERHUB_API_TOKEN"]
                    elif "problem" in answer and key != "problem":
                        problems.add(answer["problem"])
                    elif "failed" in answer or "orphan" in answer:
                        failures.append(str(answer))
                        waiting.discard(session.job)
                if on_half and 2 * len(times) >= len(self.all):
                    on_half()
                    on_half = None
                    begin(late)
        failures += ["no answer"] * len(waiting)
        return times, failures, problems

    def end(self):
        for session in self.all:
            session.process.stdin.close()
        for session in self.all:
            session.process.wait()


def half():
    print("half", flush=True)
    sys.stdin.readline()


def serving(ip, port):
    fields = {"event": "serving", "ip": ip, "port": port, "scheme": "http", "nodes": ["n1"], "head": "n1", "app": "lab"}
    return (json.dumps(fields) + "\n").encode()


def call(program, api, hub_uid, ip, waves):
    # Before the sessions, whose pipes it would hold open.
    port, server = server_start(ip)
    sessions = Sessions(program, api, hub_uid, list(iter(lambda: sys.stdin.readline().strip(), "")))
    # Each is there when it has complained of a line that is none.
    sessions.wave("problem", lambda session: b"there?\n")
    failed = False
    for wave in waves:
        action, _, restart = wave.partition("+")
        line = b'{"event": "environment"}\n' if action == "environment" else serving(ip, port)
        key = "environment" if action == "environment" else "registered"
        times, failures, problems = sessions.wave(key, lambda session: line, half if restart else None)
        result = {
            "wave": wave, "count": len(sessions.all), "answered": len(times), "failures": failures[:3],
            "problems": sorted(problems)[:5],
        }
        if times:
            result["median"], result["worst"] = statistics.median(times), max(times)
        if action == "environment":
            # Each has a token of its own, and the hub knows whose it is.
            tokens = {session.token: "u" + session.job for session in sessions.all if session.token}
            result["tokens"] = len(tokens)
            together(lambda token: check_token(api, token, tokens[token]), tokens)
        print(json.dumps(result), flush=True)
        failed = failed or len(times) != len(sessions.all) or bool(failures)
    # The servers have to be there as long as the hub looks for them.
    print("done", flush=True)
    sys.stdin.read()
    sessions.end()
    os.close(server)
    sys.exit(1 if failed else 0)


def check_token(api, token, name):
    if request(api, token, "GET", "/user")["name"] != name:
        raise ValueError("its token is another user's")


def main():
    command, words = sys.argv[1], sys.argv[2:]
    if command == "call":
        call(*words[:4], words[4:])
    else:
        {"spawn": spawn, "ready": ready}[command](words[0], sys.stdin.read().strip(), int(words[1]))


if __name__ == "__main__":
    main()
