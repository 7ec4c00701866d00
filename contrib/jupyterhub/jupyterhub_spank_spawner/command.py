# SPDX-License-Identifier: MIT
"""Runs one of Slurm's commands for the hub, without a shell, with bounds on time and output.

Used by service.py (for queue.py and nodes.py) and spawner.py, in the hub's process; what runs has the uid that the
configured prefix gives it.
"""

import asyncio

# Bytes kept of what a command says; squeue of 10,000 jobs says about 1 MB.
OUTPUT_MAX = 16 << 20


class CommandFailed(Exception):
    """str() is the command's last words; `status` its exit status, None where it did not run or end."""

    def __init__(self, words, status=None):
        super().__init__(words)
        self.status = status


def last_words(text, fallback):
    """The last lines of `text` (str), at most 1000 characters of them, on one line; else `fallback`."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return " ".join(lines[-4:])[-1000:] or fallback


async def _read(stream, most):
    """All of `stream` is read, so that the command can end; `most` bytes of it are kept."""
    kept = bytearray()
    while True:
        part = await stream.read(65536)
        if not part:
            return kept.decode("utf-8", "replace")
        kept += part[: most - len(kept)]


async def run(argv, timeout, env=None):
    """Run a command.

    Args: argv (list of str), timeout (float, seconds), env (dict or None: the hub's own).
    Returns: its stdout (str).  Raises: CommandFailed.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
            cwd="/",
        )
    except (OSError, ValueError) as error:
        raise CommandFailed("%s: %s" % (argv[0], error)) from None
    said = asyncio.gather(_read(process.stdout, OUTPUT_MAX), _read(process.stderr, 65536), process.wait())
    try:
        out, err, status = await asyncio.wait_for(said, timeout)
    except asyncio.TimeoutError:
        raise CommandFailed("%s did not end within %d s" % (argv[0], timeout)) from None
    finally:
        if process.returncode is None:
            try:
                process.kill()
                await process.wait()
            except OSError:
                # It runs as another user, behind sudo.
                pass
    if status != 0:
        raise CommandFailed(last_words(err, "%s: exit status %d" % (argv[0], status)), status)
    return out
