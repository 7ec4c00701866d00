#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Three sessions of two users at once on the same nodes: none sees another's files,
# sockets or tokens.

load lib/common
load lib/session

setup_file() {
	jobs_cancel
	ONE=$(submit -N2 "--jupyter=$APP" --wrap 'sjupyter wait')
	TWO=$(submit -N2 "--jupyter=$APP" --wrap 'sjupyter wait')
	BOBS=$(as_bob sbatch --parsable -N2 "--jupyter=$APP" --output=job-%j.log --wrap 'sjupyter wait')
	export ONE TWO BOBS
	wait_serving "$ONE"
	wait_serving "$TWO"
	wait_serving "$BOBS" "$BOB"
}

teardown_file() {
	jobs_cancel
	nothing_left
}

@test "all three run on the same two nodes" {
	assert_equal "$("$CLUSTER" run -- squeue -h -t R -o %N | sort -u)" "n[1-2]"
	assert_equal "$("$CLUSTER" run -- squeue -h -t R -o %i | grep -c .)" 3
}

@test "each kernel is in its own job" {
	local code='import os; print("job", os.environ["SLURM_JOB_ID"], os.getuid())'
	run client "$ONE" exec "$code"
	assert_has "job $ONE $(id -u "$ALICE")"
	run client "$TWO" exec "$code"
	assert_has "job $TWO $(id -u "$ALICE")"
	run client "$BOBS" exec "$code" "$BOB"
	assert_has "job $BOBS $(id -u "$BOB")"
}

@test "another user cannot enter the runtime directory or the socket" {
	local dir
	dir=$(session_get "$ONE" 'r["head"]["runtime_dir"]')
	# jupyter_core adds a sticky bit, against those who clean up old files.
	[[ $(stat -c '%a %U' "$dir") =~ ^1?700\ $ALICE$ ]]
	run as_user_on "$BOB" n1 ls "$dir"
	assert_status 2
	run as_user_on "$BOB" n1 curl -sS --unix-socket "$dir/server.sock" http://localhost/api
	[[ $status -ne 0 ]]
	assert_has_not version
}

@test "another user cannot read record, token or log" {
	local file
	for file in session.json token session.log; do
		run as_bob cat "$(session_dir "$ONE")/$file"
		assert_status 1
		assert_has "Permission denied"
	done
}

@test "another user's sjupyter knows nothing of it and can do nothing to it" {
	run as_bob sjupyter list
	assert_has "$BOBS"
	[[ ! $output =~ (^|$'\n')\ *($ONE|$TWO)\  ]] || fail "$output"
	run as_bob sjupyter url "$ONE"
	assert_status 3
	run as_bob sjupyter stop "$ONE"
	assert_status 3
	run as_bob sjupyter start "$ONE"
	[[ $status -ne 0 ]]
	session_is "$ONE" 'serving|ready'
}

@test "one session's token does not open another, of whichever user" {
	local token origin other user
	token=$(<"$(session_dir "$ONE")/token")
	for other in "$TWO $ALICE" "$BOBS $BOB"; do
		read -r other user <<<"$other"
		origin=$(session_get "$other" '"http://%s:%d" % (r["endpoint"]["ip"], r["endpoint"]["port"])' "$user")
		run as_alice curl -sS --noproxy '*' -o /dev/null -w '%{http_code}' -K - "$origin/api/kernels" \
			<<<"header = \"Authorization: token $token\""
		assert_equal "$output" 403
	done
}

@test "no kernel listens on an address that another user can reach" {
	local pids
	client "$ONE" exec 'import os; print(os.getpid())' >/dev/null
	client "$ONE" terminal true >/dev/null
	run on_node n1 ss -Hltnp
	pids=$(pgrep -u "$ALICE" -f ipykernel || true)
	for pid in $pids; do
		assert_has_not "pid=$pid,"
	done
	assert_has_not '"jupyter-lab"'
	assert_has_not '"jupyter-noteboo"'
}

# There they do not exist, or will not much longer, and whoever makes them has his files read.
@test "a job submitted from within a session gets no path of the session's directory" {
	local dir job code
	dir=$(session_get "$ONE" 'r["head"]["runtime_dir"]')
	code='import subprocess as s; print("job", s.check_output(["sbatch", "--parsable", "-N1", "--output='
	code+=$(home_of "$ALICE")'/job-%j.log", "--wrap", "env"], text=True))'
	run client "$ONE" exec "$code"
	[[ $output =~ job\ ([0-9]+) ]] || fail "$output"
	job=${BASH_REMATCH[1]}
	wait_until 60 job_has_ended "$job"
	run job_log "$job"
	assert_has "SLURM_JOB_ID=$job"
	assert_has_not "$dir"
	# In its own job they are right.
	run client "$ONE" exec 'import subprocess as s; print(s.check_output(["srun", "--overlap", "-N1", "-n1", "env"], text=True))'
	assert_has "JUPYTER_RUNTIME_DIR=$dir"
}
