#!/bin/bash
# SPDX-License-Identifier: MIT
#
# How long a user waits: from the batch script's first line until the URL answers, against the
# same JupyterLab started by the script by hand, in turn.  Called by t/bench/run, as root.
#
# usage: start.sh [PAIRS]
set -euo pipefail
# shellcheck source=t/bench/common.bash
source "$(dirname "$0")/common.bash"
pairs=${1:-8}

# Both scripts ask in the same way, which takes little of the processors: every 20 ms whether
# somebody listens, then once for an answer, for which curl waits.
ask=$(
	cat <<-'END'
		listens() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }
		until_answered() {
			until listens "$1" "$2"; do sleep 0.02; done
			curl -sf --noproxy '*' -o /dev/null --max-time 60 "http://$1:$2/api" || exit
			echo $((${EPOCHREALTIME/./} - begin)) >"$RESULT"
		}
	END
)
by_hand=$(
	cat <<-END
		#!/bin/bash
		begin=\${EPOCHREALTIME/./}
		$ask
		ip=\$(hostname -I | awk '{ print \$1 }')
		port=\$((20000 + SLURM_JOB_ID % 20000))
		jupyter-lab --no-browser --ip="\$ip" --port="\$port" >/dev/null 2>&1 &
		until_answered "\$ip" "\$port"
		kill %1
		wait
	END
)
ours=$(
	cat <<-END
		#!/bin/bash
		begin=\${EPOCHREALTIME/./}
		$ask
		record=\$HOME/.local/state/spank-jupyter/\$SLURM_JOB_ID/session.json
		until url=\$(grep -o '"url":"http://[^/]*' "\$record" 2>/dev/null); do sleep 0.02; done
		url=\${url#*//}
		until_answered "\${url%:*}" "\${url##*:}"
	END
)

once() { # SCRIPT SBATCH_OPTIONS...
	local script=$1 result
	shift
	result=$(home)/bench-start
	as_user sbatch --wait -Q -N1 -o /dev/null --export="ALL,RESULT=$result" "$@" <<<"$script" >/dev/null
	cat "$result"
}

times=$(mktemp)
trap 'rm -f "$times"' EXIT
once "$by_hand" >/dev/null
once "$ours" --jupyter=lab >/dev/null
for ((i = 0; i < pairs; i++)); do
	if ((i % 2)); then
		a=$(once "$ours" --jupyter=lab)
		b=$(once "$by_hand")
	else
		b=$(once "$by_hand")
		a=$(once "$ours" --jupyter=lab)
	fi
	echo "$a $b" >>"$times"
done
printf '  %s pairs; medians: --jupyter=lab %.2f s, by hand %.2f s\n' "$pairs" \
	"$(awk "BEGIN { print $(column 1 <"$times" | median) / 1e6 }")" \
	"$(awk "BEGIN { print $(column 2 <"$times" | median) / 1e6 }")"
report "first line to URL, --jupyter=lab / by hand (median of pairs)" \
	"$(awk '{ print $1 / $2 }' "$times" | median)" x at-most 1.05
