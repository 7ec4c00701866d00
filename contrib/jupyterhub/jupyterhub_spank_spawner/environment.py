# SPDX-License-Identifier: MIT
"""A server's environment: what the hub hands to the session when it asks, and how it is kept in the database.

Used by spawner.py.  It holds the server's API token, so in the database it is sealed with the hub's cookie
secret, which is in a file: JupyterHub itself stores tokens as hashes only.
"""

import base64
import hashlib
import json
import re

from cryptography.fernet import Fernet, InvalidToken

# What a session takes in one reply, which is one munge credential.
NAMES_MAX = 1024
VALUE_MAX = 65535
BYTES_MAX = 192 * 1024

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}\Z")

# The files of internal_ssl are on the hub's host.  Their text goes in the place of their paths; the session
# writes it into files of its own.
_FILES = ("JUPYTERHUB_SSL_KEYFILE", "JUPYTERHUB_SSL_CERTFILE", "JUPYTERHUB_SSL_CLIENT_CA")
_FILE_MAX = 64 * 1024


def collect(values):
    """What is handed over.

    Args: values (dict, of Spawner.get_env()).  Returns: {str: str}.  Raises: ValueError, OSError.
    """
    environment = {}
    for name, value in values.items():
        if value is None:
            continue
        if not _NAME.match(name):
            raise ValueError("%.64r is not a name of an environment variable" % name)
        value = str(value)
        if name in _FILES and value and not value.startswith("-----BEGIN "):
            with open(value, encoding="ascii") as file:
                value = file.read(_FILE_MAX)
        if "\0" in value or len(value.encode("utf-8")) > VALUE_MAX:
            raise ValueError("the value of %s has a zero byte or more than %d" % (name, VALUE_MAX))
        environment[name] = value
    size = sum(len(name) + len(value.encode("utf-8")) + 2 for name, value in environment.items())
    if len(environment) > NAMES_MAX or size > BYTES_MAX:
        raise ValueError("the server's environment has more than %d names or %d bytes" % (NAMES_MAX, BYTES_MAX))
    return environment


def _fernet(secret):
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"spank-jupyter environment" + secret).digest()))


def seal(environment, secret):
    """Args: environment ({str: str}), secret (bytes, the hub's cookie secret).  Returns: str."""
    return _fernet(secret).encrypt(json.dumps(environment).encode("utf-8")).decode("ascii")


def unseal(text, secret):
    """The opposite of seal().  Returns: {str: str}, or None where `text` was sealed with another secret."""
    try:
        return json.loads(_fernet(secret).decrypt(text.encode("ascii")))
    except (InvalidToken, ValueError):
        return None
