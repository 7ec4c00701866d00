#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the plugin costs those who do not use it: `srun true` in an allocation with the plugin
# loaded and no --jupyter, against no plugin.  Called by t/bench/run, as root; the cluster is up.
#
# usage: srun.sh [PAIRS]
set -euo pipefail
# shellcheck source=t/bench/common.bash
source "$(dirname "$0")/common.bash"
pairs=${1:-60}

# The user's loop switches the plugin on and off: clients and slurmstepd read the file at each
# launch.  The order within a pair changes, so that a drift of the machine favours neither.
plugstack=$STATE/etc/plugstack.conf
kept=$(mktemp)
cp -p "$plugstack" "$kept"
trap 'cp -p "$kept" "$plugstack"; rm -f "$kept"' EXIT
chown "$USER_NAME" "$plugstack"

as_user salloc -Q -N1 -n1 bash -s "$plugstack" "$PLUGIN_LINE" "$pairs" >"$kept.times" <<'END'
	once() {
		echo "$1" >"$file"
		local begin=${EPOCHREALTIME/./}
		srun true </dev/null
		took=$((${EPOCHREALTIME/./} - begin))
	}
	file=$1 line=$2
	once "$line"; once ""
	for ((i = 0; i < $3; i++)); do
		if ((i % 2)); then
			once "$line"; with=$took; once ""; without=$took
		else
			once ""; without=$took; once "$line"; with=$took
		fi
		echo "$with $without"
	done
END
with=$(column 1 <"$kept.times" | median)
without=$(column 2 <"$kept.times" | median)
ratio=$(awk '{ print $1 / $2 }' "$kept.times" | median)
rm -f "$kept.times"
printf '  %s pairs; medians: with plugin %.1f ms, without %.1f ms; ratio of medians %.4f\n' "$pairs" \
	"$(awk "BEGIN { print $with / 1000 }")" "$(awk "BEGIN { print $without / 1000 }")" \
	"$(awk "BEGIN { print $with / $without }")"
report "srun true, plugin loaded / no plugin (median of pairs)" "$ratio" x at-most 1.01
