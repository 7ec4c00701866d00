# SPDX-License-Identifier: MIT
"""sbatch and salloc: their words and environment, how they are run, and the job's number in what they say.

Used by spawner.py in the hub's process; the command runs as the user, in a session of its own, and writes
into files in the hub's state directory.  So salloc outlives the hub, and a hub that was restarted in the
middle still finds the number.
"""

import asyncio
import os
import re
import shlex
import sys
import time

from . import limits
from .command import CommandFailed, last_words

# Bytes read of what a command says, and seconds between two looks.
_READ_MAX = 65536
_LOOK = 0.1

_SBATCH = re.compile(r"^([1-9][0-9]{0,18})(?:;[^\s;]+)?$", re.MULTILINE)
_SALLOC = re.compile(r"^salloc: (?:Pending|Granted) job allocation ([1-9][0-9]{0,18})\s*$", re.MULTILINE)


def prefix(settings, account):
    """The words that make a command the user's.  Args: settings (SpankSettings), account (pwd.struct_passwd)."""
    return [word.format(username=account.pw_name) for word in settings.exec_prefix]


def words(settings, options, account):
    """The command.  Args: options (of limits.checked()), the others as of prefix().  Returns: list of str."""
    app = settings.apps.get(options.get("app"), {})
    argv = prefix(settings, account)
    argv += [settings.submit_with, "--jupyter=" + app.get("recipe", settings.recipe), "--job-name=jupyterhub"]
    argv.append("--chdir=" + account.pw_dir)
    if settings.submit_with == "sbatch":
        argv += ["--parsable", "--output=" + settings.output]
    argv += [word.format(username=account.pw_name) for word in settings.options] + limits.words(options)
    if settings.submit_with == "sbatch":
        return argv + ["--wrap=" + settings.wait_command]
    return argv + shlex.split(settings.wait_command)


def account_environment(settings, account):
    """What every command of the user's sees (dict).  Args: as of prefix()."""
    env = {name: os.environ[name] for name in settings.env_submit if name in os.environ}
    shell = account.pw_shell or "/bin/sh"
    env.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name, SHELL=shell)
    return env


def job_environment(spawner, account):
    """What sbatch and salloc see, and so the job: of the hub's things none that is secret but the spawn id."""
    return dict(
        account_environment(spawner, account),
        SPANK_JUPYTER_SPAWN_ID=spawner.spawn_state.spawn_id,
        SPANK_JUPYTER_HUB_UID=str(spawner.service.uid),
        JUPYTERHUB_API_URL=spawner.service.api_url or spawner.spawn_state.environment["JUPYTERHUB_API_URL"],
    )


class Submission:
    """Args: directory (str, of the hub's alone), mark (str, names the files), how ("sbatch" or "salloc")."""

    def __init__(self, directory, mark, how):
        self.how = how
        self._out = os.path.join(directory, mark + ".out")
        self._err = os.path.join(directory, mark + ".err")
        self._process = None

    async def start(self, argv, env, umask):
        """Args: argv (list of str), env (dict), umask (int), which the job has too.  Raises: CommandFailed."""
        os.makedirs(os.path.dirname(self._out), mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW
        files = [os.open(path, flags, 0o600) for path in (self._out, self._err)]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=files[0],
                stderr=files[1],
                env=env,
                cwd="/",
                start_new_session=True,
                **({"umask": umask} if sys.version_info >= (3, 9) else {}),
            )
        except (OSError, ValueError) as error:
            raise CommandFailed("%s: %s" % (argv[0], error)) from None
        finally:
            for file in files:
                os.close(file)

    def number(self):
        """The job's number (str), None as long as the command has not said it."""
        if self.how == "salloc":
            found = _SALLOC.findall(_read(self._err))
        else:
            found = _SBATCH.findall(_read(self._out))
        return found[-1] if found else None

    async def wait(self, timeout):
        """Wait for the job's number, also that of a command that an earlier hub process has started.

        Args: timeout (float, seconds).  Returns: str.  Raises: CommandFailed, with the command's words.
        """
        end = time.monotonic() + timeout
        while True:
            # An sbatch that fails may have written something that looks like a number; it is asked last.
            status = self._process.returncode if self._process else None
            if self.how == "salloc" or status == 0 or self._process is None:
                number = self.number()
                if number:
                    return number
            if status is not None:
                raise CommandFailed(last_words(_read(self._err), "%s: exit status %d" % (self.how, status)), status)
            if time.monotonic() > end:
                words = last_words(_read(self._err), "it says nothing")
                raise CommandFailed("%s named no job within %d s: %s" % (self.how, timeout, words))
            await asyncio.sleep(_LOOK)

    def remove(self):
        """Removes the files; salloc, where it runs still, goes on."""
        for path in (self._out, self._err):
            try:
                os.unlink(path)
            except OSError:
                pass


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read(_READ_MAX).decode("utf-8", "replace")
    except OSError:
        return ""
