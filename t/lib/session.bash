# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
#
# What the bats files about sessions share, on top of common.bash: using a running
# session as its user does, and looking at its processes.  Loaded in bats'
# processes, as root.

# client JOB ACTION TEXT [USER]: t/lib/jupyter_client.py through the session's URL.
client() {
	local user=${4:-$ALICE} program
	program=$(home_of "$user")/.jupyter_client.py
	install -m 0644 "$TOP/t/lib/jupyter_client.py" "$program"
	as_user "$user" sjupyter url "$1" | as_user "$user" "$PYTHON" "$program" - "$2" "$3"
}

# agent_pid NODE_NAME JOB: of the session's agent on that node, by its host name.
agent_pid() {
	local pid
	# Other clusters have jobs and nodes of the same names, but other users.
	for pid in $(pgrep -u "$ALICE,$BOB" -f "^[^ ]*/jupyter-agent .*"); do
		[[ -r /proc/$pid/environ ]] || continue
		if tr '\0' '\n' <"/proc/$pid/environ" | grep -qx "SLURM_JOB_ID=$2" &&
			tr '\0' '\n' <"/proc/$pid/environ" | grep -qx "SLURMD_NODENAME=$1"; then
			echo "$pid"
			return
		fi
	done
	fail "no agent of job $2 on $1"
}

# server_pid JOB: of the server, the head's child.
server_pid() {
	pgrep -o -P "$(session_get "$1" 'r["head"]["pid"]')"
}

# sessions_of USER: how many agents of rank 0 live.
heads_of() {
	local pid heads=0
	for pid in $(pgrep -u "$1" -f '^[^ ]*/jupyter-agent ' || true); do
		if tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qx 'SLURM_PROCID=0'; then
			heads=$((heads + 1))
		fi
	done
	echo "$heads"
}

# steps_of JOB: names of its steps, one a line.
steps_of() {
	"$CLUSTER" run -- squeue -h -s -j "$1" -o '%i %j'
}

job_log_has() {
	job_log "$1" "${3:-$ALICE}" | grep -F -- "$2"
}

# Where the cluster's processes find the site's settings; t/run has installed it.
CONFIG=$PREFIX/etc/spank-jupyter/spank-jupyter.conf
# The same file as the tests see it, who are not in the cluster: its own, where it has one.
CONFIG_FILE=$CONFIG
[[ ! -e $CLUSTER_STATE_DIR/site-of ]] ||
	CONFIG_FILE=$CLUSTER_STATE_DIR/site/spank-jupyter.conf

# config_write: the site's settings from stdin, until config_restore.
config_write() {
	[[ -e $CONFIG_FILE.kept ]] || cp "$CONFIG_FILE" "$CONFIG_FILE.kept"
	cat >"$CONFIG_FILE"
}

config_restore() {
	if [[ -e $CONFIG_FILE.kept ]]; then
		mv "$CONFIG_FILE.kept" "$CONFIG_FILE"
	fi
}

# session_reason JOB
session_reason() {
	session_get "$1" 'r["reason"]'
}

# submit_refused ARGUMENTS...: sbatch says no; the line about it is in $output.
submit_refused() {
	run as_alice timeout -k 5 30 sbatch "$@" --wrap true
	[[ $status -ne 0 ]] || fail "accepted: $*"
}
