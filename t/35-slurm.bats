#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What may differ between the releases of Slurm and has no other test: what `sjupyter doctor`
# finds, who refuses a wrong option, and what Slurm itself says of the sessions in its logs.
# Stages of t/run run it on other releases than the machine's own.

load lib/common
load lib/session

setup_file() {
	jobs_cancel
	wc -c "$CLUSTER_STATE_DIR"/log/slurmd-n*.log >"$BATS_FILE_TMPDIR/sizes"
}

teardown() {
	jobs_cancel
	nothing_left
}

# What the slurmds have logged since setup_file.
logged() {
	local size file
	while read -r size file; do
		[[ ! -e $file ]] || tail -c "+$((size + 1))" "$file"
	done <"$BATS_FILE_TMPDIR/sizes"
}

@test "sjupyter doctor finds no fault" {
	run as_alice timeout -k 5 120 sjupyter doctor
	assert_status 0
	assert_has "ok    plugin on this host:"
	assert_has "ok    plugin on the node:"
	assert_has "ok    munge between the hosts:"
	assert_has "ok    app $APP:"
	assert_has "ok    srun from the node:"
}

@test "sbatch, salloc and srun refuse an unknown app with its line" {
	local command
	for command in "sbatch --wrap true" "salloc true" "srun true"; do
		# shellcheck disable=SC2086
		run as_alice timeout -k 5 30 ${command%% *} --jupyter=nonsense ${command#* }
		[[ $status -ne 0 ]] || fail "accepted by $command"
		assert_has "${command%% *}: error: --jupyter: no app \"nonsense\": give one of"
	done
}

@test "a session on two nodes, ended by sjupyter stop" {
	local job
	job=$(submit -N2 "--jupyter=$APP" --wrap 'srun -N2 true && echo "srun said 0"; sjupyter wait')
	wait_until 60 session_is "$job" ready
	wait_until 30 job_log_has "$job" "srun said 0"
	run as_alice sjupyter status "$job"
	assert_status 0
	assert_has ready
	assert_equal "$(heads_of "$ALICE")" 1
	as_alice sjupyter stop "$job"
	wait_until 30 job_has_ended "$job"
	assert_equal "$(session_state "$job")" ended
}

@test "a session on two nodes, ended by scancel" {
	local job
	job=$(submit -N2 "--jupyter=$APP" --wrap 'sjupyter wait')
	wait_until 60 session_is "$job" ready
	"$CLUSTER" run -- scancel "$job"
	wait_until 30 job_has_ended "$job"
	wait_until 30 session_is "$job" ended
}

@test "Slurm has no complaint about them, and all nodes are in service" {
	# An empty log would have none either.
	run logged
	assert_has "done with"
	# On a busy machine Slurm has others, of steps that have ended meanwhile.
	run grep -iE '(error|fatal):.*(jupyter|spank|plugin|plugstack|unkillable|drain)' <<<"$output"
	assert_equal "$output" ""
	run "$CLUSTER" run -- sinfo -h -R
	assert_equal "$output" ""
}
