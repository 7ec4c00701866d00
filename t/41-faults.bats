#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Faults: what dies, is said and mended where it can be, and nothing is left.

load lib/common
load lib/session

setup() {
	jobs_cancel
}

teardown() {
	config_restore
	"$CLUSTER" link n2 up
	jobs_cancel
	nothing_left
}

server_is_not() {
	local pid
	pid=$(server_pid "$1") && [[ $pid != "$2" ]]
}

@test "a server that is killed comes back behind the same address and token" {
	local job pid url
	job=$(submit "--jupyter=$APP" --wrap 'sjupyter wait')
	wait_serving "$job"
	url=$(as_alice sjupyter url "$job")
	pid=$(server_pid "$job")
	kill -9 "$pid"
	wait_until 60 server_is_not "$job" "$pid"
	run session_curl "$job" /api/status
	assert_status 0
	wait_until 60 session_is "$job" 'serving|ready'
	assert_equal "$(as_alice sjupyter url "$job")" "$url"
	assert_equal "$(session_get "$job" 'r["server_restarts"]')" 1
	job_log_has "$job" "signal 9"
}

@test "a server that cannot be kept up is a failure with its last words" {
	config_write <<<$'[site]\nrestarts = 1'
	local job pid
	job=$(submit "--jupyter=$APP" --wrap 'sjupyter wait; echo "wait said $?"')
	wait_serving "$job"
	pid=$(server_pid "$job")
	kill -9 "$pid"
	wait_until 60 server_is_not "$job" "$pid"
	wait_until 60 session_is "$job" 'serving|ready'
	kill -9 "$(server_pid "$job")"
	wait_until 60 session_is "$job" failed
	wait_until 30 job_log_has "$job" "wait said 1"
}

@test "the server's own shutdown ends the session" {
	local job
	job=$(submit "--jupyter=$APP" --wrap 'sjupyter wait; echo "wait said $?"')
	wait_serving "$job"
	session_curl "$job" /api/shutdown -X POST
	wait_until 60 session_is "$job" ended
	wait_until 30 job_log_has "$job" "wait said 0"
}

@test "an agent that is killed is noticed and named, and the session goes on" {
	local job
	job=$(submit -N3 "--jupyter=$APP" --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 30 session_is "$job" ready
	kill -9 "$(agent_pid n2 "$job")"
	wait_until 10 session_is "$job" degraded
	run session_get "$job" '[n["name"] for n in r["nodes"] if n["state"] == "lost"]'
	assert_equal "$output" "['n2']"
	wait_until 10 job_log_has "$job" "n2"
	run session_curl "$job" /api/status
	assert_status 0
}

@test "a node whose link is cut is noticed by its silence" {
	need_nodes 2
	local job
	job=$(submit -N2 "--jupyter=$APP" --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 30 session_is "$job" ready
	"$CLUSTER" link n2 down
	wait_until 90 session_is "$job" degraded
	"$CLUSTER" link n2 up
}

@test "signals that are meant for the user's steps do not end the session" {
	local job
	job=$(submit -N2 "--jupyter=$APP" --wrap 'trap : USR1 USR2; sjupyter wait')
	wait_serving "$job"
	wait_until 30 session_is "$job" ready
	as_alice scancel --signal=USR1 "$job"
	as_alice scancel --signal=USR2 "$job.0"
	# What came before it has been handled when the next connection is answered.
	run session_curl "$job" /api/status
	assert_status 0
	run steps_of "$job"
	assert_has "$job.0 jupyter"
	session_is "$job" ready
}

@test "a head that is killed is told as a failure, and the job goes on" {
	local job
	job=$(submit -N2 "--jupyter=$APP" --wrap 'sjupyter wait; echo "wait said $?"; sleep 60')
	wait_serving "$job"
	kill -9 "$(session_get "$job" 'r["head"]["pid"]')"
	wait_until 90 session_is "$job" failed
	wait_until 90 job_log_has "$job" "wait said 1"
	assert_equal "$(job_state "$job")" RUNNING
}

# No program of a session's runs, and none has left a directory.
nothing_of_ours() {
	! pgrep -u "$ALICE" -f 'jupyter-(agent|launch|lab|notebook)' &&
		[[ -z $(find /tmp -maxdepth 1 -name 'spank-jupyter-*' -user "$ALICE" | tee /dev/stderr) ]]
}

@test "the session's srun is killed: the record tells the truth, and nothing is left" {
	local job
	job=$(submit -N2 "--jupyter=$APP" --wrap 'sleep 600')
	wait_serving "$job"
	wait_until 30 session_is "$job" ready
	pgrep -u "$ALICE" -f "^srun --jobid=$job " | xargs kill -9
	# Slurm ends the step or leaves it alone, depending on which of srun's processes went first.
	if ! session_is "$job" 'draining|ended|failed'; then
		session_curl "$job" /api/status || wait_until 60 session_is "$job" 'ended|failed'
	fi
	as_alice sjupyter stop "$job" || true
	wait_until 60 session_is "$job" 'ended|failed'
	wait_until 60 nothing_of_ours
}

# As Slurm does when the shell of a salloc exits and its srun hears of it too early.
@test "a session whose launcher and step are killed at once leaves nothing" {
	local job
	job=$(submit -N2 "--jupyter=$APP" --wrap 'sleep 600')
	wait_serving "$job"
	wait_until 30 session_is "$job" ready
	pkill -KILL -u "$ALICE" -f 'jupyter-launch --options'
	"$CLUSTER" run -- scancel --signal=KILL "$job.$(session_get "$job" 'r["step_id"]')"
	wait_until 60 nothing_of_ours
}

@test "scancel of the job leaves nothing, and the record is final" {
	local job
	job=$(submit -N4 "--jupyter=$APP" --wrap 'sjupyter wait')
	wait_serving "$job"
	client "$job" exec 'print(1)' >/dev/null
	"$CLUSTER" run -- scancel "$job"
	wait_until 60 job_has_ended "$job"
	wait_until 10 session_is "$job" ended
}

@test "a batch script that ends while the session runs leaves nothing, and the record is final" {
	local job
	job=$(submit -N2 "--jupyter=$APP" --wrap 'until grep -q "jupyter: ready" job-$SLURM_JOB_ID.log; do sleep 0.2; done')
	wait_until 90 job_has_ended "$job"
	wait_until 10 session_is "$job" ended
}

end_is_known() { session_get "$1" '1 / (r["job_end_time"] > r["phases"]["triggered"])'; }

@test "a session without work ends after --jupyter-idle" {
	local job
	job=$(submit "--jupyter=$APP" --jupyter-idle=0:10 --wrap 'sjupyter wait; echo "wait said $?"')
	wait_serving "$job"
	# A kernel that is busy is work, though nothing comes of it for twice the time.
	run client "$job" exec 'import time; time.sleep(20); print("was left alone")'
	assert_has "was left alone"
	wait_until 60 session_is "$job" ended
	run session_reason "$job"
	assert_has --jupyter-idle
	wait_until 30 job_log_has "$job" "wait said 0"
}

@test "a session whose workers compute is not idle, though no kernel knows of it" {
	need_lab
	local job
	# The time to reach the scheduler is without work; the task takes twice as long.
	job=$(submit --jupyter=lab --jupyter-workers=dask:1 --jupyter-idle=0:20 --wrap "
		sjupyter wait --ready && eval \"\$(sjupyter env)\" && '$PYTHON' -c '
import time, dask.distributed
print(\"the task\", dask.distributed.Client().submit(lambda: time.sleep(40) or \"is done\").result())'
		sjupyter wait; echo \"wait said \$?\"")
	wait_serving "$job"
	wait_until 120 job_log_has "$job" "the task is done"
	wait_until 60 session_is "$job" ended
	run session_reason "$job"
	assert_has --jupyter-idle
	wait_until 30 job_log_has "$job" "wait said 0"
}

@test "the end of the time limit is announced" {
	local job
	job=$(submit -t 2 "--jupyter=$APP" --jupyter-warn=1:55 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 60 job_log_has "$job" "save your work"
	wait_until 10 end_is_known "$job"
}

@test "what a killed session has left behind is removed by the user's next one" {
	local stale
	stale=/tmp/spank-jupyter-$(id -u "$ALICE")-stale0
	as_alice mkdir -m 700 "$stale" "$stale/deep"
	as_alice touch "$stale/lock"
	touch -d '1 hour ago' "$stale"
	local foreign
	foreign=/tmp/spank-jupyter-$(id -u "$ALICE")-foreig
	as_bob mkdir -p -m 700 "$foreign"
	local job
	job=$(submit "--jupyter=$APP" --wrap 'sjupyter wait')
	wait_serving "$job"
	[[ ! -e $stale ]]
	[[ -d $foreign ]]
	as_bob rmdir "$foreign"
}
