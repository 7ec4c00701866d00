# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# What the benchmarks share: the cluster, statistics over pairs, and the line that puts a
# measured figure beside its bound.  Sourced by the scripts of t/bench, as root.

TOP=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
export PREFIX=${SPANK_JUPYTER_TEST_PREFIX:-/opt/spank-jupyter-test}
export VENV=${SPANK_JUPYTER_VENV:-/opt/spank-jupyter/venv}
export CLUSTER_INSTANCE=${CLUSTER_INSTANCE:-3}
export CLUSTER_PATH=$PREFIX/bin:$VENV/bin
# Where JupyterHub and its proxy are, for those that need them.
export CLUSTER_HUB_VENV=${CLUSTER_HUB_VENV:-/opt/spank-jupyter/hub}
export CLUSTER_HUB_PROXY=${CLUSTER_HUB_PROXY:-/opt/spank-jupyter/configurable-http-proxy}
CLUSTER=$TOP/contrib/cluster/cluster
USER_NAME=sjalice${CLUSTER_INSTANCE#0}
STATE=/run/spank-jupyter-cluster/$CLUSTER_INSTANCE
PLUGIN_LINE="optional $PREFIX/lib/slurm/jupyter.so"

as_user() {
	"$CLUSTER" run -u "$USER_NAME" -- "$@"
}

home() {
	getent passwd "$USER_NAME" | cut -d: -f6
}

# median: of numbers on stdin, one a line.
median() {
	sort -g | awk '{ v[NR] = $1 } END { if (!NR) exit 1; print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# column N: of stdin.
column() {
	awk -v n="$1" '{ print $n }'
}

# report NAME MEASURED UNIT at-most|at-least BOUND: one row, told as missed where it is.
report() {
	awk -v name="$1" -v m="$2" -v unit="$3" -v sense="$4" -v bound="$5" 'BEGIN {
		ok = sense == "at-most" ? m + 0 <= bound + 0 : m + 0 >= bound + 0
		printf "%-58s %10.3f %-6s bound: %s %s  %s\n", name, m, unit, sense, bound, ok ? "met" : "MISSED"
	}'
}
