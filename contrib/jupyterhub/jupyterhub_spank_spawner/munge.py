# SPDX-License-Identifier: MIT
"""MUNGE credentials through libmunge.so.2.

Used by service.py in the hub's process, in worker threads (munged may be slow or gone), as the hub's uid.
"""

import ctypes
import os

# From munge.h.
_OPT_TTL = 4
_OPT_SOCKET = 8
_OPT_UID_RESTRICTION = 9
_SUCCESS = 0
_NO_DAEMON = {1: "internal error", 5: "out of memory", 6: "no answer from munged", 7: "timeout"}
_EXPIRED = {15, 16}
_REPLAYED = 17
_UNAUTHORIZED = 18

# Seconds that a credential of ours is good for.
TTL = 300

# Characters of a credential that is decoded at all.
CREDENTIAL_MAX = 64 * 1024


class MungeError(Exception):
    """`kind` is one of down, expired, replayed, unauthorized, invalid; str() is libmunge's own words."""

    def __init__(self, kind, words):
        super().__init__(words)
        self.kind = kind


def _kind(code):
    if code in _NO_DAEMON:
        return "down"
    if code in _EXPIRED:
        return "expired"
    return {_REPLAYED: "replayed", _UNAUTHORIZED: "unauthorized"}.get(code, "invalid")


class _Library:
    """libmunge and free(), with the argument types set; loaded at the first use."""

    def __init__(self):
        void, text = ctypes.c_void_p, ctypes.c_char_p
        self.munge = munge = ctypes.CDLL("libmunge.so.2")
        munge.munge_ctx_create.restype = void
        munge.munge_ctx_destroy.argtypes = [void]
        munge.munge_ctx_destroy.restype = None
        # Variadic: only what comes before the dots has a type here.
        munge.munge_ctx_set.argtypes = [void, ctypes.c_int]
        munge.munge_ctx_strerror.argtypes = [void]
        munge.munge_ctx_strerror.restype = text
        munge.munge_strerror.argtypes = [ctypes.c_int]
        munge.munge_strerror.restype = text
        munge.munge_encode.argtypes = [ctypes.POINTER(void), void, text, ctypes.c_int]
        munge.munge_decode.argtypes = [
            text,
            void,
            ctypes.POINTER(void),
            ctypes.POINTER(ctypes.c_int),
            ctypes.POINTER(ctypes.c_uint),
            ctypes.POINTER(ctypes.c_uint),
        ]
        self.free = ctypes.CDLL(None).free
        self.free.argtypes = [void]
        self.free.restype = None


_library = None


def _load():
    global _library
    if _library is None:
        try:
            _library = _Library()
        except OSError as error:
            raise MungeError("down", "libmunge.so.2 cannot be loaded: %s" % error) from None
    return _library


class _Context:
    """A munge context for one call, by `with`."""

    def __init__(self, socket):
        self.library = _load()
        self.pointer = self.library.munge.munge_ctx_create()
        if not self.pointer:
            raise MungeError("down", "out of memory")
        if socket:
            self.set(_OPT_SOCKET, os.fsencode(socket))

    def set(self, option, value):
        if self.library.munge.munge_ctx_set(self.pointer, option, value) != _SUCCESS:
            raise MungeError("invalid", "munge_ctx_set refused option %d" % option)

    def error(self, code):
        munge = self.library.munge
        words = munge.munge_ctx_strerror(self.pointer) or munge.munge_strerror(code)
        return MungeError(_kind(code), (words or b"").decode("utf-8", "replace"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.munge.munge_ctx_destroy(self.pointer)


def encode(payload, uid, ttl=TTL, socket=None):
    """Make a credential that only `uid` can decode.

    Args: payload (bytes), uid (int), ttl (int, seconds), socket (str or None: munged's, where it is not the
    usual one).  Returns: the credential (str).  Raises: MungeError.
    """
    with _Context(socket) as context:
        context.set(_OPT_TTL, ctypes.c_int(ttl))
        context.set(_OPT_UID_RESTRICTION, ctypes.c_uint(uid))
        out = ctypes.c_void_p()
        code = context.library.munge.munge_encode(ctypes.byref(out), context.pointer, payload, len(payload))
        try:
            if code != _SUCCESS:
                raise context.error(code)
            return ctypes.string_at(out.value).decode("ascii")
        finally:
            context.library.free(out)


def decode(credential, socket=None):
    """Decode a credential; the same one a second time is refused by munged.

    Args: credential (str).  Returns: (payload (bytes), uid (int)) of who made it.  Raises: MungeError.
    """
    if len(credential) > CREDENTIAL_MAX or "\0" in credential or not credential.isascii():
        raise MungeError("invalid", "not a munge credential")
    with _Context(socket) as context:
        out, length = ctypes.c_void_p(), ctypes.c_int(0)
        uid, gid = ctypes.c_uint(), ctypes.c_uint()
        code = context.library.munge.munge_decode(
            credential.encode("ascii"),
            context.pointer,
            ctypes.byref(out),
            ctypes.byref(length),
            ctypes.byref(uid),
            ctypes.byref(gid),
        )
        try:
            # Of an expired or replayed credential the payload comes as well.
            if code != _SUCCESS:
                raise context.error(code)
            payload = ctypes.string_at(out.value, length.value) if out.value and length.value else b""
            return payload, uid.value
        finally:
            context.library.free(out)
