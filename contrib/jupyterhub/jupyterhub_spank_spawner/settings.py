# SPDX-License-Identifier: MIT
"""The settings of the spawner, c.SpankSpawner.

Part of spawner.py's class.
"""

import os
import shutil

from traitlets import Bool, Callable, Dict, Enum, Integer, List, Unicode, Union, default, validate
from traitlets.config import LoggingConfigurable

# Seconds in the place of JupyterHub's own start_timeout, which knows no queue.
FOREVER = 10 * 365 * 86400


class SpankSettings(LoggingConfigurable):
    """Configured as c.SpankSpawner."""

    # What start_timeout is set to.
    running_timeout = 300

    start_timeout = Integer(
        FOREVER,
        help="""Seconds (default 300) from the moment that the job runs until its server has to answer.  Waiting in
        the queue has no timeout.""",
    ).tag(config=True)
    submit_with = Enum(
        ["sbatch", "salloc"],
        "sbatch",
        help="""sbatch submits a batch job; salloc holds the allocation from the hub's host, by a process that
        outlives the hub.""",
    ).tag(config=True)
    exec_prefix = List(
        Unicode(),
        help="""Words before sbatch, salloc, scancel and sjupyter, which make them the user's; {username} is his
        name.  Default: ["runuser", "-u", "{username}", "--"] for a hub that is root, else
        ["sudo", "-n", "-u", "{username}", "--"].""",
    ).tag(config=True)
    options = List(
        Unicode(), help='Further words for sbatch and salloc, e.g. ["--qos=interactive"]; {username} is replaced.'
    ).tag(config=True)
    recipe = Unicode("singleuser", help="The value of --jupyter, a recipe of spank-jupyter.conf.").tag(config=True)
    wait_command = Unicode(
        "sjupyter wait",
        help="The body of the job.  With an absolute path where sjupyter is not in the PATH of jobs.",
    ).tag(config=True)
    stop_session_command = Unicode(
        "sjupyter stop {job_id}", help="Run as the user, ends the session of an adopted job and not the job."
    ).tag(config=True)
    output = Unicode("jupyterhub-%j.log", help="The job's output, as of sbatch's --output, in the user's home.").tag(
        config=True
    )
    env_submit = List(
        Unicode(),
        ["PATH", "LANG", "LC_ALL", "TZ", "SLURM_CONF"],
        help="Variables of the hub's own environment that sbatch and salloc see, and so the job.",
    ).tag(config=True)
    umask = Integer(0o022, help="The umask of sbatch and salloc, and so of the job (from Python 3.9 on).").tag(
        config=True
    )
    state_dir = Unicode("spank-jupyter", help="A directory of the hub's, for what sbatch and salloc say.").tag(
        config=True
    )
    local_username = Union(
        [Callable(), Unicode()],
        default_value="{username}",
        help="The name of the user's Unix account: a template, or a callable that gets the spawner.",
    ).tag(config=True)
    min_uid = Integer(1000, help="Servers of accounts with a smaller uid are refused.").tag(config=True)
    submit_timeout = Integer(120, help="Seconds after which sbatch is given up.").tag(config=True)
    stop_timeout = Integer(120, help="Seconds after which a job that does not end is left to Slurm.").tag(config=True)
    start_when = Enum(
        ["serving", "ready"],
        "serving",
        help="Whether the user gets to the server when it answers, or when its workers have come as well.",
    ).tag(config=True)
    apps = Dict(
        {
            "lab": {"title": "JupyterLab", "default_url": "/lab"},
            "notebook": {"title": "Notebook", "default_url": "/tree"},
        },
        help="""The apps of the form: {name: {title, default_url, recipe}}; a recipe other than c.SpankSpawner.recipe
        has to be one for single-user servers as well.""",
    ).tag(config=True)
    limits = Union(
        [Callable(), Dict()],
        default_value={},
        help="""What users may choose: {group: {field: limit}}, with the group "" for everybody; of several groups the
        widest limit counts.  Fields: app, partition, account, reservation, workers (lists of names, "*" for any),
        nodes, cpus, gpus, workers_per_node (the greatest number), time, memory (the most).  Or a callable that gets
        the spawner and returns {field: limit}.  A field without a limit is not in the form.""",
    ).tag(config=True)
    unix_groups = Bool(
        False, help="Whether the groups of limits and profiles are Unix groups as well, not JupyterHub's only."
    ).tag(config=True)
    profiles = List(
        Dict(),
        help="""Prepared choices: [{"name", "title", "options": {field: value}, "groups": [...]}]; their options need
        no limit.""",
    ).tag(config=True)
    defaults = Dict(help="What the form begins with: {field: value}.").tag(config=True)

    @default("exec_prefix")
    def _exec_prefix(self):
        if os.geteuid() == 0:
            # Not in the PATH of every service.
            runuser = shutil.which("runuser") or shutil.which("runuser", path="/usr/sbin:/sbin") or "runuser"
            return [runuser, "-u", "{username}", "--"]
        return ["sudo", "-n", "-u", "{username}", "--"]

    @validate("start_timeout")
    def _own_clock(self, proposal):
        self.running_timeout = proposal["value"]
        return FOREVER
