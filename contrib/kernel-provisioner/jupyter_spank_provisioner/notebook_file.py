# SPDX-License-Identifier: MIT
"""By what the file of a notebook is known again under another name: its inode, which saving and
renaming leave as it is, and the ids of its cells, since the inode of a file that was deleted is
soon another's.  Used by notebook_job.py in threads of a Jupyter server, as the user.
"""

import json
import os

FILE_MAX = 32 << 20  # bytes of a notebook that is looked into
CELLS_MAX = 32  # ids that are kept of one
ID_MAX = 64  # characters of an id: nbformat's bound


def version(path):
    """(inode, time of its last change) of the file, or None without one."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_mtime_ns


def cells(path):
    """The ids (list of str, in order) of its cells: none before nbformat 4.5."""
    try:
        with open(path, "rb") as file:
            text = file.read(FILE_MAX + 1)
        listed = json.loads(text)["cells"] if len(text) <= FILE_MAX else []
        ids = [cell.get("id") for cell in listed]
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return []
    return [one for one in ids if isinstance(one, str) and 0 < len(one) <= ID_MAX]


def describe(path):
    """What is to be remembered of it (dict, for JSON)."""
    known = version(path)
    return {"notebook": path, "inode": known[0] if known else None, "cells": cells(path)[:CELLS_MAX]}


def was_renamed(remembered, path):
    """Whether the file at this path is what describe() has told of another one (dict, from
    anywhere), which is not there any more."""
    old, inode, ids = (remembered.get(name) for name in ("notebook", "inode", "cells"))
    known = version(path)
    if (not isinstance(old, str) or not isinstance(ids, list) or known is None
            or known[0] != inode):
        return False
    left = version(old)
    if left is not None and left[0] == inode:
        return False  # another name of it
    return not set(cells(path)).isdisjoint(one for one in ids if isinstance(one, str))
