# SPDX-License-Identifier: MIT
"""What ipp_controller.py and ipp_engine.py share, and import first: ipyparallel without what they do
not need of it, and the names that both know.  In the host of preload.py and its forks, as the user.
"""
import re
import sys
import uuid

from lazy_package import package_lazy, packages_missing

# ipykernel's debugger takes as long to import as all the rest, in every process.  An engine has no
# stream to a debugger and never uses it; without debugpy ipykernel passes it over.
with packages_missing("debugpy"):
    import ipykernel.debugger  # noqa: F401

# Client and clusters, with their launchers, are half of what ipyparallel imports.  numpy is the
# engines' business, each with its own CPUs.
package_lazy("ipyparallel")
with packages_missing("numpy"):
    import ipyparallel.controller.task_scheduler  # noqa: F401
    from ipyparallel.controller import dependency

for name in dependency.__all__:  # what engines ask the package for
    setattr(sys.modules["ipyparallel"], name, getattr(dependency, name))

ENGINE_FILE = "ipcontroller-engine.json"  # in the directory of shared files
RETIRE_REQUEST, RETIRE_REPLY = "retire_request", "retire_reply"  # between engine and hub

# What is logged, and is nothing to worry about: CURVE signs instead; there is no debugger; ipykernel
# 7 greets subscribers, of which ipyparallel knows nothing yet.
NOISE = ("Message signing is disabled", "debugpy_stream undefined", "Monitor message without topic")


def is_worth_logging(record):
    """Whether the logging.LogRecord is none of NOISE."""
    return not str(record.msg).startswith(NOISE)


def uuid_for(worker):
    """A uuid (str) for an engine of the worker ID (str, "2.1"), which tells the hub whose it is."""
    return "%s-%s" % (worker, uuid.uuid4().hex)


def worker_of(engine):
    """The worker ID ("2.1") in an engine's uuid (str); None for a foreign engine."""
    found = re.match(r"(\d{1,9}\.\d{1,9})-", engine)
    return found.group(1) if found else None
