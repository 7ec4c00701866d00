#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 1,000 sessions that call a real JupyterHub at once, twice: as they come, and with the hub killed and
# started again when half have had their answer.  Each session is a jupyter-hub-callback of its own; tokens,
# credentials, database and proxy are real, the jobs are not.  Called by t/bench/run, as root, which has set
# CLUSTER_HUB_VENV and CLUSTER_HUB_PROXY where they are not the usual ones.
#
# usage: callback.sh [COUNT]
set -euo pipefail
# shellcheck source=t/bench/common.bash
source "$(dirname "$0")/common.bash"
# shellcheck source=t/lib/hub-load.bash
source "$TOP/t/lib/hub-load.bash"
count=${1:-1000}
trap '"$CLUSTER" hub down' EXIT

# tell WHAT: of the lines of load_run; the requirement is that none is lost.
tell() {
	/usr/bin/python3 -c '
import json, sys
for line in sys.stdin:
    result = json.loads(line)
    if "ready" in result:
        print("%-58s %5d of %d" % (sys.argv[1] + ": servers that the hub has ready then", result["ready"], result["count"]))
        continue
    name = "%s: %s" % (sys.argv[1], result["wave"].partition("+")[0])
    met = "met" if result["answered"] == result["count"] and not result["failures"] else "MISSED"
    print("%-58s %5d of %d  bound: all  %s" % (name + ", accepted", result["answered"], result["count"], met))
    if "median" in result:
        print("%-58s %9.3f s, worst %.3f s" % (name + ", median", result["median"], result["worst"]))
    for words in result["failures"]:
        print("    " + words)
' "$1"
}

load_hub_up >/dev/null
load_run "$count" environment serving | tell "$count at once"
load_hub_up >/dev/null
load_run "$count" environment+restart serving+restart 2>/dev/null | tell "hub killed in the middle"
