#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A bare kernel side by side with the same by hand: from the batch script's first line until the
# kernel has answered a client in the job, in turn; then, of one and the same kernel, an execute
# round trip and 100 MB of output by a client on the login host through the tunnel against one on
# the node.  All processes share the machine: on two cores kernel and client have one each, and
# what the tunnel's two ends take is taken from them.  Called by t/bench/run, as root.
#
# Last, kernel_ssh.sh: from the login host, ours beside PyPI's sshpyk, one of those that start a
# kernel elsewhere by ssh.
#
# usage: kernel.sh [PAIRS] [ROUNDS]
set -euo pipefail
# shellcheck source=t/bench/common.bash
source "$(dirname "$0")/common.bash"
pairs=${1:-8}
rounds=${2:-5}
python=$VENV/bin/python
work=$(mktemp -d)
chmod 0755 "$work"
install -m 0755 "$TOP/t/bench/kernel/client.py" "$work/client.py"
job=
clean() {
	[[ -z $job ]] || "$CLUSTER" run -- scancel "$job"
	rm -rf "$work"
}
trap clean EXIT

# The same client in both; it begins when the kernel does.
by_hand=$(
	cat <<-END
		#!/bin/bash
		begin=\${EPOCHREALTIME/./}
		file=\$(mktemp -u /tmp/bench-kernel.XXXXXX)
		$python -m ipykernel_launcher -f "\$file" >/dev/null 2>&1 &
		$python $work/client.py answer "\$file"
		echo \$((\${EPOCHREALTIME/./} - begin)) >"\$RESULT"
		kill %1
		wait
		rm -f "\$file"
	END
)
ours=$(
	cat <<-END
		#!/bin/bash
		begin=\${EPOCHREALTIME/./}
		$python $work/client.py session "\$SLURM_JOB_ID"
		echo \$((\${EPOCHREALTIME/./} - begin)) >"\$RESULT"
	END
)

once() { # SCRIPT SBATCH_OPTIONS...
	local script=$1 result
	shift
	result=$(home)/bench-kernel
	as_user rm -f "$result"
	as_user sbatch --wait -Q -N1 -o /dev/null --export="ALL,RESULT=$result" "$@" <<<"$script" >/dev/null
	cat "$result"
}

once "$by_hand" >/dev/null
once "$ours" --jupyter=kernel >/dev/null
for ((i = 0; i < pairs; i++)); do
	if ((i % 2)); then
		a=$(once "$ours" --jupyter=kernel)
		b=$(once "$by_hand")
	else
		b=$(once "$by_hand")
		a=$(once "$ours" --jupyter=kernel)
	fi
	echo "$a $b" >>"$work/times"
done
printf '  %s pairs; medians: --jupyter=kernel %.2f s, by hand %.2f s\n' "$pairs" \
	"$(awk "BEGIN { print $(column 1 <"$work/times" | median) / 1e6 }")" \
	"$(awk "BEGIN { print $(column 2 <"$work/times" | median) / 1e6 }")"
report "first line to kernel's answer, --jupyter=kernel / by hand" \
	"$(awk '{ print $1 / $2 }' "$work/times" | median)" x at-most 1.1

job=$(as_user sbatch --parsable -N1 --jupyter=kernel -o /dev/null --wrap 'sjupyter wait')
as_user sjupyter wait --ready --timeout=3 "$job"
field() { # EXPRESSION: of the record r
	python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' \
		"$(home)/.local/state/spank-jupyter/$job/session.json" "$1"
}
read -r more ratio < <("$python" "$work/client.py" pairs "$rounds" \
	"$CLUSTER" run -u "$USER_NAME" -n "$(field 'r["head"]["node"]')" -- "$python" "$work/client.py" \
	serve "$(field 'r["head"]["runtime_dir"]')/kernel.json" against \
	"$CLUSTER" run -u "$USER_NAME" -- "$python" "$work/client.py" proxy "$job")
report "an execute round trip through the tunnel, more than direct" "$more" us at-most 150
report "100 MB of ipykernel's output through the tunnel / direct" "$ratio" x at-least 0.8
"$TOP/t/bench/kernel_ssh.sh" "$pairs"
