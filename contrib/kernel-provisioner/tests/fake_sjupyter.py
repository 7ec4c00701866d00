# SPDX-License-Identifier: MIT
"""Stands in for sjupyter, squeue and scancel in the tests: a job is a directory, its kernel an
ipykernel of this host on unix sockets.  FAKE_NAME is the command that it stands for.

FAKE_DIR holds what it notes: ``calls``, one JSON line for each call.  FAKE_PLAN is what happens:
"serve", "fail" (the session fails), "wait" (the job waits for ever), "reject" (sbatch refuses),
"mute" (the proxy says nothing and ends), "gone" (the job has ended, its record says "draining"),
"allocation" (the job runs without a session).
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time

DIR = os.environ["FAKE_DIR"]
PLAN = os.environ.get("FAKE_PLAN", "serve")
STATE = os.path.join(os.environ["XDG_STATE_HOME"], "spank-jupyter")


def note(words):
    with open(os.path.join(DIR, "calls"), "a", encoding="utf-8") as file:
        file.write(json.dumps(words) + "\n")


def write_record(job_id, **fields):
    path = os.path.join(STATE, job_id)
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "part"), "w", encoding="utf-8") as file:
        json.dump(fields, file)
    os.rename(os.path.join(path, "part"), os.path.join(path, "session.json"))


def run():
    if PLAN == "reject":
        sys.exit("sbatch: error: invalid partition specified: nowhere")
    job_id = str(len([n for n in os.listdir(STATE) if n.isdigit()]) + 1 if os.path.isdir(STATE) else 1)
    if PLAN == "fail":
        write_record(job_id, state="failed", reason="no kernelspec \"klingon\"")
    elif PLAN == "gone":
        write_record(job_id, state="draining")
    elif PLAN != "wait":
        write_record(job_id, state="ready")
    print(job_id)


def die_with_parent():
    """In the child: its end comes with ours, also when we are killed (PR_SET_PDEATHSIG of
    prctl(2) is 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Kernel:
    def __init__(self, job_id, own):
        self.job_id, self.own = job_id, own
        self.base = os.path.join(DIR, f"job{job_id}-{os.getpid()}")
        os.makedirs(self.base, 0o700)
        self.file = os.path.join(self.base, "kernel.json")
        info = {"transport": "ipc", "ip": os.path.join(self.base, "kernel"), "key": "0" * 64,
                "signature_scheme": "hmac-sha256", "kernel_name": "python3"}
        for i, name in enumerate(("shell", "iopub", "stdin", "control", "hb")):
            info[f"{name}_port"] = i + 1
        with open(self.file, "w", encoding="utf-8") as file:
            json.dump(info, file)
        self.start()

    def start(self):
        self.child = subprocess.Popen([sys.executable, "-m", "ipykernel_launcher", "-f", self.file],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        for i in range(5):
            while not os.path.exists(os.path.join(self.base, f"kernel-{i + 1}")):
                if self.child.poll() is not None:
                    sys.exit("the kernel has ended")
                time.sleep(0.01)

    def stop(self):
        self.child.kill()
        self.child.wait()
        for i in range(5):
            try:
                os.unlink(os.path.join(self.base, f"kernel-{i + 1}"))
            except FileNotFoundError:
                pass

    def answer(self, order):
        note(["order", order])
        if order == "interrupt":
            self.child.send_signal(signal.SIGINT)
        elif order == "restart":
            self.stop()
        elif order == "listen":
            # jupyter_client has removed the sockets, which sjupyter makes anew; here they are
            # the kernel's own.
            self.start()
        elif order == "shutdown":
            self.stop()
            if self.own:
                write_record(self.job_id, state="ended", reason="told to")
        elif order == "status":
            return {"state": "ready", "restarts": 0, "reason": ""}
        else:
            return {"error": f"no such order: {order}"}
        return {"ok": True}


def proxy(job_id, words):
    if PLAN == "mute":
        sys.exit("sjupyter: the head of job 1: Connection refused")
    number = 2 if any(word.startswith("--new=") for word in words) else 1
    kernel = Kernel(job_id, own=number == 1)
    print(json.dumps({"ready": {"connection_file": kernel.file, "job_id": job_id,
                                "number": number}}), flush=True)
    for line in sys.stdin:
        print(json.dumps(kernel.answer(next(iter(json.loads(line))))), flush=True)
    kernel.stop()


def main():
    name = os.environ["FAKE_NAME"]
    note([name, *sys.argv[1:]])
    if name == "squeue":
        if PLAN == "gone":
            sys.exit("slurm_load_jobs error: Invalid job id specified")
        print("RUNNING|None|N/A" if PLAN == "allocation" else "PENDING|Priority|2030-01-01T00:00:00")
    elif name == "scancel":
        write_record(sys.argv[1], state="ended", reason="cancelled")
    elif sys.argv[1] == "run":
        run()
    elif sys.argv[1] == "start":
        write_record(sys.argv[2], state="ready")
    else:
        proxy(sys.argv[2], sys.argv[3:])


main()
