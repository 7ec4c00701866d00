# SPDX-License-Identifier: MIT
"""When workers answer: what every candidate of t/bench/workers.sh is measured with.

Imported by the candidates' scripts in this folder, as the user.
"""

import json
import os
import time


def engines_answer(client, count):
    """Waits until a DirectView over all engines has answered.

    Args:
        client: a connected ipyparallel.Client.
        count (int): engines that there are to be.

    Returns:
        (float, list[int]): unix seconds, and the engines' process ids.
    """
    while len(client.ids) < count:
        time.sleep(0.005)
    pids = client[:].apply_sync(os.getpid)
    return time.time(), pids


def dask_answers(client, count):
    """Waits until count Dask workers have come and each has run one task.

    Args:
        client: a connected distributed.Client.
        count (int): workers that there are to be.

    Returns:
        (float, list[int]): unix seconds, and the workers' process ids.
    """
    client.wait_for_workers(count)
    workers = list(client.scheduler_info(n_workers=-1)["workers"])
    tasks = [client.submit(os.getpid, workers=[worker], pure=False) for worker in workers]
    pids = client.gather(tasks)
    return time.time(), pids


def wait_for_file(path, seconds=120):
    """The text of a file once it is there and not empty.

    Raises:
        TimeoutError: after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with open(path) as file:
                text = file.read()
            if text.endswith("\n"):
                return text
        except FileNotFoundError:
            pass
        time.sleep(0.005)
    raise TimeoutError(path)


def tell(answered, pids):
    """Prints the result, for workers.sh, and stays until stdin ends: the workers are to be weighed."""
    print(json.dumps({"answered": answered, "pids": sorted(set(pids))}), flush=True)
    os.read(0, 1)
