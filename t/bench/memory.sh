#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What an idle session costs on its nodes: resident memory and wake-ups of head and agents, over
# SECONDS in which nobody uses it.  Called by t/bench/run, as root; the cluster is up.
#
# usage: memory.sh [SECONDS]
set -euo pipefail
# shellcheck source=t/bench/common.bash
source "$(dirname "$0")/common.bash"
seconds=${1:-60}

job=$(as_user sbatch --parsable -N4 --jupyter=lab -o /dev/null --wrap 'sjupyter wait')
trap '"$CLUSTER" run -- scancel "$job"' EXIT
as_user sjupyter wait --ready --timeout=3 "$job"
head_pid=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["head"]["pid"])' \
	"$(home)/.local/state/spank-jupyter/$job/session.json")
mapfile -t members < <(pgrep -u "$USER_NAME" -x jupyter-agent | grep -vx "$head_pid")

# Every time a thread was put on a processor, by its own wish or not.
switches() {
	cat "/proc/$1"/task/*/status | awk '/ctxt_switches/ { n += $2 } END { print n }'
}

field() { # PID FILE NAME: in MB
	awk -v name="$3:" '$1 == name { print $2 / 1024 }' "/proc/$1/$2"
}

sleep 5
before_head=$(switches "$head_pid")
before_member=$(switches "${members[0]}")
sleep "$seconds"
wakes_head=$(awk "BEGIN { print ($(switches "$head_pid") - $before_head) / $seconds }")
wakes_member=$(awk "BEGIN { print ($(switches "${members[0]}") - $before_member) / $seconds }")
printf '  after %s s idle; proportional set size: head %.2f MB, agent %.2f MB\n' "$seconds" \
	"$(field "$head_pid" smaps_rollup Pss)" "$(field "${members[0]}" smaps_rollup Pss)"
report "head, resident" "$(field "$head_pid" status VmRSS)" MB at-most 8
report "agent, resident" "$(field "${members[0]}" status VmRSS)" MB at-most 5
report "head, wake-ups when idle" "$wakes_head" /s at-most 1
report "agent, wake-ups when idle" "$wakes_member" /s at-most 1
