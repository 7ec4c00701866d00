#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Several bare kernels in one allocation: beside a server, beside the session's own kernel, and by
# the provisioner in a job that has no session.

load lib/common
load lib/session

setup() {
	jobs_cancel
}

teardown() {
	config_restore
	jobs_cancel
	nothing_left
}

kernels() {
	as_alice env PYTHONPATH="$TOP/contrib/kernel-provisioner" timeout 200 "$PYTHON" "$TOP/t/lib/kernels.py" "$@"
}

kernel_processes() {
	pgrep -c -u "$ALICE" -f ipykernel_launcher
}

no_kernels() {
	! pgrep -u "$ALICE" -f ipykernel_launcher >/dev/null
}

@test "two kernels beside a server: each its own, and the session's end ends them" {
	local job
	job=$(submit --jupyter="$APP" --wrap 'sjupyter wait')
	wait_until 90 session_is "$job" ready
	run as_alice sjupyter kernel "$job" --no-console
	assert_equal "$status" 1
	assert_has "is a server, not a bare kernel"
	assert_has "--new=python3 starts a kernel beside it"
	assert_equal "$(session_get "$job" 'r["kernels_port"]')" None
	run kernels beside "$job" python3
	assert_equal "$status" 0
	assert_has "the other goes on: one"
	run as_alice sjupyter status "$job"
	assert_has "1: python3, ready"
	assert_has "2: python3, ended"
	run as_alice sjupyter status --json "$job"
	assert_has '"kernels_port"'
	session_is "$job" ready
	assert_equal "$(kernel_processes)" 1
	as_alice sjupyter stop "$job"
	wait_until 30 session_is "$job" ended
	wait_until 10 no_kernels
}

@test "the session's own kernel shut down leaves the others; the last one's end is the session's" {
	local job
	job=$(submit --jupyter=kernel --wrap 'sjupyter wait')
	wait_until 60 session_is "$job" ready
	coproc OWN { kernels own "$job" 2>&1; }
	local line said=""
	while read -r -t 150 line <&"${OWN[0]}"; do
		said+=$line$'\n'
		[[ $line != wait ]] || break
	done
	output=$said
	assert_has "the other goes on: 42"
	assert_has "kernel 1 of this session has ended"
	session_is "$job" degraded
	run session_reason "$job"
	assert_has "1 kernel(s) of the session go on"
	echo "go on" >&"${OWN[1]}"
	wait "$OWN_PID"
	wait_until 30 session_is "$job" ended
	wait_until 10 no_kernels
}

@test "the provisioner: two notebooks, two kernels, in a job without a session, which goes on" {
	local job
	job=$(as_alice sbatch --parsable --output=/dev/null --wrap 'sleep 600')
	run kernels provisioner "$job"
	assert_equal "$status" 0
	assert_has "both have ended: [False, False]"
	wait_until 30 session_is "$job" ended
	assert_equal "$(as_alice squeue -h -j "$job" -o %T)" RUNNING
	wait_until 10 no_kernels
}

@test "a session that is cancelled takes its kernels along" {
	local job
	job=$(submit --jupyter=kernel --wrap 'sjupyter wait')
	wait_until 60 session_is "$job" ready
	coproc WAY { sleep 100 | as_alice sjupyter kernel "$job" --proxy --new=python3 2>&1; }
	local line pid=$WAY_PID
	read -r -t 60 line <&"${WAY[0]}"
	output=$line
	assert_has '"number":2'
	assert_equal "$(kernel_processes)" 2
	as_alice scancel "$job"
	wait_until 30 no_kernels
	read -r -t 30 line <&"${WAY[0]}"
	output=$line
	assert_has '"ended"'
	pkill -P "$pid" || true
	wait "$pid" || true
}

@test "a kernelspec or a number that does not exist, and somebody else's job, are told" {
	local job
	job=$(submit --jupyter=kernel --wrap 'sjupyter wait')
	wait_until 60 session_is "$job" ready
	run as_alice sjupyter kernel "$job" --no-console --new=cobol
	assert_equal "$status" 1
	assert_has "there is no such kernelspec on this node; there are:"
	run as_alice sjupyter kernel "$job" --no-console --number=9
	assert_equal "$status" 1
	assert_has "has no kernel 9: it has 1 python3"
	run as_alice sjupyter kernel "$job" --no-console --number=1 --new=python3
	assert_equal "$status" 2
	assert_has "--new or --number, not both"
	run as_alice sjupyter kernel "$job" --no-console --number=x
	assert_equal "$status" 2
	run as_bob sjupyter kernel "$job" --no-console --new=python3
	[[ $status -ne 0 ]]
	session_is "$job" ready
}
