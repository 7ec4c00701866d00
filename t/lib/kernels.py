#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Uses several kernels of one job from the tests, as a Jupyter on the login host does.

    kernels.py beside JOBID KERNEL      two kernels in the session of JOBID, by the way to them
    kernels.py provisioner JOBID        two kernels in JOBID, by jupyter_client and the provisioner
    kernels.py own JOBID                the session's own kernel, and one more that outlives it

Started by t/56-kernels.bats with the Python of the virtual environment, PYTHONPATH leading to
contrib/kernel-provisioner, sjupyter in PATH, as the user.  Exit status 1 and a traceback when
something is not as it should be; else what was seen, a line for each.
"""

from __future__ import annotations

import queue
import sys
import time

sys.path.pop(0)  # beside this there is a jupyter_client.py

from jupyter_client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

from jupyter_spank_provisioner import SpankProvisioner
from jupyter_spank_provisioner.errors import KernelJobError
from jupyter_spank_provisioner.proxy import Proxy

DEADLINE = 120.0  # seconds


class EntryPoint:
    """What an installed package's entry point is."""

    name, value = "spank-provisioner", "jupyter_spank_provisioner:SpankProvisioner"

    @staticmethod
    def load() -> type:
        return SpankProvisioner


def client_of(proxy: Proxy) -> BlockingKernelClient:
    """Returns a client that is connected."""
    client = BlockingKernelClient()
    client.load_connection_info(proxy.connection_info)
    client.start_channels()
    client.wait_for_ready(timeout=DEADLINE)
    return client


def run(client: BlockingKernelClient, code: str) -> str:
    """Returns what the code has printed, or the name of what it has raised."""
    said = []

    def hook(message: dict) -> None:
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])

    reply = client.execute_interactive(code, timeout=DEADLINE, output_hook=hook)["content"]
    return "".join(said).strip() if reply["status"] == "ok" else reply["ename"]


def ready_again(proxy: Proxy) -> None:
    """Blocks until a kernel that was restarted is ready."""
    end = time.monotonic() + DEADLINE
    while proxy.order("status")["state"] != "ready":
        assert time.monotonic() < end, "not ready again"
        time.sleep(0.1)


def expect(what: str, seen: object, wanted: object) -> None:
    """Prints what was seen.  Raises AssertionError."""
    assert seen == wanted, f"{what}: {seen!r}, not {wanted!r}"
    print(f"{what}: {seen}", flush=True)


def beside(job: str, kernel: str) -> None:
    first = Proxy("sjupyter", job, new=kernel)
    second = Proxy("sjupyter", job, new=kernel)
    expect("numbers", (first.number, second.number), (1, 2))
    one, two = client_of(first), client_of(second)
    run(one, "x = 'one'")
    expect("the name of one in the other", run(two, "x"), "NameError")
    expect("processes", run(one, "import os; print(os.getpid())")
           != run(two, "import os; print(os.getpid())"), True)

    two.execute("import time\nwhile True: time.sleep(0.1)")
    reply, end = None, time.monotonic() + DEADLINE
    while reply is None and time.monotonic() < end:
        second.order("interrupt")  # again, if it came before the cell began
        try:
            reply = two.get_shell_msg(timeout=2)
        except queue.Empty:
            pass
    expect("interrupted", reply["content"]["ename"], "KeyboardInterrupt")
    second.order("restart")
    ready_again(second)
    two.stop_channels()
    two = client_of(second)
    expect("restarted", run(two, "import sys; print('time' in dir())"), "False")
    expect("the other was not", run(one, "print(x)"), "one")

    again = Proxy("sjupyter", job, number=1)
    expect("found again", run(client_of(again), "print(x)"), "one")
    again.close()

    second.order("shutdown")
    end = time.monotonic() + DEADLINE
    while second.alive() and time.monotonic() < end:
        time.sleep(0.1)
    expect("its way has ended", second.alive(), False)
    expect("the other goes on", run(one, "print(x)"), "one")
    expect("both are listed", [(k["number"], k["state"]) for k in first.order("kernels")["kernels"]],
           [(1, "ready"), (2, "ended")])
    first.close()


def provisioner(job: str) -> None:
    KernelProvisionerFactory.instance().provisioners["spank-provisioner"] = EntryPoint
    managers = []
    for _ in range(2):
        manager = KernelManager()
        manager._kernel_spec = KernelSpec(
            argv=["sjupyter"], display_name="t", language="python",
            metadata={"kernel_provisioner": {"provisioner_name": "spank-provisioner",
                                             "config": {"job_id": job}}})
        manager.start_kernel()
        managers.append(manager)
    one, two = managers
    expect("numbers", [m.provisioner._number for m in managers], [1, 2])
    clients = [m.client() for m in managers]
    for client in clients:
        client.start_channels()
        client.wait_for_ready(timeout=DEADLINE)
    run(clients[1], "x = 'two'")
    one.shutdown_kernel()
    expect("the other goes on", run(clients[1], "print(x)"), "two")
    two.restart_kernel()
    clients[1].wait_for_ready(timeout=DEADLINE)
    expect("restarted", run(clients[1], "x"), "NameError")
    two.shutdown_kernel()
    expect("both have ended", [m.is_alive() for m in managers], [False, False])


def own(job: str) -> None:
    first, second = Proxy("sjupyter", job), Proxy("sjupyter", job, new="python3")
    expect("numbers", (first.number, second.number), (1, 2))
    client = client_of(second)
    first.order("shutdown")
    end = time.monotonic() + DEADLINE
    while first.alive() and time.monotonic() < end:
        time.sleep(0.1)
    expect("its way has ended", first.alive(), False)
    try:
        Proxy("sjupyter", job)
        raise AssertionError("a kernel that has ended was reached")
    except KernelJobError as error:
        print(f"the first: {error}", flush=True)
    expect("the other goes on", run(client, "print(6 * 7)"), "42")
    print("wait", flush=True)
    assert sys.stdin.readline() == "go on\n"
    second.order("shutdown")


if __name__ == "__main__":
    {"beside": beside, "provisioner": provisioner, "own": own}[sys.argv[1]](*sys.argv[2:])
