# SPDX-License-Identifier: MIT
"""The provisioner under jupyter_client's own managers, with a stand-in for sjupyter and Slurm.

    PYTHONPATH=. python -m unittest discover -s tests
"""

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import unittest
import unittest.mock

from jupyter_client.ioloop import AsyncIOLoopKernelManager
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

from jupyter_spank_provisioner import SpankProvisioner
from jupyter_spank_provisioner.errors import KernelJobError
from jupyter_spank_provisioner.job import Job, state_directory
from jupyter_spank_provisioner.notebook_job import NotebookJob
from jupyter_spank_provisioner.waiting import SCHEMA, SCHEMA_ID, Waiting, register

HERE = os.path.dirname(os.path.abspath(__file__))
WAIT = 60  # seconds, for what must happen


class EntryPoint:
    """What an installed package's entry point is."""

    name, value = "spank-provisioner", "jupyter_spank_provisioner:SpankProvisioner"

    @staticmethod
    def load():
        return SpankProvisioner


class World(unittest.IsolatedAsyncioTestCase):
    """A directory with the stand-ins in PATH."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="prov.", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.dir, True)
        for name in ("sjupyter", "squeue", "scancel"):
            path = os.path.join(self.dir, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"#!{sys.executable}\n"
                           f"import os, runpy\nos.environ['FAKE_NAME'] = {name!r}\n"
                           f"runpy.run_path({os.path.join(HERE, 'fake_sjupyter.py')!r})\n")
            os.chmod(path, 0o755)
        self.old = dict(os.environ)
        self.addCleanup(self.restore)
        os.environ.update(PATH=self.dir + os.pathsep + os.environ["PATH"], FAKE_DIR=self.dir,
                          XDG_STATE_HOME=os.path.join(self.dir, "state"), FAKE_PLAN="serve")
        factory = KernelProvisionerFactory.instance()
        factory.provisioners["spank-provisioner"] = EntryPoint

    def restore(self):
        os.environ.clear()
        os.environ.update(self.old)

    def calls(self, name):
        with open(os.path.join(self.dir, "calls"), encoding="utf-8") as file:
            return [words[1:] for words in map(json.loads, file) if words[0] == name]

    def manager(self, kind=AsyncKernelManager, **config):
        spec = KernelSpec(argv=["sjupyter", "kernel", "--proxy"], display_name="t", language="python",
                          metadata={"kernel_provisioner": {
                              "provisioner_name": "spank-provisioner", "config": config}})
        manager = kind(connection_file=os.path.join(self.dir, "km.json"))
        manager._kernel_spec = spec
        return manager

    async def client(self, manager):
        client = manager.client()
        client.start_channels()
        self.addCleanup(client.stop_channels)
        await client.wait_for_ready(timeout=WAIT)
        return client


class Kernels(World):
    async def test_life(self):
        manager = self.manager(kernel="python3", sbatch_options=["-N4", "-t", "1:00"])
        await manager.start_kernel()
        self.assertEqual(self.calls("sjupyter")[0],
                         ["run", "--no-wait", "--output=/dev/null", "-N4", "-t", "1:00",
                          "--jupyter=kernel:python3"])
        self.assertTrue(await manager.is_alive())
        client = await self.client(manager)
        reply = await client.execute_interactive("x = 6 * 7", timeout=WAIT)
        self.assertEqual(reply["content"]["status"], "ok")

        client.execute("import time\ntime.sleep(600)")
        await asyncio.sleep(0.5)  # it may come before the cell begins; then it is sent again
        deadline = time.monotonic() + WAIT
        reply = None
        while reply is None and time.monotonic() < deadline:
            await manager.interrupt_kernel()
            try:
                reply = await client.get_shell_msg(timeout=2)
            except Exception as error:  # queue.Empty
                self.assertEqual(type(error).__name__, "Empty")
        self.assertEqual(reply["content"]["ename"], "KeyboardInterrupt")

        await manager.restart_kernel()
        self.assertIn(["listen"], self.calls("order"))
        await client.wait_for_ready(timeout=WAIT)  # by itself: the sockets' paths are as before
        reply = await client.execute_interactive("x", timeout=WAIT)
        self.assertEqual(reply["content"]["ename"], "NameError")
        self.assertEqual(len([c for c in self.calls("sjupyter") if c[0] == "run"]), 1)

        await manager.shutdown_kernel()
        self.assertFalse(await manager.is_alive())
        self.assertIn(["shutdown"], self.calls("order"))
        self.assertEqual(self.calls("scancel"), [])

    async def test_kill(self):
        manager = self.manager()
        await manager.start_kernel()
        await manager.shutdown_kernel(now=True)
        self.assertFalse(await manager.is_alive())
        self.assertFalse(manager.has_kernel)

    async def test_lost_way_is_found_again(self):
        manager = self.manager()
        await manager.start_kernel()
        provisioner = manager.provisioner
        provisioner._proxy._child.kill()
        provisioner._proxy._child.wait()
        self.assertFalse(await manager.is_alive())
        await manager.restart_kernel(now=True)
        self.assertTrue(await manager.is_alive())
        self.assertEqual(len([c for c in self.calls("sjupyter") if c[0] == "run"]), 1)
        await manager.shutdown_kernel()

    async def lose(self, manager):
        """Its job ends, as at its time limit, and the way to it."""
        manager.provisioner._job.cancel()
        manager.provisioner._proxy._child.kill()
        manager.provisioner._proxy._child.wait()
        self.assertFalse(await manager.is_alive())

    async def test_no_new_job_unasked(self):
        manager = self.manager()
        await manager.start_kernel()
        await self.lose(manager)
        with self.assertLogs(manager.log, "ERROR") as logs:
            await manager.restart_kernel(now=True)
        self.assertIn("has ended: cancelled; restart it for a new job", logs.output[0])
        self.assertFalse(await manager.is_alive())
        self.assertEqual(len([c for c in self.calls("sjupyter") if c[0] == "run"]), 1)
        await manager.restart_kernel()  # as a person does
        self.assertTrue(await manager.is_alive())
        self.assertEqual(len([c for c in self.calls("sjupyter") if c[0] == "run"]), 2)
        await manager.shutdown_kernel()

    async def test_restarter_calls_it_dead(self):
        """What jupyter_server has, which shows the kernel as dead then."""
        manager = self.manager(AsyncIOLoopKernelManager)
        manager.config.KernelRestarter.time_to_dead = 0.1
        await manager.start_kernel()
        dead = asyncio.Event()
        manager.add_restart_callback(dead.set, "dead")
        await self.lose(manager)
        await asyncio.wait_for(dead.wait(), WAIT)
        await manager.shutdown_kernel(now=True)

    async def test_attached_again(self):
        manager = self.manager()
        await manager.start_kernel()
        info = json.loads(json.dumps(await manager.provisioner.get_provisioner_info(), default=str))
        self.assertEqual((info["job_id"], info["own_job"]), ("1", True))
        other = SpankProvisioner(kernel_id="k", kernel_spec=manager.kernel_spec)
        await other.load_provisioner_info(info)
        self.assertIsNone(await other.poll())
        self.assertEqual(other.connection_info["kernel_name"], "python3")
        other._proxy.close()
        await manager.shutdown_kernel()

    def write_record(self, job_id, **fields):
        path = os.path.join(state_directory(), job_id)
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, "session.json"), "w", encoding="utf-8") as file:
            json.dump(fields, file)

    async def test_in_a_session(self):
        self.write_record("77", state="serving")
        manager = self.manager(job_id="77", kernel="ir")
        await manager.start_kernel()
        self.assertEqual(self.calls("sjupyter"), [["kernel", "77", "--proxy", "--new=ir"]])
        info = await manager.provisioner.get_provisioner_info()
        self.assertEqual((info["number"], info["own_job"]), (2, False))
        await manager.shutdown_kernel()
        self.assertIn(["shutdown"], self.calls("order"))
        self.assertEqual(self.calls("scancel"), [])

    async def test_in_an_allocation(self):
        os.environ["FAKE_PLAN"] = "allocation"
        manager = self.manager(job_id="78")
        await manager.start_kernel()
        self.assertEqual(self.calls("sjupyter"),
                         [["start", "78", "--jupyter=kernel:python3", "--no-wait"],
                          ["kernel", "78", "--proxy"]])
        other = self.manager(job_id="78")
        await other.start_kernel()
        self.assertEqual(self.calls("sjupyter")[2:], [["kernel", "78", "--proxy", "--new=python3"]])
        await other.shutdown_kernel()
        await manager.shutdown_kernel()
        self.assertEqual(self.calls("scancel"), [])

    async def test_others_keep_the_job(self):
        manager = self.manager()
        await manager.start_kernel()
        provisioner = manager.provisioner
        order = provisioner._order

        async def told(name):
            await order(name)
            self.write_record("1", state="degraded", kernels=[{"number": 1, "state": "ended"},
                                                              {"number": 2, "state": "ready"}])
        provisioner._order = told
        await manager.shutdown_kernel()
        self.assertIn(["shutdown"], self.calls("order"))
        self.assertEqual(self.calls("scancel"), [])


class Notebooks(World):
    """A Jupyter after one that was killed."""

    async def start(self, notebook, **config):
        manager = self.manager(**config)
        await manager.start_kernel(env={**os.environ, "JPY_SESSION_NAME": notebook})
        return manager

    def killed(self, manager):
        """What is left when a Jupyter is: its descriptors are closed."""
        provisioner = manager.provisioner
        provisioner._proxy.close()
        os.close(provisioner._note._fd)

    async def test_found_again(self):
        first = await self.start("/a.ipynb")
        self.killed(first)
        second = await self.start("/a.ipynb")
        self.assertEqual(second.provisioner._job.job_id, "1")
        for notebook, config in (("/b.ipynb", {}), ("/a.ipynb", {"sbatch_options": ["-N2"]})):
            other = await self.start(notebook, **config)
            self.assertNotEqual(other.provisioner._job.job_id, "1")
            await other.shutdown_kernel()
        await second.shutdown_kernel()
        self.assertEqual(os.listdir(os.path.join(state_directory(), "notebooks")), [])

    async def test_of_a_jupyter_that_runs(self):
        first = await self.start("/a.ipynb")
        second = await self.start("/a.ipynb")
        self.assertEqual(second.provisioner._job.job_id, "2")
        await second.shutdown_kernel()
        await first.shutdown_kernel()

    async def test_ended_meanwhile(self):
        first = await self.start("/a.ipynb")
        self.killed(first)
        first.provisioner._job.cancel()
        second = await self.start("/a.ipynb")
        self.assertEqual(second.provisioner._job.job_id, "2")
        await second.shutdown_kernel()

    async def test_failed_submission_leaves_no_note(self):
        os.environ["FAKE_PLAN"] = "reject"
        with self.assertRaises(KernelJobError):
            await self.start("/a.ipynb")
        self.assertEqual(os.listdir(os.path.join(state_directory(), "notebooks")), [])

    def notebook(self, name, ids=("a", "b")):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"cells": [{"cell_type": "code", "id": one} for one in ids]}, file)
        return path

    async def other_job(self, path, of="1"):
        """Starts the notebook's kernel, which is not this job, and ends it."""
        other = await self.start(path)
        self.assertNotEqual(other.provisioner._job.job_id, of)
        await other.shutdown_kernel()

    async def test_renamed_while_away(self):
        old, new = self.notebook("old.ipynb"), os.path.join(self.dir, "new.ipynb")
        self.killed(await self.start(old))
        shutil.copy(old, new)
        await self.other_job(new)  # a copy
        os.unlink(new)
        os.link(old, new)
        await self.other_job(new)  # another name
        os.unlink(old)
        second = await self.start(new)
        self.assertEqual(second.provisioner._job.job_id, "1")
        self.assertEqual(len(os.listdir(os.path.join(state_directory(), "notebooks"))), 1)
        await self.other_job(self.notebook("old.ipynb"))
        await second.shutdown_kernel()
        self.assertEqual(os.listdir(os.path.join(state_directory(), "notebooks")), [])

    async def test_inode_of_another(self):
        """The file was deleted, and a new one has its inode."""
        old, new = self.notebook("old.ipynb"), os.path.join(self.dir, "new.ipynb")
        self.killed(await self.start(old))
        os.rename(old, new)
        for ids in ((), ("c",), (1, None, "")):
            self.notebook("new.ipynb", ids)
            await self.other_job(new)
        for text in ("", "[]", '{"cells": [1]}', '{"cells": 1}', "[" * 100000):
            with open(new, "w", encoding="utf-8") as file:
                file.write(text)
            await self.other_job(new)
        self.notebook("new.ipynb", ("c", "b"))
        second = await self.start(new)
        self.assertEqual(second.provisioner._job.job_id, "1")
        await second.shutdown_kernel()

    async def test_renamed_and_saved_before(self):
        """While the first Jupyter ran, as jupyter_server tells it."""
        old, new = self.notebook("old.ipynb", ()), os.path.join(self.dir, "new.ipynb")
        first = await self.start(old)
        with unittest.mock.patch("jupyter_spank_provisioner.provisioner.NOTE_SECONDS", 0):
            os.rename(old, new)
            first.update_env(env={"JPY_SESSION_NAME": new})
            self.assertTrue(await first.is_alive())
            await self.other_job(old)
            self.notebook("new.ipynb", ("c",))
            self.assertTrue(await first.is_alive())
        self.killed(first)
        newest = os.path.join(self.dir, "newest.ipynb")
        os.rename(new, newest)
        second = await self.start(newest)
        self.assertEqual(second.provisioner._job.job_id, "1")
        await second.shutdown_kernel()
        self.assertEqual(os.listdir(os.path.join(state_directory(), "notebooks")), [])

    async def test_renamed_in_a_jupyter_that_runs(self):
        old, new = self.notebook("old.ipynb"), os.path.join(self.dir, "new.ipynb")
        first = await self.start(old)
        os.rename(old, new)
        await self.other_job(new)  # before it was told
        await first.shutdown_kernel()
        self.assertEqual(os.listdir(os.path.join(state_directory(), "notebooks")), [])

    def test_others_cannot_write_beside_the_records(self):
        """Where the user's umask lets his group write, as it often does: the session's own programs refuse such a
        directory, and the session would have no record."""
        self.addCleanup(os.umask, os.umask(0o002))
        state = os.environ["XDG_STATE_HOME"]
        self.assertIsNotNone(NotebookJob.take(self.notebook("n.ipynb"), "k"))
        self.assertEqual(self.modes(state), {0o700})
        shutil.rmtree(state)
        os.environ["FAKE_PLAN"] = "allocation"
        self.assertTrue(Job("77", own=False).join("sjupyter", "ir", WAIT, print, lambda: False))
        self.assertEqual(self.modes(state), {0o700})

    @staticmethod
    def modes(top):
        return {os.stat(root).st_mode & 0o777 for root, _, _ in os.walk(top)}

    def test_notes(self):
        """What others may have written."""
        path = self.notebook("n.ipynb")
        for text in ("", "{}", "[]", "null", '{"job_id": "1; rm"}', '{"job_id": null}', "\xff" * 5000,
                     "[" * 5000, '{"notebook": 1, "inode": [], "cells": {}}',
                     '{"notebook": "\\u0000", "inode": %d, "cells": [[], "a"]}' % os.stat(path).st_ino):
            note = NotebookJob.take(path, "k")
            os.pwrite(note._fd, text.encode("latin-1"), 0)
            self.assertIsNone(note.job())
            other = NotebookJob.take(path + "2", "k")
            self.assertIsNone(other.job())
            other.remove()
            note.remove()
            note.refresh(path)
        self.assertEqual(os.listdir(os.path.join(state_directory(), "notebooks")), [])


class Events:
    """jupyter_server's event_logger, as far as it is used."""

    def __init__(self):
        self.schemas, self.emitted = [], []

    def register_event_schema(self, schema):
        self.schemas.append(schema["$id"])

    def emit(self, schema_id, data):
        assert set(data) == set(SCHEMA["required"]) and schema_id == SCHEMA_ID
        self.emitted.append((data["job_id"], data["state"], data["message"]))


class Told(unittest.TestCase):
    """Why a job waits."""

    def setUp(self):
        self.event_logger = Events()
        register(self)
        register(self)
        self.assertEqual(self.event_logger.schemas, [SCHEMA_ID])

    def test_events(self):
        waiting = Waiting(self, "k", "name", logging.getLogger("told"))
        with self.assertLogs("told", "INFO") as logs:
            waiting.say("1", "in the queue")
            waiting.say("1", "in the queue")
        self.assertEqual(len(logs.output), 1)
        waiting.end()
        self.assertEqual(self.event_logger.emitted, [("1", "waiting", "in the queue")] * 2 +
                         [("1", "ready", "")])

    def test_no_waiting(self):
        Waiting(self, "k", "name", logging.getLogger("told")).end()
        self.assertEqual(self.event_logger.emitted, [])

    def test_failed(self):
        waiting = Waiting(self, "k", "name", logging.getLogger("told"))
        waiting.say("1", "in the queue")
        waiting.end(KernelJobError("cancelled"))
        self.assertEqual(self.event_logger.emitted[-1], ("1", "failed", "cancelled"))

    def test_without_a_server(self):
        waiting = Waiting(None, "k", "name", logging.getLogger("told"))
        waiting.say("1", "in the queue")
        waiting.end()


class Failures(World):
    async def start_fails(self, plan, words, **config):
        os.environ["FAKE_PLAN"] = plan
        manager = self.manager(**config)
        with self.assertRaisesRegex(KernelJobError, words):
            await manager.start_kernel()
        self.assertFalse(manager.has_kernel)

    async def test_rejected(self):
        await self.start_fails("reject", "invalid partition specified: nowhere")

    async def test_failed(self):
        await self.start_fails("fail", 'job 1 has failed: no kernelspec "klingon"')
        self.assertEqual(self.calls("scancel"), [["1"]])

    async def test_mute(self):
        await self.start_fails("mute", "Connection refused")
        self.assertEqual(self.calls("scancel"), [["1"]])

    async def test_too_long(self):
        await self.start_fails("wait", "no kernel after 0.5 s", launch_timeout=0.5)
        self.assertEqual(self.calls("scancel"), [["1"]])

    async def test_no_command(self):
        await self.start_fails("serve", "nowhere/sjupyter: No such file", sjupyter="/nowhere/sjupyter")

    async def test_killed_while_waiting(self):
        os.environ["FAKE_PLAN"] = "wait"
        manager = self.manager()
        start = asyncio.ensure_future(manager.start_kernel())
        deadline = time.monotonic() + WAIT
        while not (manager.provisioner and manager.provisioner.has_process):
            self.assertLess(time.monotonic(), deadline)
            await asyncio.sleep(0.01)
        await manager.provisioner.send_signal(signal.SIGKILL)
        with self.assertRaisesRegex(KernelJobError, "not waited for any longer"):
            await start
        self.assertEqual(self.calls("scancel"), [["1"]])

    def test_words(self):
        os.environ["FAKE_PLAN"] = "wait"
        said = []
        job = Job.submit("sjupyter", "python3", [], dict(os.environ))
        with self.assertRaisesRegex(KernelJobError, "not waited for any longer"):
            list(job.wait(WAIT, said.append, lambda: bool(said), ask=0))
        self.assertEqual(said, ["job 1: it waits in the queue (Priority), starts about "
                                "2030-01-01T00:00:00"])

    def test_gone_with_a_session(self):
        """A head that was killed has not written the record's end."""
        os.environ["FAKE_PLAN"] = "gone"
        job = Job.submit("sjupyter", "python3", [], dict(os.environ))
        with self.assertRaisesRegex(KernelJobError, "job 1 has ended when its session is draining"):
            next(job.wait(WAIT, lambda words: None, lambda: False, ask=0))

    def test_number(self):
        for text in ("", "1; rm -rf /", "-1", "12a", "\u0661"):
            with self.assertRaises(KernelJobError):
                Job(text)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    unittest.main()
