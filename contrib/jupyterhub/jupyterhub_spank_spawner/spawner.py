# SPDX-License-Identifier: MIT
"""The spawner: a Slurm job for each server, submitted with sbatch or held by salloc, or a user's own.

In the hub's process.  The job is told a spawn id only; the session that starts in it asks for the server's
environment, and says itself where it is (handler.py, session.py).
"""

import asyncio
import contextlib
import grp
import os
import pwd
import re
import shlex
import time

from jupyterhub.spawner import Spawner
from jupyterhub.utils import url_escape_path
from sqlalchemy import inspect
from traitlets import default

from . import environment, form, limits, progress, submit
from .adopt import forget
from .command import CommandFailed, run
from .errors import Refused
from .queue import FOREIGN, Job
from .resume import resume
from .service import service_of
from .session import SessionCalls
from .settings import SpankSettings
from .state import State
from .submit import Submission

# Seconds between two attempts of scancel, and to look whether a job has ended.
_RETRY = 2.0

# Seconds that a job has to end in when its session has.
_GRACE = 20.0

# Names of servers that only adopted jobs have.
_ADOPTED = re.compile(r"job-[0-9]+\Z")

# Exit statuses of poll().
_GONE = 0
_FAILED = 1


class SpankSpawner(SessionCalls, SpankSettings, Spawner):
    """Configured as c.SpankSpawner."""

    @default("options_form")
    def _options_form(self):
        return self._markup

    @default("options_from_form")
    def _options_from_form(self):
        return form.from_form

    # JupyterHub 5.3 and later would warn that nobody looks at them.
    @default("apply_user_options")
    def _apply_user_options(self):
        return lambda spawner, options: None

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.spawn_state = None
        # What start() is to continue or to adopt, since JupyterHub calls clear_state() before start().
        self.resumed = None
        self.adoption = None
        # Set when there is an environment to hand out.
        self.environment_ready = asyncio.Event()
        self._submission = None
        self._submitting = None
        self._begin()

    # -- who and what --------------------------------------------------------------------------------------

    @property
    def service(self):
        """The hub's SpankHub."""
        return service_of(self.user.settings)

    @property
    def current(self):
        """The State that requests are about, also before start() takes it up again; None where there is none."""
        return self.spawn_state or self.resumed

    @property
    def _secret(self):
        return self.user.settings["cookie_secret"]

    def account(self):
        """The user's Unix account (pwd.struct_passwd).  Raises: Refused."""
        name = self.local_username
        name = name(self) if callable(name) else name.format(username=self.user.name)
        try:
            account = pwd.getpwnam(name)
        except (KeyError, ValueError):
            raise Refused(403, "there is no Unix account %.64r on the hub's host" % name) from None
        if account.pw_uid < self.min_uid:
            raise Refused(403, "servers of the account %s are not allowed" % account.pw_name)
        return account

    def _groups(self):
        """The names of the user's groups, which limits and profiles are for (set of str).  Raises: Refused."""
        names = {group.name for group in self.user.groups}
        if self.unix_groups:
            account = self.account()
            for number in os.getgrouplist(account.pw_name, account.pw_gid):
                with contextlib.suppress(KeyError):
                    names.add(grp.getgrgid(number).gr_name)
        return names

    def _limits(self):
        if callable(self.limits):
            return limits.check_limits(self.limits(self))
        return limits.merged(self.limits, self._groups())

    def _markup(self, spawner):
        values = {**self.defaults, **(self.user_options or {})}
        profiles = form.profiles_for(self.profiles, self._groups())
        titles = {name: app.get("title", name) for name, app in self.apps.items()}
        return form.markup(self._limits(), profiles, values, titles)

    def _chosen(self):
        """The checked options of this spawn (dict).  Raises: Refused."""
        options = dict(self.user_options or {})
        mine = self._limits()
        profiles = form.profiles_for(self.profiles, self._groups())
        name = options.pop("profile", form.OWN)
        if name == form.OWN and profiles and not mine:
            name = next(iter(profiles))
        if name != form.OWN and (not isinstance(name, str) or name not in profiles):
            raise Refused(400, "there is no profile %.64r" % (name,))
        fixed = profiles[name].get("options", {}) if name else {}
        given = {**{key: value for key, value in self.defaults.items() if key in mine}, **options}
        return limits.checked(given, mine, fixed)

    # -- what JupyterHub keeps ---------------------------------------------------------------------------

    def get_state(self):
        state = super().get_state()
        if self.current:
            state.update(self.current.save(self._secret))
        return state

    def load_state(self, state):
        super().load_state(state)
        saved = State.load(state, self._secret)
        if saved is None:
            return
        self.spawn_state = saved
        self.api_token = saved.environment.get("JUPYTERHUB_API_TOKEN", "")
        self._enlist()
        # While start() runs JupyterHub has given the server no address.  It would wait for one that never
        # comes and end the job, so for JupyterHub this server does not run; its spawn goes on by resume().
        if self.orm_spawner.server is not None and not self.orm_spawner.server.ip:
            self.resumed = saved
            self.server = None
            asyncio.ensure_future(resume(self))

    def clear_state(self):
        super().clear_state()
        if self.spawn_state and self.spawn_state is not self.resumed:
            self._delist()
        self.spawn_state = None

    def run_post_stop_hook(self):
        # JupyterHub calls it when it has stopped the server, before clear_state().
        self.resumed = None
        state = self.spawn_state
        if state and state.way == "adopted":
            asyncio.ensure_future(forget(self))
        elif state and state.job_id and self._ended is not None:
            asyncio.ensure_future(self._sweep(state.job_id))
        return super().run_post_stop_hook()

    def _enlist(self):
        if self.spawn_state.spawn_id:
            self.service.add(self.spawn_state.spawn_id, self)
        if self.spawn_state.job_id:
            self.service.queue.watch(self.spawn_state.job_id)

    def _delist(self):
        if self.spawn_state.spawn_id:
            self.service.remove(self.spawn_state.spawn_id)
            Submission(self.state_dir, self.spawn_state.mark, self.spawn_state.way).remove()
        if self.spawn_state.job_id:
            self.service.queue.forget(self.spawn_state.job_id)

    async def save(self):
        """Puts the state into the database: JupyterHub would do so when start() has returned."""
        await self.service.commit(self.user.db, self._set_state)

    def _set_state(self):
        # Unless the server was deleted meanwhile.
        if inspect(self.orm_spawner).session is not None:
            self.orm_spawner.state = self.get_state()

    # -- start ---------------------------------------------------------------------------------------------

    async def start(self):
        """Returns: the server's URL (str).  Raises: Refused."""
        adoption, self.adoption = self.adoption, None
        try:
            if self.resumed:
                await self._continue()
            elif adoption:
                self._begin()
                await self._begin_state(State.create("adopted", self._environment({}), *adoption))
                self.events.say(progress.RUNNING, "Job %s asks to be added" % adoption[0])
            else:
                await self._submit()
            return await self._wait()
        finally:
            self.events.close()

    def _environment(self, options):
        """The server's (dict).  Args: options (dict, of _chosen()).  Raises: Refused."""
        values = self.get_env()
        url = self.apps.get(options.get("app"), {}).get("default_url")
        if url:
            values["JUPYTERHUB_DEFAULT_URL"] = self.format_string(url)
        try:
            return environment.collect(values)
        except (ValueError, OSError) as error:
            raise Refused(500, "the server's environment: %s" % error) from None

    async def _begin_state(self, state):
        self.spawn_state = state
        self._enlist()
        await self.save()
        self.environment_ready.set()

    async def _continue(self):
        """The hub was restarted while start() ran; the session may have called again before this."""
        state, self.resumed = self.resumed, None
        self.api_token = state.environment.get("JUPYTERHUB_API_TOKEN", "")
        await self._begin_state(state)
        if state.job_id is None:
            self._submission = Submission(self.state_dir, state.mark, state.way)
            self._submitting = asyncio.ensure_future(self._find_number(self.submit_timeout))
            await asyncio.shield(self._submitting)
        self.events.say(progress.SUBMITTED, "Job %s, found again after the hub was restarted" % state.job_id)

    async def _submit(self):
        self._begin()
        if self.internal_ssl and not self.service.api_url:
            raise Refused(500, "with internal_ssl the hub has to set c.SpankHub.api_url")
        if _ADOPTED.match(self.name):
            raise Refused(409, "%s is a name for a job that asks the hub for a server by --jupyter-hub" % self.name)
        options = self._chosen()
        account = self.account()
        await self._begin_state(State.create(self.submit_with, self._environment(options)))
        self.events.say(progress.SUBMITTED, "Submitting the job")
        argv = submit.words(self, options, account)
        self.log.info("%s: %s", self._log_name, " ".join(shlex.quote(word) for word in argv))
        self._submission = Submission(self.state_dir, self.spawn_state.mark, self.submit_with)
        try:
            await self._submission.start(argv, submit.job_environment(self, account), self.umask)
        except (CommandFailed, OSError) as error:
            raise Refused(500, "the job was not submitted: %s" % error) from None
        # A task of its own: when the spawn is cancelled meanwhile, stop() needs the job's number.
        self._submitting = asyncio.ensure_future(self._find_number(self.submit_timeout))
        await asyncio.shield(self._submitting)

    async def _find_number(self, timeout):
        state = self.spawn_state
        try:
            number = await self._submission.wait(timeout)
        except CommandFailed as error:
            # The session may have said its job's number before sbatch did.
            if state.job_id is not None:
                return
            status = 400 if error.status is not None else 500
            raise Refused(status, "the job was not submitted: %s" % error) from None
        if state is self.spawn_state and self._bind(number):
            await self.save()
        self.events.say(progress.SUBMITTED, "Job %s was submitted" % number)

    def _bind(self, number):
        """The job's number is known.  Returns: whether it was not before, and is to be saved.  Raises: Refused."""
        state = self.current
        if state.job_id == number:
            return False
        if state.job_id is not None:
            raise Refused(409, "job %s has this spawn id, which was made for job %s" % (state.job_id, number))
        state.job_id = number
        self.service.queue.watch(number)
        return True

    async def _wait(self):
        """Until the server answers or never will.  Returns: URL (str).  Raises: Refused."""
        state = self.spawn_state
        while True:
            self._changed.clear()
            if self._cancelled:
                raise Refused(410, "the spawn was cancelled")
            if self._ended is not None:
                raise Refused(500, "job %s: %s" % (state.job_id, self._ended))
            if state.url and (self.start_when == "serving" or self._ready):
                self.events.say(progress.SERVING, "The server answers")
                await self.service.turn()
                return state.url
            self._watch_job(await self._look_at_waiting())
            late = self._late()
            if late:
                raise Refused(500, late)
            if self._ended is None and not self._changed.is_set():
                try:
                    await asyncio.wait_for(self._changed.wait(), self.service.queue_interval)
                except asyncio.TimeoutError:
                    pass

    async def _look_at_waiting(self):
        """A session that has called before squeue was asked is not in the queue, unless it was requeued since."""
        job = await self._look()
        if job.phase == "pending" and self._running_since is not None:
            job = await self._look(fresh=True)
        return job

    async def _look(self, fresh=False):
        return await self._look_at(self.current.job_id, fresh)

    async def _look_at(self, number, fresh=False):
        """What is known of a job of the user's.  The number comes from his own processes, which may say that of
        another's: of that one he learns nothing, and it is not there for him.

        Args: number (str), fresh (bool).  Returns: queue.Job, ended and FOREIGN where it is another's.
        """
        job = await self.service.queue.look(number, fresh)
        # While the account is unknown no server is taken to have gone.
        with contextlib.suppress(Refused):
            if job.uid not in (None, self.account().pw_uid):
                return Job(number, "ended", FOREIGN, None, "", "", "")
        return job

    def _watch_job(self, job):
        """What the queue says, while start() waits.  Args: job (queue.Job)."""
        if job.state == FOREIGN:
            self._ended = "it is another user's"
        elif job.phase == "ended":
            self._ended = self._ended or "it has ended before its server answered: %s %s" % (job.state, job.reason)
        elif job.phase == "pending":
            self._running_since = None
            self._say(progress.PENDING, progress.pending_words(job))
        elif job.phase == "running" and self._running_since is None:
            self._running_since = time.monotonic()
            self._say(progress.RUNNING, "Job %s runs on %s" % (job.number, job.nodes))

    def _say(self, percent, text):
        if self.current.way == "adopted":
            self.events.say(percent, text)
        else:
            self.events.say(percent, text, progress.cancel_markup(text, self._cancel_url()))

    def _cancel_url(self):
        server = "/" + url_escape_path(self.name) if self.name else ""
        return "%sspank-jupyter/cancel/%s%s" % (self.hub.base_url, self.user.escaped_name, server)

    def _late(self):
        if self._running_since is None or time.monotonic() - self._running_since < self.running_timeout:
            return None
        if self.current.url:
            return None
        return "job %s runs for more than %d s and its server does not answer; the job's output says why" % (
            self.current.job_id,
            self.running_timeout,
        )

    async def progress(self):
        async for event in self.events.events():
            yield event

    def cancel(self):
        """Ends a start() that is waiting, as if it had failed; JupyterHub then calls stop()."""
        self._cancelled = True
        self._changed.set()

    # -- poll and stop -----------------------------------------------------------------------------------------

    async def poll(self):
        """Returns: None as long as the job is there, also where Slurm does not answer; else an exit status."""
        if self.current is None:
            return _GONE
        if self._ended is not None:
            return _FAILED
        if self.current.job_id is None:
            return None
        return _FAILED if (await self._look()).phase == "ended" else None

    async def stop(self, now=False):
        """Ends the job, or of an adopted one the session, and waits until it has."""
        self.cancel()
        state = self.current
        if state is None:
            return
        if state.spawn_id:
            self.service.remove(state.spawn_id)
        if self._submitting is not None:
            await asyncio.wait([self._submitting])
            self._submitting.exception()
        if state.job_id is None or (await self._look()).state == FOREIGN:
            return
        argv = ["scancel", state.job_id]
        if state.way == "adopted":
            argv = shlex.split(self.stop_session_command.format(job_id=state.job_id))
        end = time.monotonic() + self.stop_timeout
        if await self._stop_command(argv, state.job_id, end) and not now:
            await self._wait_end(end)

    async def _sweep(self, number):
        """The session has ended by itself, so stop() was not called; the job ends with it, or is ended."""
        end = time.monotonic() + _GRACE
        while (await self._look_at(number, fresh=True)).phase != "ended":
            if time.monotonic() > end:
                await self._stop_command(["scancel", number], number, end)
                return
            await asyncio.sleep(_RETRY)

    async def _stop_command(self, argv, number, end):
        """Args: argv (list of str), number (str, the job's).  Returns: whether it was done before `end` (float,
        time.monotonic())."""
        account = self.account()
        argv = submit.prefix(self, account) + argv
        while True:
            try:
                await run(argv, self.service.command_timeout, submit.account_environment(self, account))
                return True
            except CommandFailed as error:
                job = await self.service.queue.look(number, fresh=True)
                if "Invalid job id" in str(error) or job.phase == "ended":
                    return True
                if time.monotonic() > end:
                    self.log.error("%s: %s: %s", self._log_name, " ".join(argv), error)
                    return False
            await asyncio.sleep(_RETRY)

    async def _wait_end(self, end):
        adopted = self.current.way == "adopted"
        while (await self._look(fresh=True)).phase != "ended" and not (adopted and self._ended):
            if time.monotonic() > end:
                self.log.warning("%s: job %s has not ended yet", self._log_name, self.current.job_id)
                return
            await asyncio.sleep(_RETRY)
