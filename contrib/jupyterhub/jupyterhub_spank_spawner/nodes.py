# SPDX-License-Identifier: MIT
"""The addresses of nodes, as Slurm's configuration and the hub host's resolver have them.

Used by handler.py through service.py: what a session says about its address is believed only if it is one
of these.
"""

import asyncio
import ipaddress
import re
import socket
import time

from .command import CommandFailed

# Seconds for which addresses are kept, and between two `scontrol show node`, failed ones included.
_KEPT = 300.0
_GAP = 5.0

_NODE = re.compile(r"(?:^|\s)NodeName=(\S+)(?:.*?\sNodeAddr=(\S+))?")


class NodesUnknown(Exception):
    """Slurm does not answer; str() is why."""


class Nodes:
    """One for a hub.

    Args: run: async callable (list of str) -> str that raises CommandFailed; names (list of str): how a
    node's further host names are made of {node}, for sites whose sessions are on a network of their own.
    """

    def __init__(self, run, names):
        self.run, self.names = run, names
        self._addr = {}
        self._asked = float("-inf")
        self._asking = None
        self._failure = None
        self._resolved = {}

    async def addresses(self, node):
        """Args: node (str, Slurm's name).  Returns: set of ipaddress objects, empty for a name that Slurm
        does not have.  Raises: NodesUnknown."""
        kept = self._resolved.get(node)
        if kept and time.monotonic() - kept[0] < _KEPT:
            return kept[1]
        if node not in self._addr or time.monotonic() - self._asked >= _KEPT:
            await self._ask()
        if node not in self._addr:
            return set()
        hosts = {self._addr[node]} | {name.format(node=node) for name in self.names}
        found = set().union(*await asyncio.gather(*(_resolve(host) for host in hosts)))
        if found:
            self._resolved[node] = (time.monotonic(), found)
        return found

    async def _ask(self):
        if self._asking is None and time.monotonic() - self._asked >= _GAP:
            self._asking = asyncio.ensure_future(self._ask_once())
        if self._asking is not None:
            await asyncio.wait([self._asking])
        if self._failure is not None:
            raise NodesUnknown(self._failure)

    async def _ask_once(self):
        try:
            text = await self.run(["scontrol", "--oneliner", "show", "node"])
            matches = [_NODE.search(line) for line in text.splitlines()]
            self._addr = {match.group(1): match.group(2) or match.group(1) for match in matches if match}
            self._failure = None
        except CommandFailed as error:
            self._failure = str(error)
        finally:
            self._asked = time.monotonic()
            self._asking = None


async def _resolve(host):
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {ipaddress.ip_address(entry[4][0].partition("%")[0]) for entry in found}
