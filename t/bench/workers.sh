#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Worker start side by side: 32 workers on four nodes from the start of their step until all have
# answered a client that was there before, and the memory of all worker processes then (PSS, with
# the host processes of ours and the nannies of theirs).  Peers are configured as their
# documentation says: see workers/.  Called by t/bench/run, as root.
#
# usage: workers.sh [ROUNDS]
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=t/bench/common.bash
source "$(dirname "$0")/common.bash"
rounds=${1:-3}

NODES=4
PER_NODE=8
COUNT=$((NODES * PER_NODE))
PYTHON=$VENV/bin/python
work=$(mktemp -d)
chmod 0755 "$work"
mkdir -m 0777 "$work/out"
trap 'rm -rf "$work"' EXIT
cp -r "$TOP/t/bench/workers" "$work/scripts"
"$PYTHON" -m pip install -q --disable-pip-version-check --no-deps --target "$work/peers" \
	-r "$TOP/t/bench/workers/requirements.txt"
chmod -R a+rX "$work"
login_ip=$("$CLUSTER" run -- getent ahostsv4 login | awk 'NR == 1 { print $1 }')

# pss PID...: KiB of all of them.
pss() {
	local pid
	for pid in "$@"; do
		cat "/proc/$pid/smaps_rollup" 2>/dev/null || true
	done | awk '$1 == "Pss:" { sum += $2 } END { print sum + 0 }'
}

# A client or a peer's script in the background: its first line or result on "$work/out/result",
# until quit closes its stdin.
begin() { # NODE|login ARGUMENTS...
	local where=()
	[[ $1 == login ]] || where=(-n "$1")
	shift
	rm -rf "${work:?}/out/"*
	mkfifo "$work/out/stdin"
	"$CLUSTER" run -u "$USER_NAME" "${where[@]}" -e "PYTHONPATH=$work/peers" -e SLURM_CPU_BIND=none -- \
		timeout 300 "$PYTHON" "$@" <"$work/out/stdin" >"$work/out/result" 2>"$work/out/errors" &
	program=$!
	exec 7>"$work/out/stdin"
}

quit() {
	exec 7>&-
	wait "$program" || true
}

# until_there PATTERN: in the result.
until_there() {
	until grep -q "$1" "$work/out/result"; do
		kill -0 "$program" 2>/dev/null || {
			tail -n 5 "$work/out/errors" >&2
			return 1
		}
		sleep 0.02
	done
}

# weigh STARTED PATTERN: "SECONDS KIB" of the candidate whose client has told its result.
weigh() {
	local answered pids others
	answered=$(sed -n 's/.*"answered": \([0-9.]*\).*/\1/p' "$work/out/result")
	pids=$(sed -n 's/.*"pids": \[\(.*\)\].*/\1/p' "$work/out/result" | tr -d ,)
	others=$(pgrep -u "$USER_NAME" -f "$2" | grep -vxFf <(listeners) || true)
	# shellcheck disable=SC2046,SC2086
	echo "$(awk "BEGIN { print $answered - $1 }") $(pss $(printf '%s\n' $pids $others | sort -un))"
}

# Of all processes that listen on a port of a node: controllers, and Dask's workers, which the
# client has named.
listeners() {
	local k
	echo none
	for ((k = 1; k <= NODES; k++)); do
		"$CLUSTER" run -n "n$k" -- ss -Hltnp | grep -o 'pid=[0-9]*' | cut -d= -f2 || true
	done
}

job_over() {
	as_user scancel "$1"
	until [[ -z $(as_user squeue -h -j "$1" 2>/dev/null) ]]; do sleep 0.1; done
}

field() { # NAME FILE: of a session record.
	"$PYTHON" -c "import json, sys; r = json.load(open(sys.argv[1])); print($1)" "$2" 2>/dev/null
}

ours() { # KIND APP
	local job record directory
	begin n1 "$work/scripts/client.py" "$1" "$COUNT" "$work/out/environment"
	until_there imported
	job=$(as_user sbatch --parsable -N$NODES -o /dev/null --jupyter="$2" --jupyter-workers="$1:$PER_NODE" \
		--wrap 'sjupyter wait')
	record=$(home)/.local/state/spank-jupyter/$job/session.json
	# No program is asked before there is an answer: it would take a CPU from what is measured.
	until [[ -s $record ]]; do sleep 0.02; done
	directory=$(field 'r["head"]["runtime_dir"]' "$record")
	until [[ -s $directory/environment ]]; do sleep 0.02; done
	tr '\0' '\n' <"$directory/environment" >"$work/out/.environment"
	chmod 0644 "$work/out/.environment"
	mv "$work/out/.environment" "$work/out/environment"
	until_there answered
	weigh "$(field 'r["phases"]["triggered"]' "$record")" workers/preload.py
	quit
	job_over "$job"
}

# A step of ipengines beside a controller that was there before.
srun_ipengine() {
	local job
	begin login "$work/scripts/client.py" ipyparallel "$COUNT" "$work/out/environment"
	until_there imported
	job=$(as_user sbatch --parsable -N$NODES --ntasks-per-node=$PER_NODE -o /dev/null --wrap "
		export IPYTHONDIR=$work/out/ipython-\$SLURM_JOB_ID SLURM_CPU_BIND=none
		ipcontroller --ip=* --log-level=ERROR &
		until [ -s \$IPYTHONDIR/profile_default/security/ipcontroller-engine.json ]; do sleep 0.05; done
		echo IPYTHONDIR=\$IPYTHONDIR >$work/out/environment
		date +%s.%N >$work/out/stamp
		srun ipengine --log-level=ERROR")
	until_there answered
	weigh "$(cat "$work/out/stamp")" ipengine
	quit
	job_over "$job"
}

ipyparallel_slurm() {
	begin login "$work/scripts/ipyparallel_slurm.py" "$COUNT" "$PER_NODE" "$login_ip" "$work/out/stamp"
	until_there answered
	weigh "$(cat "$work/out/stamp")" ipyparallel.engine
	quit
	idle
}

# One `dask worker` on each node, with as many worker processes as ours, beside a scheduler that
# was there before.
srun_dask() {
	local job
	begin login "$work/scripts/client.py" dask "$COUNT" "$work/out/environment"
	until_there imported
	job=$(as_user sbatch --parsable -N$NODES --ntasks-per-node=1 -c $PER_NODE -o /dev/null --wrap "
		export SLURM_CPU_BIND=none
		dask scheduler --no-dashboard --scheduler-file $work/out/scheduler.json &
		until [ -s $work/out/scheduler.json ]; do sleep 0.05; done
		address=\$(grep -o 'tcp://[^\"]*' $work/out/scheduler.json | head -n 1)
		echo DASK_SCHEDULER_ADDRESS=\$address >$work/out/environment
		date +%s.%N >$work/out/stamp
		srun dask worker --nworkers $PER_NODE --nthreads 1 --no-dashboard \$address")
	until_there answered
	weigh "$(cat "$work/out/stamp")" 'dask worker|multiprocessing'
	quit
	job_over "$job"
}

jobqueue() {
	begin login "$work/scripts/slurm_cluster.py" "$NODES" "$PER_NODE" "$login_ip" "$work/out/stamp"
	until_there answered
	weigh "$(sort -g "$work/out/stamp" | head -n 1)" 'distributed.cli.dask_worker|multiprocessing'
	quit
	idle
}

idle() {
	until [[ -z $(as_user squeue -h) ]]; do sleep 0.1; done
}

# row NAME COLUMN_OURS COLUMN_PEER BOUND: the median ratio of two columns of what the rounds gave.
row() {
	report "$1" "$(awk -v a="$2" -v b="$3" '{ print $a / $b }' "$work/rounds" | median)" x at-most "$4"
}

# The peers start workers alone.  So ours is a session with nothing beside its workers but the kernel
# that uses them; the same with a JupyterLab, which starts on the same cores at the same time, is
# told without a bound.
compare() { # KIND WORD BOUND1 BOUND2 BOUND_MEMORY PEER1 PEER2
	local i kernel lab b c
	: >"$work/rounds"
	for ((i = 0; i < rounds; i++)); do
		kernel=$(ours "$1" kernel)
		b=$("$6")
		c=$("$7")
		lab=$(ours "$1" lab)
		echo "$kernel $b $c $lab" >>"$work/rounds"
		echo "  $1, round $((i + 1)): seconds and KiB: ours $kernel (with a lab $lab), $6 $b, $7 $c"
	done
	row "$COUNT $2: ours / $6, time" 1 3 "$3"
	row "$COUNT $2: ours / $7, time" 1 5 "$4"
	row "$COUNT $2: ours / $6, memory" 2 4 "$5"
	row "$COUNT $2: ours / $7, memory" 2 6 "$5"
	awk '{ printf "  with a lab beside: %.3f of %s, %.3f of %s\n", $7 / $3, one, $7 / $5, two }' \
		one="$6" two="$7" "$work/rounds"
}

compare ipyparallel "ipengines, $NODES nodes" 0.1 0.25 0.4 ipyparallel_slurm srun_ipengine
compare dask "Dask workers, $NODES nodes" 0.25 0.25 0.5 jobqueue srun_dask
