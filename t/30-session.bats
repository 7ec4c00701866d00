#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The main job: sbatch with --jupyter on four nodes, used as its user does, and
# ended in order.

load lib/common
load lib/session

setup_file() {
	jobs_cancel
	JOB=$(submit -N4 "--jupyter=$APP" --wrap 'sjupyter wait; echo "wait said $?"')
	export JOB
	wait_serving "$JOB"
}

teardown_file() {
	jobs_cancel
}

@test "the session is ready and all four nodes are in it" {
	wait_until 30 session_is "$JOB" ready
	run session_get "$JOB" 'sorted((n["name"], n["state"]) for n in r["nodes"])'
	assert_equal "$output" "[('n1', 'up'), ('n2', 'up'), ('n3', 'up'), ('n4', 'up')]"
}

@test "the job's own stderr says where it is, without the token" {
	wait_until 10 job_log_has "$JOB" "jupyter: ready after"
	run job_log "$JOB"
	assert_has "$(session_get "$JOB" 'r["url"]')"
	assert_has "sjupyter url $JOB"
	assert_has_not "$(<"$(session_dir "$JOB")/token")"
}

@test "the phases come in order" {
	run session_get "$JOB" \
		'all(a <= b for a, b in zip(*(lambda p: (p, p[1:]))([r["phases"][k] for k in ("triggered", "launched", "head", "spawned", "serving", "ready")])))'
	assert_equal "$output" True
}

@test "the URL's kernel executes code on the job's first node" {
	run client "$JOB" exec 'import os, socket; print(socket.gethostname(), os.environ["SLURM_JOB_ID"], 6 * 7)'
	assert_status 0
	assert_has "n1 $JOB 42"
}

@test "the shipped notebook runs through it" {
	run run_notebook "$JOB" "$TOP/contrib/examples/hello.ipynb"
	assert_status 0
}

@test "srun in its terminal names four nodes" {
	run client "$JOB" terminal 'srun -N4 hostname | sort | tr "\n" " "'
	assert_status 0
	assert_has "n1 n2 n3 n4"
}

@test "the server has the job's own SLURM variables, not the session step's" {
	run client "$JOB" exec 'import os; e = os.environ; print(e["SLURM_JOB_NUM_NODES"], e.get("SLURM_JOB_NAME"), e.get("SLURM_STEP_ID"), [k for k in e if k.startswith("SJ_JOB_") or "SPANK" in k])'
	# Slurm 26.05 gives the job's script the number that is the batch step's.
	[[ $output == *"4 wrap None []"* || $output == *"4 wrap -5 []"* ]] || fail "$output"
}

@test "sjupyter list, status and url show it from the login host" {
	run as_alice sjupyter list
	assert_status 0
	assert_has "$JOB"
	run as_alice sjupyter status "$JOB"
	assert_status 0
	assert_has ready
	run as_alice sjupyter url "$JOB"
	assert_status 0
	assert_equal "$output" "$(session_get "$JOB" 'r["url"]')?token=$(<"$(session_dir "$JOB")/token")"
}

@test "without the token there is no answer but the login page" {
	local origin
	origin=$(session_get "$JOB" '"http://%s:%d" % (r["endpoint"]["ip"], r["endpoint"]["port"])')
	run as_bob curl -sS --noproxy '*' -o /dev/null -w '%{http_code}' "$origin/api/kernels"
	assert_equal "$output" 403
}

@test "no secret is in an argument of any process" {
	local token
	token=$(<"$(session_dir "$JOB")/token")
	run ps axww -o args=
	assert_has_not "$token"
	run "$CLUSTER" run -- scontrol show job "$JOB"
	assert_has_not "$token"
}

@test "nothing of ours runs as root" {
	local pids
	mapfile -t pids < <(pgrep -u root -x 'jupyter-launch|jupyter-agent')
	run of_cluster "${pids[@]}"
	assert_equal "$output" ""
}

@test "the session is a step of its own and costs the job's steps nothing" {
	run steps_of "$JOB"
	assert_has "$JOB.0 jupyter"
	run as_alice srun --jobid="$JOB" -N4 -n4 --mem-per-cpu=2000 --immediate=10 hostname
	assert_status 0
}

@test "sjupyter stop ends job and step, and nothing is left on any node" {
	run as_alice sjupyter stop "$JOB"
	assert_status 0
	wait_until 30 job_has_ended "$JOB"
	assert_equal "$(session_state "$JOB")" ended
	run job_log "$JOB"
	assert_has "wait said 0"
	nothing_left
}
