# SPDX-License-Identifier: MIT
"""What ipp_controller.py and ipp_engine.py share, and import first: ipyparallel without what they do
not need of it, and the names that both know.  In the host of preload.py and its forks, as the user.
"""
import re
import uuid

from lazy_package import package_lazy, packages_missing

# Managers and provisioners of kernels are not wanted.
package = package_lazy("jupyter_client")
from jupyter_client import connect  # noqa: E402
from jupyter_client.blocking import client  # noqa: E402

package.write_connection_file = connect.write_connection_file  # what ipykernel asks the package for
package.BlockingKernelClient = client.BlockingKernelClient

# ipykernel's debugger takes as long to import as all the rest, in every process.  An engine has no
# stream to a debugger and never uses it; without debugpy ipykernel passes it over.
with packages_missing("debugpy"):
    import ipykernel.debugger  # noqa: F401

# Client and clusters, with their launchers, are half of what ipyparallel imports.
package = package_lazy("ipyparallel")
from ipyparallel.controller import dependency  # noqa: E402

for name in dependency.__all__:  # what scheduler and engines ask the package for
    setattr(package, name, getattr(dependency, name))

ENGINE_FILE = "ipcontroller-engine.json"  # in the directory of shared files
RETIRE_REQUEST, RETIRE_REPLY = "retire_request", "retire_reply"  # between engine and hub

# What is logged, and is nothing to worry about: CURVE signs instead; there is no debugger; ipykernel
# 7 greets subscribers, of which ipyparallel knows nothing yet.
NOISE = ("Message signing is disabled", "debugpy_stream undefined", "Monitor message without topic")


def is_worth_logging(record):
    """Whether the logging.LogRecord is none of NOISE."""
    return not str(record.msg).startswith(NOISE)


def uuid_for(worker):
    """A uuid (str) for an engine of the worker ID (str, "2.1"), which tells the hub whose it is.

    ipyparallel makes names of Python's from it, and puts "_" for "-".
    """
    return "%s-%s" % (worker.replace(".", "-"), uuid.uuid4().hex)


def worker_of(engine):
    """The worker ID ("2.1") in an engine's uuid (str); None for a foreign engine."""
    found = re.match(r"(\d{1,9})-(\d{1,9})-[0-9a-f]{32}$", engine)
    return "%s.%s" % found.groups() if found else None
