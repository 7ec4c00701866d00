#!/bin/bash
# SPDX-License-Identifier: MIT
#
# JupyterHub with our spawner beside batchspawner, with the same single-user server: the time from the
# job's begin until the hub says ready, and how often Slurm's controller is asked about jobs for each
# spawn that waits in the queue.  Both configurations are in t/bench/hub/.  Called by t/bench/run, as root.
#
# usage: hub.sh [ROUNDS]
set -euo pipefail
# shellcheck source=t/bench/common.bash
source "$(dirname "$0")/common.bash"
rounds=${1:-5}

SECONDS_PENDING=40
ip=$("$CLUSTER" run -- getent ahostsv4 login | awk 'NR == 1 { print $1 }')
API=http://$ip:$((8002 + CLUSTER_INSTANCE * 10))/hub/api
PEERS=$STATE/hub-peers
work=$(mktemp -d)
trap 'partition up; as_user scancel -u "$USER_NAME"; "$CLUSTER" hub down; rm -rf "$work" "$PEERS" "$(home)/.bench-begun"' EXIT

# batchspawner for the jobs, in the same Python as the server that both start.
"$VENV/bin/python" -m pip install -q --disable-pip-version-check --no-deps --upgrade --target "$PEERS" \
	"$(grep '^batchspawner==' "$TOP/contrib/requirements-hub.txt")"
cat >"$PEERS/bin/batchspawner-singleuser" <<END
#!/bin/sh
# Of the environment srun hands on only what batchspawner names.
PYTHONPATH=$PEERS exec $VENV/bin/python -m batchspawner.singleuser "\$@"
END
chmod -R a+rX "$PEERS"

hub_up() { # spank|batchspawner
	"$CLUSTER" hub down
	CLUSTER_HUB_SPAWNER=$1 CLUSTER_HUB_CONFIG=$TOP/t/bench/hub/$1_config.py "$CLUSTER" hub up >/dev/null
}

client() {
	"$CLUSTER" run -- "$TOP/t/bench/hub/client.py" "$1" "$API" "$USER_NAME" "${@:2}" \
		<"$STATE/hub/api-token"
}

partition() {
	"$CLUSTER" run -- scontrol update partitionname=main state="$1"
}

# The seconds of one spawn.  Ours begins before its script does: with the plugin.
seconds_once() { # spank|batchspawner
	local ready begun job record
	rm -f "$(home)/.bench-begun"
	ready=$(client ready)
	begun=$(<"$(home)/.bench-begun")
	if [[ $1 == spank ]]; then
		job=$(as_user squeue -h -u "$USER_NAME" -o %A)
		record=$(home)/.local/state/spank-jupyter/$job/session.json
		begun=$("$VENV/bin/python" -c 'import json, sys
print(min(float(sys.argv[2]), json.load(open(sys.argv[1]))["phases"]["triggered"]))' "$record" "$begun")
	fi
	awk "BEGIN { print $ready - $begun }"
	client stop
	idle
}

idle() {
	until [[ -z $(as_user squeue -h -u "$USER_NAME") ]]; do sleep 0.2; done
}

# Times that the controller was asked about jobs, by whatever command.
questions() {
	"$CLUSTER" run -- sdiag | awk '/REQUEST_JOB_INFO/ { sub(/.*count:/, ""); sum += $1 } END { print sum + 0 }'
}

# questions_pending COUNT: those for each of so many spawns that wait.
questions_pending() {
	local before after
	partition down
	client begin "$1"
	until [[ $(as_user squeue -h -u "$USER_NAME" -t PENDING | wc -l) -eq $1 ]]; do sleep 0.2; done
	before=$(questions)
	sleep "$SECONDS_PENDING"
	after=$(questions)
	client stop
	partition up
	idle
	awk "BEGIN { print ($after - $before) / $1 }"
}

measure() { # spank|batchspawner
	local i
	hub_up "$1"
	# The first one fills caches that the second finds full.
	seconds_once "$1" >/dev/null
	for ((i = 0; i < rounds; i++)); do
		seconds_once "$1"
	done >"$work/$1"
	for i in 1 4; do
		questions_pending "$i" >"$work/$1-$i"
	done
}

measure batchspawner
measure spank
ours=$(median <"$work/spank")
theirs=$(median <"$work/batchspawner")
echo "job's begin until the hub says ready, medians of $rounds: ours $ours s, batchspawner $theirs s"
report "hub: ready after the job's begin, ours / batchspawner" "$(awk "BEGIN { print $ours / $theirs }")" "" at-most 0.8
for i in 1 4; do
	ours=$(<"$work/spank-$i") theirs=$(<"$work/batchspawner-$i")
	echo "questions about jobs in $SECONDS_PENDING s, for each of $i pending: ours $ours, batchspawner $theirs"
	report "hub: squeue per pending spawn ($i), batchspawner / ours" \
		"$(awk "BEGIN { print $theirs / ($ours > 0 ? $ours : 1 / $i) }")" times at-least 10
done
