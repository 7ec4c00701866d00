# SPDX-License-Identifier: MIT
"""usage: client.py ipyparallel|dask COUNT FILE

A client that is there before the workers: imports, prints a line, waits for FILE, which holds the
variables of the environment to connect with (NAME=VALUE lines, as the notebook has them), connects
as a notebook would, with no arguments, and tells when all COUNT workers have answered.
"""

import os
import sys
import time

import clients

kind, count, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if kind == "ipyparallel":
    import ipyparallel
else:
    import dask
    import distributed
print("imported", flush=True)
for line in clients.wait_for_file(path).splitlines():
    name, _, value = line.partition("=")
    os.environ[name] = value

if kind == "ipyparallel":
    # Where the notebook would be told that there is no controller yet, this waits for its file; to
    # make clients until one can be made would take a CPU from those that are to be measured.
    security = os.path.join(os.environ["IPYTHONDIR"], "profile_default", "security")
    while not os.path.exists(os.path.join(security, "ipcontroller-client.json")):
        time.sleep(0.005)
    client = ipyparallel.Client()
    clients.tell(*clients.engines_answer(client, count))
else:
    dask.config.refresh()
    client = distributed.Client()
    clients.tell(*clients.dask_answers(client, count))
