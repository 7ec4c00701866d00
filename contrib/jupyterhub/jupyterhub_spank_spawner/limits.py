# SPDX-License-Identifier: MIT
"""What a user may ask for: the fields, their limits per group, and the words of sbatch that they become.

Used by form.py and spawner.py.  Options come from a form or, unchecked, from JupyterHub's REST interface, so
they are checked when a spawn starts, whatever the form has done.
"""

import re

from .errors import Refused

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}\Z")
_TIME = re.compile(
    r"(?:(?P<days>\d{1,4})-)?(?P<first>\d{1,9})(?::(?P<second>\d{1,2}))?(?::(?P<third>\d{1,2}))?\Z", re.ASCII
)
_MEMORY = re.compile(r"(\d{1,9})([KMGT]?)\Z", re.ASCII)

# In a list of choices: any name at all.
ANY = "*"

WORKERS_MAX = 1024


class _Field:
    """A field of the form.  `limit` is the site's: what may be chosen, or the most."""

    def __init__(self, name, title, option=None, hint=""):
        self.name, self.title, self.option, self.hint = name, title, option, hint

    def refuse(self, value, allowed):
        raise Refused(400, "%s: %.64r is not allowed: give %s" % (self.title, value, allowed))

    def words(self, value):
        return ["%s=%s" % (self.option, value)] if value not in ("", None) and self.option else []


class Choice(_Field):
    """One name of a list."""

    def merge(self, one, other):
        return list(one) + [value for value in other if value not in one]

    def check(self, value, limit):
        if value in ("", None):
            return ""
        if not isinstance(value, str) or not _NAME.match(value):
            self.refuse(value, "a name")
        if limit is not None and value not in limit and ANY not in limit:
            self.refuse(value, "one of " + ", ".join(limit))
        return value


class Several(Choice):
    """Names of a list, none to all: the kinds of workers."""

    def check(self, value, limit):
        if value in ("", None):
            return []
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list) or len(value) > 32:
            self.refuse(value, "a list of names")
        return list(dict.fromkeys(name for name in (super(Several, self).check(item, limit) for item in value) if name))

    def words(self, value):
        return []


class Number(_Field):
    """A whole number; the limit is the greatest."""

    def __init__(self, name, title, option=None, hint="", least=0):
        super().__init__(name, title, option, hint)
        self.least = least

    merge = staticmethod(max)

    def check(self, value, limit):
        if value in ("", None):
            return None
        if isinstance(value, str) and re.match(r"\d{1,9}\Z", value, re.ASCII):
            value = int(value)
        if type(value) is not int or value < self.least or (limit is not None and value > limit):
            self.refuse(value, "a number from %d to %s" % (self.least, "2147483647" if limit is None else limit))
        return value

    def words(self, value):
        return super().words(value) if value else []


class Time(_Field):
    """A time as Slurm writes it: minutes, H:MM:SS, D-HH, ...; the limit is the longest."""

    def merge(self, one, other):
        return one if time_seconds(one) >= time_seconds(other) else other

    def check(self, value, limit):
        if value in ("", None):
            return ""
        value = str(value) if type(value) is int else value
        seconds = time_seconds(value) if isinstance(value, str) else None
        if not seconds or (limit is not None and seconds > time_seconds(limit)):
            most = "" if limit is None else " of at most %s" % limit
            self.refuse(value, "a time%s, as in 30, 2:00:00 or 1-12" % most)
        return value


class Memory(_Field):
    """An amount of memory with a unit as Slurm writes it (none: megabytes); the limit is the most."""

    def merge(self, one, other):
        return one if memory_kilobytes(one) >= memory_kilobytes(other) else other

    def check(self, value, limit):
        if value in ("", None):
            return ""
        value = str(value) if type(value) is int else value
        size = memory_kilobytes(value) if isinstance(value, str) else None
        if not size or (limit is not None and size > memory_kilobytes(limit)):
            most = "" if limit is None else " of at most %s" % limit
            self.refuse(value, "an amount%s, as in 16G" % most)
        return value


FIELDS = {
    field.name: field
    for field in (
        Choice("app", "Application"),
        Choice("partition", "Partition", "--partition"),
        Choice("account", "Account", "--account"),
        Choice("reservation", "Reservation", "--reservation"),
        Number("nodes", "Nodes", "--nodes", least=1),
        Time("time", "Time", "--time", hint="minutes, or H:MM:SS"),
        Number("cpus", "CPUs per node", "--cpus-per-task", least=1),
        Memory("memory", "Memory per node", "--mem", hint="for example 16G"),
        Number("gpus", "GPUs per node", "--gpus-per-node"),
        Several("workers", "Workers"),
        Number("workers_per_node", "Workers per node", hint="empty: one per CPU", least=1),
    )
}


def time_seconds(text):
    """Args: text (str, as Slurm's --time).  Returns: seconds (int), None where it is no time."""
    match = _TIME.match(text)
    if not match:
        return None
    days, first, second, third = (None if part is None else int(part) for part in match.group(*range(1, 5)))
    if days is not None:
        return ((days * 24 + first) * 60 + (second or 0)) * 60 + (third or 0)
    if third is not None:
        return (first * 60 + second) * 60 + third
    return first * 60 + (second or 0)


def memory_kilobytes(text):
    """Args: text (str, as Slurm's --mem).  Returns: int, None where it is no amount."""
    match = _MEMORY.match(text)
    return int(match.group(1)) * 1024 ** "KMGT".index(match.group(2) or "M") if match else None


def check_limits(limits):
    """The site's settings.  Args: limits (dict of one group).  Raises: ValueError for what cannot be meant."""
    for name, limit in limits.items():
        field = FIELDS.get(name)
        if field is None:
            raise ValueError("limits: no field %.64r; there are %s" % (name, ", ".join(FIELDS)))
        if isinstance(field, Choice):
            good = isinstance(limit, (list, tuple)) and all(isinstance(value, str) for value in limit)
        elif isinstance(field, Number):
            good = type(limit) is int
        else:
            good = isinstance(limit, str) and (time_seconds if isinstance(field, Time) else memory_kilobytes)(limit)
        if not good:
            raise ValueError("limits: %s: not a limit: %.64r" % (name, limit))
    return limits


def merged(limits, groups):
    """The limits of a user.

    Args: limits ({group: {field: limit}}, group "" is everybody), groups (iterable of str).  Returns: {field:
    limit}: of the groups the widest.  A field that is not in it is not offered.  Raises: ValueError.
    """
    result = {}
    for group in [""] + sorted(set(groups) - {""}):
        for name, limit in check_limits(limits.get(group, {})).items():
            result[name] = FIELDS[name].merge(result[name], limit) if name in result else limit
    return result


def checked(options, limits, fixed):
    """The options of a spawn.

    Args: options (dict, hostile), limits (of merged()), fixed ({field: value} of the chosen profile, the
    site's own).  Returns: {field: value} of those that are given.  Raises: Refused.
    """
    unknown = sorted(str(name) for name in options if name not in FIELDS)
    if unknown:
        raise Refused(400, "there is no option %.64r" % unknown[0])
    result = {}
    for name, field in FIELDS.items():
        if name in fixed:
            value = field.check(fixed[name], None)
        elif name in limits:
            value = field.check(options.get(name), limits[name])
        elif options.get(name) not in ("", None, []):
            raise Refused(400, "%s cannot be chosen here" % field.title)
        else:
            continue
        if value not in ("", None, []):
            result[name] = value
    if result.get("workers_per_node", 0) > WORKERS_MAX:
        FIELDS["workers_per_node"].refuse(result["workers_per_node"], "at most %d" % WORKERS_MAX)
    return result


def words(options):
    """Args: options (of checked()).  Returns: list of str for sbatch or salloc; the app is not among them."""
    result = [word for name, value in options.items() for word in FIELDS[name].words(value)]
    if "nodes" in options:
        result.append("--ntasks-per-node=1")
    if options.get("workers"):
        count = options.get("workers_per_node")
        kinds = ["%s:%d" % (kind, count) if count else kind for kind in options["workers"]]
        result.append("--jupyter-workers=" + ",".join(kinds))
    return result
