# SPDX-License-Identifier: MIT
"""The record: what a session tells the hub, as the payload of a munge credential.

Parsed for handler.py.  Whoever can make a credential can put anything into it, so every key is known,
typed and bounded, and a record with any other is refused.
"""

import ipaddress
import json
import math
import re
from types import SimpleNamespace
from urllib.parse import urlsplit

VERSION = 1

# Seconds between `issued` and `expires`, and how far ahead of the hub's the node's clock may be.
LIFETIME_MAX = 300
CLOCK_SKEW = 60

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}\Z")
_NODE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\Z")
_JOB = re.compile(r"[1-9][0-9]{0,18}\Z")
_HEX = re.compile(r"[0-9a-f]{32}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")

STATES = ("starting", "serving", "ready", "degraded", "draining")
END_STATES = ("ended", "failed")


class Malformed(ValueError):
    """str() names the key and what it has to be."""


def plain(text):
    """`text` on one line, without control characters or such as turn the direction of writing."""
    return _CONTROL.sub(" ", text).strip()


def _matching(pattern, what):
    def check(value):
        if not isinstance(value, str) or not pattern.match(value):
            raise Malformed(what)
        return value

    return check


def _integer(low, high):
    def check(value):
        if type(value) is not int or not low <= value <= high:
            raise Malformed("a whole number from %d to %d" % (low, high))
        return value

    return check


def _time(value):
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value < 2**40:
        raise Malformed("a time in seconds since 1970")
    return value


def _one_of(*values):
    def check(value):
        if not isinstance(value, str) or value not in values:
            raise Malformed("one of %s" % ", ".join(values))
        return value

    return check


def _boolean(value):
    if type(value) is not bool:
        raise Malformed("true or false")
    return value


def _words(value):
    if not isinstance(value, str) or len(value) > 4096:
        raise Malformed("text of at most 4096 characters")
    return plain(value)


def _url(value):
    if not isinstance(value, str) or len(value) > 2048 or not value.isprintable():
        raise Malformed("a URL of at most 2048 characters")
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        good = False
    if not good:
        raise Malformed("a URL that begins with http:// or https://")
    return value


def _address(value):
    try:
        address = ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        raise Malformed("an IP address") from None
    if address.is_unspecified or address.is_multicast or getattr(address, "scope_id", None):
        raise Malformed("an IP address that a hub can connect to")
    return address


def _list_of(check, most):
    def check_list(value):
        if not isinstance(value, list) or len(value) > most:
            raise Malformed("a list of at most %d" % most)
        return [check(item) for item in value]

    return check_list


def _phases(value):
    if not isinstance(value, dict) or len(value) > 64:
        raise Malformed("an object of at most 64 times")
    return {_name(name): _time(when) for name, when in value.items()}


def _kind(value):
    keys = {"kind": _name, "expected": _integer(0, 2**26), "ready": _integer(0, 2**26)}
    if not isinstance(value, dict) or set(value) != set(keys):
        raise Malformed("objects of kind, expected and ready")
    return {key: check(value[key]) for key, check in keys.items()}


_name = _matching(_NAME, "a name")
_node = _matching(_NODE, "a node's name")
_hex = _matching(_HEX, "32 hexadecimal digits")

_COMMON = {
    "version": _integer(VERSION, VERSION),
    "cluster": _name,
    "job_id": _matching(_JOB, "a job's number as text"),
    "restart": _integer(0, 10**6),
    "user": _name,
    "hub": _url,
    "nonce": _hex,
    "issued": _time,
    "expires": _time,
}
_ACTIONS = {
    "environment": {},
    "adopt": {"app": _name},
    "serving": {
        "ip": _address,
        "port": _integer(1, 65535),
        "scheme": _one_of("http", "https"),
        "nodes": _list_of(_node, 64),
        "head": _node,
        "app": _name,
    },
    "status": {
        "state": _one_of(*STATES),
        "reason": _words,
        "phases": _phases,
        "workers": _list_of(_kind, 64),
    },
    "activity": {"last_activity": _time, "busy": _boolean},
    "ended": {"state": _one_of(*END_STATES), "reason": _words},
}
# Who the session is: one the hub has started, or one to be adopted.
_WHO = {"spawn_id": _hex, "server": _matching(re.compile(r"job-[1-9][0-9]{0,18}\Z"), "job- and a number")}


def _pairs(pairs):
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed("the record has a key twice")
    return fields


def _constant(_):
    raise Malformed("the record has a number that is none")


def _load(payload):
    try:
        fields = json.loads(payload.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_constant)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed("the record is not JSON") from None
    if not isinstance(fields, dict):
        raise Malformed("the record is not a JSON object")
    return fields


def parse(payload):
    """Check a record.

    Args: payload (bytes).  Returns: SimpleNamespace with the keys of the contract; `spawn_id` or `server`,
    whichever is not given, is None, and `ip` is an ipaddress object.  Raises: Malformed.
    """
    fields = _load(payload)
    action = fields.pop("action", None)
    if not isinstance(action, str) or action not in _ACTIONS:
        raise Malformed("action has to be one of %s" % ", ".join(_ACTIONS))
    who = [key for key in _WHO if key in fields]
    if len(who) != 1 or who[0] != {"environment": "spawn_id", "adopt": "server"}.get(action, who[0]):
        raise Malformed("%s: the record has to have either spawn_id or server" % action)
    checks = {**_COMMON, **_ACTIONS[action], who[0]: _WHO[who[0]]}
    unknown = sorted(set(fields) - set(checks))
    if unknown:
        raise Malformed("%s: unknown key %.64r" % (action, unknown[0]))
    record = SimpleNamespace(action=action, spawn_id=None, server=None)
    for key, check in checks.items():
        if key not in fields:
            raise Malformed("%s: %s is missing" % (action, key))
        try:
            setattr(record, key, check(fields[key]))
        except Malformed as error:
            raise Malformed("%s: %s has to be %s" % (action, key, error)) from None
    if record.server is not None and record.server != "job-" + record.job_id:
        raise Malformed("%s: server has to be job-%s" % (action, record.job_id))
    return record


def in_time(record, now):
    """Why the record is not for now, or None.  Args: now (float, seconds since 1970)."""
    if record.expires < now:
        return "the record expired %d s ago" % (now - record.expires)
    if record.issued > now + CLOCK_SKEW:
        return "the record is from %d s in the future: compare the clocks" % (record.issued - now)
    if not 0 < record.expires - record.issued <= LIFETIME_MAX:
        return "the record is to be good for more than %d s" % LIFETIME_MAX
    return None
