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
	rm -rf "$(home_of "$ALICE")/.local/share/jupyter/kernels/slow"
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

# slow_spec: alice's kernelspec "slow", of a kernel that does not get ready.
slow_spec() {
	as_alice mkdir -p .local/share/jupyter/kernels/slow
	as_alice tee .local/share/jupyter/kernels/slow/kernel.json >/dev/null \
		<<<'{"argv": ["sh", "-c", "exec sleep 4711", "{connection_file}"], "display_name": "S", "language": "x"}'
}

slow_runs() {
	pgrep -u "$ALICE" -fx 'sleep 4711' >/dev/null
}

no_slow() {
	! slow_runs
}

status_has() {
	as_alice sjupyter status "$1" | grep -F "$2"
}

# asks_for JOB ARGUMENTS...: sjupyter kernel in the background, its stdout in $SAID.
asks_for() {
	SAID=$BATS_TEST_TMPDIR/said
	: >"$SAID"
	as_alice sjupyter kernel "$@" >"$SAID" 2>/dev/null </dev/null 3>&- &
	CLIENT=$!
}

# leaves SIGNAL JOB ARGUMENTS...: the one of asks_for does; one that is killed cannot tidy up.
leaves() {
	local pid dir
	pid=$(pgrep -u "$ALICE" -fx "sjupyter kernel ${*:2}")
	dir=$(readlink "/proc/$pid/fd/"* | sed -n 's,^\(/tmp/spank-jupyter-[^/]*\)/lock$,\1,p')
	[[ -d $dir ]]
	kill -"$1" "$pid"
	wait "$CLIENT" || true
	[[ $1 != KILL ]] || rm -r "$dir"
	[[ ! -e $dir ]]
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

@test "a new kernel ends with who asked for it and left before it was his, by Ctrl-C or killed, and no other" {
	local job signal number=3
	slow_spec
	job=$(submit --jupyter=kernel --wrap 'sjupyter wait')
	wait_until 60 session_is "$job" ready
	# He has got his: it stays when he goes.
	asks_for "$job" --no-console --new=python3
	wait_until 60 test -s "$SAID"
	leaves KILL "$job" --no-console --new=python3
	for signal in INT KILL TERM; do
		asks_for "$job" --no-console --new=slow
		wait_until 60 slow_runs
		leaves "$signal" "$job" --no-console --new=slow
		assert_equal "$(<"$SAID")" ""
		wait_until 30 no_slow
		wait_until 10 status_has "$job" "$number: slow, ended"
		number=$((number + 1))
	done
	run as_alice sjupyter status "$job"
	assert_has "1: python3, ready"
	assert_has "2: python3, ready"
	assert_equal "$(kernel_processes)" 2
	run as_alice sjupyter kernel "$job" --no-console --number=3
	assert_equal "$status" 1
	assert_has "who had it started has left before he was led to it"
	session_is "$job" ready
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
