# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
#
# What the bats files about workers share, on top of session.bash.  Loaded in bats'
# processes, as root.

# workers_are JOB KIND READY EXPECTED: as the session's record has them.
workers_are() {
	local counts
	counts=$(session_get "$1" "[(w['ready'], w['expected']) for w in r['workers'] if w['kind'] == '$2']")
	echo "workers of job $1: $2 $counts"
	[[ $counts == "[($3, $4)]" ]]
}

# workers_state JOB KIND
workers_state() {
	session_get "$1" "[w['state'] for w in r['workers'] if w['kind'] == '$2'][0]"
}

workers_state_is() {
	local state
	state=$(workers_state "$1" "$2")
	echo "workers of job $1: $2 $state"
	[[ $state =~ ^($3)$ ]]
}

# missing JOB KIND: "NODE.INDEX" of each that is missing.
missing() {
	session_get "$1" "' '.join('%s.%d' % (m['node'], m['index']) for w in r['workers'] if w['kind'] == '$2' for m in w['missing'])"
}

# worker_pid JOB KIND NODE_RANK INDEX: a forked one by the name that it has been given,
# one that was started by its environment.
worker_pid() {
	local pid name="$2 $3.$4"
	for pid in $(pgrep -u "$ALICE"); do
		if [[ $(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null) =~ SLURM_JOB_ID=$1($|$'\n') ]] &&
			{ [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "${2:0:$((14 - ${#3} - ${#4} - 1))} $3.$4" ]] ||
				[[ $(worker_name "$pid") == "$name" ]]; }; then
			echo "$pid"
			return
		fi
	done
	fail "no worker $name of job $1"
}

# worker_name PID: "KIND ID" from its environment.
worker_name() {
	tr '\0' '\n' <"/proc/$1/environ" 2>/dev/null | awk -F= '
		$1 == "SPANK_JUPYTER_KIND" { kind = $2 }
		$1 == "SPANK_JUPYTER_WORKER" { id = $2 }
		END { print kind, id }'
}

worker_is_another() {
	local pid
	pid=$(worker_pid "$1" "$2" "$3" "$4") && [[ $pid != "$5" ]]
}
