# SPDX-License-Identifier: MIT
"""Slurm's host lists, such as n[1-3,08],login2: whether a name is in one, and which is the first.

Used by handler.py and session.py.  Names are compared with the list piece by piece; it is never expanded,
whatever its size.
"""

import re

_PIECE = re.compile(r"\[([0-9,-]*)\]|[^\[\],]+|,")


def _split(text):
    """The comma-separated entries of a host list, each a list of texts and of (low, high, width) ranges."""
    entries, entry, position = [], [], 0
    while position < len(text):
        match = _PIECE.match(text, position)
        if not match:
            raise ValueError("not a host list: %.100r" % text)
        position = match.end()
        if match.group() == ",":
            entries.append(entry)
            entry = []
        elif match.group(1) is not None:
            entry.append([_range(word) for word in match.group(1).split(",")])
        else:
            entry.append(match.group())
    return entries + [entry]


def _range(word):
    low, _, high = word.partition("-")
    if not low.isdigit() or not (high or low).isdigit() or len(word) > 40:
        raise ValueError("not a range of a host list: %.100r" % word)
    return int(low), int(high or low), len(low)


def _matches(entry, name):
    if not entry:
        return not name
    first, rest = entry[0], entry[1:]
    if isinstance(first, str):
        return name.startswith(first) and _matches(rest, name[len(first):])
    digits = re.match(r"[0-9]*", name).group()
    # A number that is followed by digits of its own may end at any of them.
    for length in range(len(digits), 0, -1):
        number = int(digits[:length])
        for low, high, width in first:
            if low <= number <= high and digits[:length] == "%0*d" % (width, number):
                if _matches(rest, name[length:]):
                    return True
    return False


def contains(text, name):
    """Args: text (str, a host list), name (str).  Returns: bool; False where text is not a host list."""
    try:
        return any(_matches(entry, name) for entry in _split(text) if entry)
    except ValueError:
        return False


def first(text):
    """Args: text (str, a host list).  Returns: its first name, "" where it is none."""
    try:
        entry = _split(text)[0]
    except ValueError:
        return ""
    return "".join(part if isinstance(part, str) else "%0*d" % (part[0][2], part[0][0]) for part in entry)
