#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A job that is a JupyterLab on the first of four nodes: `sbatch notebook.sh`, or
# `sjupyter run notebook.sh` to be shown the URL.  Runs as the user who submits it.
#SBATCH -N4
#SBATCH --time=1:00:00
#SBATCH --jupyter=lab

# The session has been started by now.  Work that needs no Jupyter goes here; the
# session ends with the job, so a job that has none waits for the session's end.
sjupyter wait
