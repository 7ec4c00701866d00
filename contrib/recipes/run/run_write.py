# SPDX-License-Identifier: MIT
"""Writes an executed notebook for run_notebook.py, whole or not at all."""
import os
import tempfile

import nbformat

MODE = 0o666  # less the user's umask, as any program's file


def umask():
    """The user's, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_notebook(notebook, path):
    """Writes it into a file beside the path, which then takes that name.

    Raises OSError, and leaves what was at the path as it was.
    """
    data = nbformat.writes(notebook).encode("utf-8", "replace")
    directory, name = os.path.split(path)
    fd, temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", dir=directory or ".")
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), MODE & ~umask())
            file.write(data if data.endswith(b"\n") else data + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
