# SPDX-License-Identifier: MIT
"""What run_notebook.py tells the head, and how a failed cell looks in the job's log."""
import json
import os
import re

EVENTS_FD = 3
TEXT_MAX = 900  # characters of a text that is told: the head takes lines of 4096 bytes
LINE_MAX = 700  # characters of a line in the job's log
WORDS_MAX = 300  # of what a kernel says of an error, in a reason
SOURCE_MAX, TRACEBACK_MAX = 60, 120  # lines of a failed cell there
ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")


class Failure(Exception):
    """What has gone wrong, in words for the user."""


def tell(event, **fields):
    """Tells the head; when that has gone there is nobody to tell."""
    if "text" in fields:
        fields["text"] = fields["text"][:TEXT_MAX]
    line = json.dumps({"event": event, **fields}, ensure_ascii=False) + "\n"
    try:
        os.write(EVENTS_FD, line.encode("utf-8", "replace"))
    except OSError:
        pass


def plain_lines(text):
    """The text's lines without escapes and control characters, each as long as the job's log takes."""
    for line in ESCAPE.sub("", text).expandtabs().splitlines():
        line = "".join(c if c.isprintable() else "?" for c in line).rstrip()
        yield line if len(line) <= LINE_MAX else line[: LINE_MAX - 3] + "..."


def first_line(words):
    """The first line that says something of words, which may be any object."""
    for line in plain_lines(str(words)):
        if line.strip():
            return line.strip()[:WORDS_MAX]
    return ""


def middle_cut(lines, most):
    """The list of lines, with what does not fit left out of its middle."""
    if len(lines) <= most:
        return lines
    begin = most // 2
    return lines[:begin] + [f"... {len(lines) - most} more lines ..."] + lines[len(lines) - (most - begin) :]


def failed_cell(source, traceback):
    """Puts a cell's source and its traceback, a list of texts, into the job's log."""
    for line in middle_cut(list(plain_lines(source)), SOURCE_MAX):
        tell("say", text="  | " + line)
    for line in middle_cut(list(plain_lines("\n".join(traceback))), TRACEBACK_MAX):
        tell("say", text="  " + line)
