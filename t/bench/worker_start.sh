#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Worker start against their number on one node, up to 64: from the trigger of a session with a
# bare kernel until all have joined their controller, each size in turn in every round, and the
# medians.  All start on what the machine has: the node's eight CPUs are pretended.  Makes a plot
# for the documentation where a file is named.  Called by t/bench/run, as root.
#
# usage: worker_start.sh [ROUNDS [SVG]]
set -euo pipefail
# shellcheck source=t/bench/common.bash
source "$(dirname "$0")/common.bash"
rounds=${1:-3}

SIZES=(1 2 4 8 16 32 64)
KINDS=(ipyparallel dask)
PYTHON=$VENV/bin/python
DEADLINE=120 # seconds, for one session
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# once KIND N: seconds.
once() {
	local job record seconds end=$((SECONDS + DEADLINE))
	job=$(as_user sbatch --parsable -N1 -o /dev/null --jupyter=kernel --jupyter-workers="$1:$2" \
		--wrap 'sjupyter wait')
	record=$(home)/.local/state/spank-jupyter/$job/session.json
	until seconds=$("$PYTHON" -c '
import json, sys
phases = json.load(open(sys.argv[1]))["phases"]
print(phases["ready"] - phases["triggered"])' "$record" 2>/dev/null); do
		((SECONDS < end)) || {
			echo "worker_start.sh: $2 workers of $1 are not ready within $DEADLINE s" >&2
			as_user scancel "$job"
			return 1
		}
		sleep 0.1
	done
	as_user scancel "$job"
	until [[ -z $(as_user squeue -h -j "$job" 2>/dev/null) ]]; do sleep 0.1; done
	echo "$seconds"
}

for kind in "${KINDS[@]}"; do
	once "$kind" 1 >/dev/null
	for ((round = 0; round < rounds; round++)); do
		for size in "${SIZES[@]}"; do
			seconds=$(once "$kind" "$size")
			echo "$size $seconds" >>"$work/$kind"
		done
	done
done

for kind in "${KINDS[@]}"; do
	declare -A took=()
	for size in "${SIZES[@]}"; do
		seconds=$(awk -v n="$size" '$1 == n { print $2 }' "$work/$kind" | median)
		echo "$kind $size $seconds" >>"$work/medians"
		took[$size]=$seconds
		printf '%-58s %10.3f s\n' "$kind, $size on one node: until all have joined" "$seconds"
	done
	# The first worker costs what all share; the second figure is without it, nearly.
	for size in 1 8; do
		report "$kind: growth of the time from $size to 64, linear: $((64 / size))" \
			"$(awk -v a="${took[$size]}" -v b="${took[64]}" 'BEGIN { print b / a }')" times at-most $((64 / size))
	done
done
[[ $# -lt 2 ]] ||
	"$TOP/t/bench/plot.py" "Start of workers on one node" "workers" "seconds until all have joined" \
		<"$work/medians" >"$2"
