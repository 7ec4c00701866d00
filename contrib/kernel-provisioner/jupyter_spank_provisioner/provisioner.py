# SPDX-License-Identifier: MIT
"""jupyter_client's kernel provisioner for kernels in Slurm jobs.

A kernel is a session of spank-jupyter with ``--jupyter=kernel``, made by a job of its own, or one
of several kernels in the session of a job that is there.  What jupyter_client asks of a kernel's process is asked of the
session's head, through the encrypted way that ``sjupyter kernel --proxy`` keeps open.  Runs in
the process of a Jupyter server or console, as the user.
"""

import asyncio
import os
import signal
import time

from jupyter_client.provisioning import KernelProvisionerBase
from traitlets import Float, List, Unicode

from .errors import KernelJobError
from .job import FINAL, LOOK_SECONDS, SERVING, Job
from .notebook_job import NotebookJob
from .proxy import Proxy
from .waiting import Waiting

WAIT_SECONDS = 0.2  # between two looks at whether it has ended
END_SECONDS = 10  # for a session that was told to end, before its job is cancelled
NOTE_SECONDS = 10  # between two looks at whether the notebook was renamed or saved
LOST = 1  # the exit code of a kernel that nobody has told to end


class SpankProvisioner(KernelProvisionerBase):
    """One kernel's job and the way to it."""

    kernel = Unicode("python3", config=True, help="the kernelspec on the nodes")
    sbatch_options = List(Unicode(), config=True, help="words for sbatch")
    job_id = Unicode("", config=True, help="start it in this job, which is there already")
    sjupyter = Unicode("sjupyter", config=True, help="the command")
    launch_timeout = Float(0, min=0, config=True,
                           help="seconds to wait for the job and its kernel; 0: for ever")
    restart_timeout = Float(120, min=1, config=True,
                            help="seconds for a kernel to be ready after a restart")

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._job = None
        self._number = None  # of the kernel in its session; None: the first
        self._proxy = None
        self._note = None  # of the job, for a Jupyter after this one; or None
        self._noted = 0.0  # when that was last brought up to date, of time.monotonic()
        self._environment = {}  # jupyter_client's, in which a rename of the notebook is told
        self._restarting = False  # told so, and its next launch is in the same job
        self._asked = False  # a person wants it to end, or to be started again
        self._ending = False  # its session was told to end
        self._exit = None  # its exit code, once it is over
        self._stopped = False
        self._lost = ""  # why it cannot be reached any more, as people were told

    # What jupyter_client asks for.

    @property
    def has_process(self):
        return self._job is not None

    async def pre_launch(self, **kwargs):
        self._environment = kwargs.get("env") or {}
        kwargs = await super().pre_launch(**kwargs)
        kwargs["cmd"] = []  # its kernelspec on the nodes has its command
        return kwargs

    async def launch_kernel(self, cmd, **kwargs):
        self._stopped = False
        if self._proxy is not None and self._restarting:
            await self._thread(self._relaunch)
        elif self._exit == LOST and not self._asked:
            try:
                await self._thread(self._find_again)
            except KernelJobError as error:
                self._tell_lost(error)
                return self.connection_info  # dead: jupyter_client asks a few times, then says so
        else:
            await self._thread(self._let_go)
            await self._launch(kwargs.get("env") or dict(os.environ))
        self._restarting = self._asked = False
        self._exit, self._lost = None, ""
        return self.connection_info

    async def poll(self):
        if self._job is None:
            return 0
        if self._exit is None and self._proxy is not None and not self._proxy.alive():
            self._exit = LOST
        await self._update_note()
        return self._exit

    async def wait(self):
        while await self.poll() is None:
            await asyncio.sleep(WAIT_SECONDS)
        return self._exit  # cleanup() lets go of it

    async def send_signal(self, signum):
        if await self.poll() is not None:
            return  # as for a process that has just ended
        if signum == signal.SIGINT and self._proxy is not None:
            await self._order("interrupt")
        elif signum == signal.SIGTERM:
            await self.terminate()
        elif signum == signal.SIGKILL:
            await self.kill()
        # Others mean nothing to a kernel elsewhere; 0 asks whether it is there.

    async def shutdown_requested(self, restart=False):
        self._asked = True
        await self._end(restart)

    async def terminate(self, restart=False):
        await self._end(restart)

    async def kill(self, restart=False):
        self._stopped = True
        await self._end(restart)

    async def cleanup(self, restart=False):
        if not restart:
            await self._thread(self._let_go)
            self._job = None

    async def get_provisioner_info(self):
        info = await super().get_provisioner_info()
        info.update(job_id=self._job.job_id if self._job else "",
                    own_job=bool(self._job and self._job.own), number=self._number)
        return info

    async def load_provisioner_info(self, provisioner_info):
        """Attaches to the job again: its kernel is as it was, its sockets here are new ones.
        Raises KernelJobError when it is no more."""
        await super().load_provisioner_info(provisioner_info)
        self._job = Job(str(provisioner_info["job_id"]), bool(provisioner_info["own_job"]))
        self._number = int(provisioner_info.get("number") or 1)
        await self._thread(self._open)
        self._exit = None

    def get_shutdown_wait_time(self, recommended=5.0):
        # The head gives the kernel its time itself, and answers through a network.
        return max(recommended, 10.0)

    def get_stable_start_time(self, recommended=10.0):
        return max(recommended, 30.0)

    # How it is done: blocking, in threads.

    @staticmethod
    async def _thread(function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)

    async def _launch(self, environment):
        """A job and the way to its kernel.  A launch that is given up ends its job."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting()
        if self.job_id:
            self._job = Job(self.job_id, own=False)
        else:
            self._job = await self._thread(self._find_or_submit, environment)
        job_id = self._job.job_id
        self._number = None
        bounds = (self.launch_timeout,
                  lambda words: loop.call_soon_threadsafe(waiting.say, job_id, words),
                  lambda: self._stopped)
        new = None
        try:
            if self._job.own:
                looks = self._job.wait(*bounds)
                # A thread that went on would keep a Jupyter that was told to end from it.
                while await self._thread(next, looks, True) is None:
                    await asyncio.sleep(LOOK_SECONDS)
            elif not await self._thread(self._job.join, self.sjupyter, self.kernel, *bounds):
                new = self.kernel
            await self._thread(self._open, new)
        except BaseException as error:
            waiting.end(error)
            self._stopped = True
            job, self._job = self._job, None
            self._forget()
            try:
                job.cancel()
            except KernelJobError as problem:
                self.log.warning("job %s may go on: %s", job.job_id, problem)
            raise
        waiting.end()

    def _find_or_submit(self, environment):
        """The notebook's job, where a Jupyter that was killed has left one, or a new one."""
        notebook = environment.get("JPY_SESSION_NAME")  # set by jupyter_server
        if notebook:
            self._note = NotebookJob.take(notebook, (self.kernel_spec.display_name, self.kernel,
                                                     list(self.sbatch_options)))
        job = self._note.job() if self._note else None
        if job is not None:
            self.log.info("kernel %s is job %s again", self.kernel_id, job.job_id)
            return job
        try:
            job = Job.submit(self.sjupyter, self.kernel, list(self.sbatch_options), environment)
        except BaseException:
            self._forget()
            raise
        self.log.info("kernel %s is job %s", self.kernel_id, job.job_id)
        if self._note:
            self._note.write(job.job_id)
        return job

    async def _update_note(self):
        """jupyter_server tells by KernelManager.update_env() what the notebook's path is now."""
        note, notebook = self._note, self._environment.get("JPY_SESSION_NAME")
        if note is None or not notebook or time.monotonic() - self._noted < NOTE_SECONDS:
            return
        self._noted = time.monotonic()
        await self._thread(note.refresh, notebook)

    def _forget(self):
        """Nobody is to find the job again."""
        note, self._note = self._note, None
        if note is not None:
            note.remove()

    def _open(self, new=None):
        self._proxy = Proxy(self.sjupyter, self._job.job_id, self._number, new)
        self._number = self._proxy.number
        self.connection_info = self._proxy.connection_info

    def _tell_lost(self, error):
        """To people, once for each reason (KernelJobError)."""
        if str(error) != self._lost:
            self._lost = str(error)
            self._forget()
            self._waiting().end(error)
            self.log.error("%s", error)

    def _waiting(self):
        return Waiting(self.parent, self.kernel_id, self.kernel_spec.display_name, self.log)

    def _find_again(self):
        """The way to the kernel was lost.  Where its session goes on there is a new one; where it
        has ended, nobody but a person decides about another job."""
        state, reason = self._job.state()
        if state not in SERVING:
            raise KernelJobError(f"the kernel of job {self._job.job_id} has ended"
                                 f"{': ' if reason else ''}{reason}; restart it for a new job")
        if self._proxy is not None:
            self._proxy.close()
        self._open()

    def _relaunch(self):
        """The head has been told to restart it: waits until it has."""
        # jupyter_client has removed the sockets of what it takes for a kernel of this host.
        self._proxy.order("listen")
        deadline = time.monotonic() + self.restart_timeout
        while True:
            status = self._proxy.order("status")
            if status.get("state") == "ready":
                return
            if time.monotonic() > deadline:
                raise KernelJobError(f"the kernel of job {self._job.job_id} is not ready "
                                     f"{self.restart_timeout:g} s after its restart: "
                                     f"{status.get('reason') or status.get('state')}")
            time.sleep(WAIT_SECONDS)

    async def _order(self, name):
        await self._thread(self._proxy.order, name)

    async def _end(self, restart):
        """The kernel is to end, to be started again in the same job or not.  Once is enough."""
        if self._job is None or self._exit is not None:
            return
        if self._proxy is None:  # still being launched: launch_kernel() cleans up
            self._stopped = True
            return
        try:
            await self._order("restart" if restart else "shutdown")
            self._ending = not restart
        except KernelJobError as error:
            self.log.warning("kernel of job %s: %s", self._job.job_id, error)
            restart = False
        self._restarting = restart
        self._exit = 0

    def _let_go(self):
        """Of the way to it, and of the job if that was made for it."""
        proxy, self._proxy = self._proxy, None
        job, ending = self._job, self._ending
        self._ending = False
        self._forget()
        if job is not None and job.own:
            end = time.monotonic() + (END_SECONDS if ending else 0)
            while (job.state()[0] not in FINAL and time.monotonic() < end
                   and not job.has_others(self._number)):
                time.sleep(WAIT_SECONDS)
            if job.has_others(self._number):
                self.log.info("job %s goes on: it has other kernels", job.job_id)
            elif job.state()[0] not in FINAL:
                try:
                    job.cancel()
                except KernelJobError as error:
                    self.log.warning("job %s may go on: %s", job.job_id, error)
        if proxy is not None:
            proxy.close()
