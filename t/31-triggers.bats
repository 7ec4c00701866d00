#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Where a session begins: each way to make an allocation, and where none may begin.

load lib/common
load lib/session

setup() {
	jobs_cancel
}

teardown() {
	jobs_cancel
	nothing_left
}

# The newest job of alice.
newest_job() {
	"$CLUSTER" run -- squeue -h -u "$ALICE" -o %i -S -i | grep -m 1 .
}

has_job() { newest_job; }

@test "salloc with the interactive step" {
	coproc SHELL_IN_JOB { as_alice script -qefc "salloc -N2 --jupyter=$APP" /dev/null; }
	local pid=$SHELL_IN_JOB_PID input=${SHELL_IN_JOB[1]}
	wait_until 30 has_job
	local job
	job=$(newest_job)
	wait_serving "$job"
	run client "$job" exec 'import socket; print("on", socket.gethostname())'
	assert_has "on n1"
	echo exit >&"$input"
	wait "$pid" || true
	wait_until 30 job_has_ended "$job"
}

@test "salloc with sjupyter wait as its command" {
	as_alice salloc -N2 "--jupyter=$APP" sjupyter wait 3>&- &
	local pid=$! job
	wait_until 30 has_job
	job=$(newest_job)
	wait_serving "$job"
	run client "$job" exec 'import socket; print("on", socket.gethostname())'
	assert_has "on n1"
	as_alice sjupyter stop "$job"
	wait "$pid"
	wait_until 30 job_has_ended "$job"
}

@test "srun that makes the allocation" {
	as_alice srun -N2 "--jupyter=$APP" sleep 600 3>&- &
	local pid=$! job
	wait_until 30 has_job
	job=$(newest_job)
	wait_serving "$job"
	assert_equal "$(session_get "$job" 'len(r["nodes"])')" 2
	assert_equal "$(heads_of "$ALICE")" 1
	run client "$job" exec 'print(6 * 7)'
	assert_has 42
	"$CLUSTER" run -- scancel "$job"
	wait "$pid" || true
}

@test "sjupyter start in a running job that was submitted without --jupyter" {
	local job
	job=$(submit -N2 --wrap 'sleep 600')
	wait_until 30 job_is "$job" RUNNING
	run as_alice sjupyter start "$job" "--jupyter=$APP"
	assert_status 0
	wait_serving "$job"
	run client "$job" exec 'import os; print(os.environ["SLURM_JOB_ID"], os.environ["SLURM_JOB_NUM_NODES"])'
	assert_has "$job 2"
	run as_alice sjupyter start "$job"
	assert_status 0
	assert_equal "$(heads_of "$ALICE")" 1
	as_alice sjupyter stop "$job"
	assert_equal "$(job_state "$job")" RUNNING
}

@test "--jupyter-start=manual takes over what the script has set up" {
	local job
	job=$(submit -N2 "--jupyter=$APP" --jupyter-start=manual --wrap '
		export LOADED_BY_SCRIPT="a module; with \"quotes\" and ü"
		mkdir -p $HOME/mybin && export PATH=$HOME/mybin:$PATH
		[ ! -e "$HOME/.local/state/spank-jupyter/$SLURM_JOB_ID" ] && echo "held back"
		sjupyter start && sjupyter wait')
	wait_serving "$job"
	run client "$job" exec 'import os; print(os.environ["LOADED_BY_SCRIPT"], os.environ["PATH"].split(":")[0])'
	assert_has "a module; with \"quotes\" and ü $(home_of "$ALICE")/mybin"
	run job_log "$job"
	assert_has "held back"
}

@test "#SBATCH lines, an empty --jupyter, and the last of two win" {
	local job
	job=$(as_alice sbatch --parsable --output=job-%j.log <<-END
		#!/bin/bash
		#SBATCH --jupyter=server
		#SBATCH --jupyter-dir=/nonexistent
		#SBATCH --jupyter=$APP
		#SBATCH --jupyter-dir=/tmp
		sjupyter wait
	END
	)
	wait_serving "$job"
	assert_equal "$(session_get "$job" 'r["app"]')" "$APP"
	run client "$job" exec 'import os; print(os.getcwd())'
	assert_has /tmp
}

@test "options survive --export=NONE" {
	local job
	job=$(submit --export=NONE "--jupyter=$APP" --wrap "export PATH=$CLUSTER_PATH:\$PATH; sleep 600")
	wait_until 30 session_is "$job" 'starting|serving|ready|failed'
	assert_equal "$(session_get "$job" 'r["app"]')" "$APP"
}

@test "inner srun and inner sbatch begin no second session" {
	local job
	job=$(submit -N2 "--jupyter=$APP" --wrap '
		srun -N2 true; srun -N1 --jupyter true
		sbatch --wait -o /dev/null --wrap "env | grep -i spank_; sleep 2; squeue -s"
		echo inner done; sleep 600')
	wait_serving "$job"
	wait_until 60 job_log_has "$job" "inner done"
	assert_equal "$(heads_of "$ALICE")" 1
	run job_log "$job"
	assert_has "no effect on a step inside job $job"
	run find "$(home_of "$ALICE")/.local/state/spank-jupyter" -newer "$(session_dir "$job")/launch.lock" \
		-name launch.lock
	assert_equal "$output" ""
}

@test "sbatch from inside salloc begins no session, unless it asks for one" {
	as_alice bash -c 'rm -f inner-*.log asked'
	as_alice salloc "--jupyter=$APP" bash -c "
		sbatch --wait -o inner-%j.log --wrap 'env | grep -i spank_; true' &&
		sbatch --parsable -o job-%j.log --jupyter=$APP --jupyter-dir=/tmp --wrap 'sjupyter wait' >asked" 3>&-
	local asked
	asked=$(<"$(home_of "$ALICE")/asked")
	wait_serving "$asked"
	assert_equal "$(heads_of "$ALICE")" 1
	run bash -c "cat $(home_of "$ALICE")/inner-*.log"
	assert_equal "$output" ""
}

@test "a heterogeneous job has its session on the first component" {
	local job
	job=$(submit -N2 "--jupyter=$APP" : -N1 --wrap 'sjupyter wait')
	wait_serving "$job"
	assert_equal "$(session_get "$job" 'len(r["nodes"])')" 2
}

# A heterogeneous job has a state for each component.
all_run() { [[ $(job_state "$1" | sort -u) == RUNNING ]]; }

@test "sjupyter start in a heterogeneous job" {
	local job
	job=$(submit -N2 : -N1 --wrap 'sleep 600')
	wait_until 30 all_run "$job"
	run as_alice sjupyter start "$job" "--jupyter=$APP"
	assert_status 0
	assert_equal "$(session_get "$job" 'len(r["nodes"])')" 2
}

@test "each task of a job array has its own" {
	local job
	job=$(submit --array=1-2 "--jupyter=$APP" --wrap 'sjupyter wait')
	local raw1 raw2
	wait_until 60 bash -c "'$CLUSTER' run -- squeue -h -r -j '$job' -t R -o %i | grep -c . | grep -qx 2"
	raw1=$("$CLUSTER" run -- squeue -h -j "${job}_1" -o %A)
	raw2=$("$CLUSTER" run -- squeue -h -j "${job}_2" -o %A)
	wait_serving "$raw1"
	wait_serving "$raw2"
	run as_alice sjupyter url "${job}_2"
	assert_status 0
	assert_has "$(session_get "$raw2" 'r["url"]')"
	assert_equal "$(heads_of "$ALICE")" 2
}

restarted() { [[ $(session_get "$1" 'r["restart"]') == "$2" ]]; }

@test "a requeued job has a session again" {
	local job
	job=$(submit --requeue "--jupyter=$APP" --wrap 'sleep 600')
	wait_serving "$job"
	"$CLUSTER" run -- scontrol requeue "$job"
	wait_until 60 job_is "$job" PENDING
	# Slurm holds a requeued job back for two minutes.
	"$CLUSTER" run -- scontrol update "JobId=$job" StartTime=now
	wait_until 60 job_is "$job" RUNNING
	wait_until 60 restarted "$job" 1
	wait_serving "$job"
}
