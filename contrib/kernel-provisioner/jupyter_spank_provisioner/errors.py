# SPDX-License-Identifier: MIT
"""What can go wrong with a kernel in a job, in words that a notebook's user can do something with."""


class KernelJobError(RuntimeError):
    """A job or its kernel cannot be had; the message says why."""
