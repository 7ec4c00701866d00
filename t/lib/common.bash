# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# What the files of the bats suite share: commands as a user and on a node of the
# private cluster, waiting with a deadline, the session record, assertions, and the
# check that nothing is left.  Loaded with `load lib/common`, in bats' processes,
# as root; t/run has brought the cluster up and set the environment.

TOP=${TOP:-$(readlink -f "$BATS_TEST_DIRNAME/..")}
export PREFIX=${PREFIX:-/opt/spank-jupyter-test}
export VENV=${VENV:-/opt/spank-jupyter/venv}
export CLUSTER_INSTANCE=${CLUSTER_INSTANCE:-1}
export CLUSTER_PATH=${CLUSTER_PATH-$PREFIX/bin:$VENV/bin}
CLUSTER=$TOP/contrib/cluster/cluster
CLUSTER_STATE_DIR=/run/spank-jupyter-cluster/$CLUSTER_INSTANCE
ALICE=sjalice${CLUSTER_INSTANCE#0}
BOB=sjbob${CLUSTER_INSTANCE#0}
NODES=$(sed -n 's/^NODES=//p' "$CLUSTER_STATE_DIR/cluster" 2>/dev/null || true)

# Which Jupyter the sessions run, and with which Python a client of theirs does:
# the stack from PyPI has lab, Debian's notebook only.  SJ_APP is another of that stack's.
STACK=${SJ_STACK:-pypi}
if [[ $STACK == pypi ]]; then
	APP=lab
	PYTHON=$VENV/bin/python
else
	APP=${SJ_APP:-notebook}
	PYTHON=/usr/bin/python3
fi

# Skips the test where the stack has no lab.
need_lab() {
	[[ $STACK == pypi ]] || skip "needs JupyterLab from PyPI, which cannot be reached"
}

# need_nodes N: skips the test where the machine has no network namespaces.
need_nodes() {
	[[ ${NODES:-0} -ge $1 ]] || skip "needs $1 nodes, the cluster has ${NODES:-0}"
}

# as_user USER CMD...: on the login host.
as_user() {
	"$CLUSTER" run -u "$1" -- "${@:2}"
}

as_alice() { as_user "$ALICE" "$@"; }

as_bob() { as_user "$BOB" "$@"; }

# on_node NODE CMD...: as root.
on_node() {
	"$CLUSTER" run -n "$1" -- "${@:2}"
}

# as_user_on USER NODE CMD...
as_user_on() {
	"$CLUSTER" run -u "$1" -n "$2" -- "${@:3}"
}

# on_terminal CMD...: with a pseudo terminal of its own as stdin, stdout, stderr.
on_terminal() {
	script -qefc "$(printf '%q ' "$@")" /dev/null
}

home_of() { getent passwd "$1" | cut -d: -f6; }

# wait_until SECONDS CMD...: asks CMD every 50 ms until it succeeds; tells what
# did not come true and what it said last.
wait_until() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000)) seconds=$1 said=''
	shift
	until said=$("$@" 2>&1); do
		if ((${EPOCHREALTIME/./} > end)); then
			echo "not within $seconds s: $*; it said last: $said"
			return 1
		fi
		sleep 0.05
	done
}

fail() {
	echo "$*"
	return 1
}

# The result of bats' `run`: exit status and output.
assert_status() {
	[[ $status -eq $1 ]] || fail "exit status $status, expected $1; output: $output"
}

assert_has() {
	[[ $output == *"$1"* ]] || fail "no '$1' in: $output"
}

assert_has_not() {
	[[ $output != *"$1"* ]] || fail "'$1' in: $output"
}

assert_equal() {
	[[ $1 == "$2" ]] || fail "'$1', expected '$2'"
}

# submit SBATCH_ARGUMENTS...: as alice; prints the job's id.  Bounded, since a
# plugin that hangs would hang sbatch.
submit() {
	as_alice timeout -k 5 30 sbatch --parsable --output=job-%j.log "$@"
}

# The state that Slurm gives a job: PENDING, RUNNING, ..., or GONE.
job_state() {
	local state
	state=$("$CLUSTER" run -- squeue -h -j "$1" -o %T 2>/dev/null) || true
	echo "${state:-GONE}"
}

job_is() { [[ $(job_state "$1") == "$2" ]]; }

# A job that is not in the queue may still be remembered as COMPLETED or FAILED.
job_has_ended() {
	[[ $(job_state "$1") =~ ^(GONE|COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|OUT_OF_MEMORY)$ ]]
}

# job_log JOB [USER]: what the job has written.
job_log() {
	cat "$(home_of "${2:-$ALICE}")/job-$1.log"
}

# session_dir JOB [USER]
session_dir() {
	echo "$(home_of "${2:-$ALICE}")/.local/state/spank-jupyter/$1"
}

# session_get JOB EXPRESSION [USER]: Python's, of the session's record r.
session_get() {
	/usr/bin/python3 -c "import json, sys; r = json.load(open(sys.argv[1])); print($2)" \
		"$(session_dir "$1" "${3:-$ALICE}")/session.json"
}

# session_state JOB [USER]: of the record; "none" where there is none.
session_state() {
	session_get "$1" 'r["state"]' "${2:-$ALICE}" 2>/dev/null || echo none
}

session_is() {
	local state
	state=$(session_state "$1" "${3:-$ALICE}")
	echo "session of job $1 is $state"
	[[ $state =~ ^($2)$ ]]
}

# wait_serving JOB [USER]: the server answers.  Ends early where the session has
# failed, and shows its log then.
wait_serving() {
	local job=$1 user=${2:-$ALICE}
	wait_until 120 session_is "$job" 'serving|ready|degraded|ended|failed' "$user" &&
		session_is "$job" 'serving|ready|degraded' "$user" && return
	session_get "$job" 'r["reason"]' "$user" || true
	tail -n 20 "$(session_dir "$job" "$user")/session.log" "$(home_of "$user")/job-$job.log"
	return 1
}

# session_curl JOB PATH [CURL_ARGUMENTS...]: as alice on the login host, with the
# token in curl's configuration on stdin: arguments can be read by everybody.
session_curl() {
	local job=$1 path=$2 origin token
	shift 2
	origin=$(session_get "$job" '"http://%s:%d" % (r["endpoint"]["ip"], r["endpoint"]["port"])')
	token=$(<"$(session_dir "$job")/token")
	as_alice curl -sS --fail-with-body --noproxy '*' --max-time 30 -K - "$@" "$origin$path" \
		<<<"header = \"Authorization: token $token\""
}

# run_notebook JOB NOTEBOOK: as alice, through the session's URL.
run_notebook() {
	local copy
	copy=$(home_of "$ALICE")/.notebook-$1
	mkdir -p "$copy"
	install -m 0644 "$TOP/contrib/quickstart.d/run_notebook.py" "$2" "$copy"
	as_alice "$PYTHON" "$copy/run_notebook.py" --url "$(session_get "$1" 'r["url"]')" \
		--token-file "$(session_dir "$1")/token" --timeout 60 "$copy/${2##*/}"
}

# Ends every job of both users.  For teardown.
jobs_cancel() {
	local user
	for user in "$ALICE" "$BOB"; do
		"$CLUSTER" run -- scancel -u "$user" 2>/dev/null || true
	done
	wait_until 60 no_jobs
}

no_jobs() { [[ -z $("$CLUSTER" run -- squeue -h -u "$ALICE,$BOB" 2>&1 | tee /dev/stderr) ]]; }

# of_cluster PID...: those that are in a namespace of this cluster, which others are not.
of_cluster() {
	local pid
	for pid in "$@"; do
		grep -qsF "/spank-jupyter-cluster/$CLUSTER_INSTANCE/" "/proc/$pid/mountinfo" && echo "$pid"
	done
	return 0
}

# What a session or a test has left: processes of the users on any node, and their
# runtime directories.
leftovers() {
	ps -u "$ALICE,$BOB" -o pid=,user=,args= || true
	find /tmp -maxdepth 1 -name 'spank-jupyter-*' \( -user "$ALICE" -o -user "$BOB" \)
}

no_leftovers() { [[ -z $(leftovers | tee /dev/stderr) ]]; }

# nothing_left: within the time that Slurm takes to end steps.
nothing_left() { wait_until 30 no_leftovers; }
