# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Runs programs that print TAP, one at a time and bounded, and keeps the totals.
# Sourced by t/run, which sets LOGS.

TAP_PASSED=0
TAP_FAILED=0
TAP_SKIPPED=0
TAP_PID=

# tap_run NAME SECONDS CMD...: runs CMD and prints a line with its counts and
# its duration, then what failed and why.  The whole output is LOGS/NAME.tap.
# CMD runs in a process group of its own, which is ended whole after SECONDS.
tap_run() {
	local name=$1 bound=$2 begin=${EPOCHREALTIME/./} status=0 log=$LOGS/$1.tap
	local counts lines passed failed skipped
	shift 2
	mkdir -p "$(dirname "$log")"
	# In the background, so that a signal to t/run is handled while CMD runs.  Bash has
	# such a process ignore SIGINT, which tests send: not so here.
	env --default-signal=INT,QUIT timeout -k 15 "$bound" "$@" </dev/null >"$log" 2>&1 &
	TAP_PID=$!
	wait "$TAP_PID" || status=$?
	[[ $status -lt 124 ]] || tap_kill
	TAP_PID=
	lines=$(awk -v status="$status" -f "$TOP/t/lib/tap.awk" "$log")
	counts=${lines##*$'\n'}
	read -r passed failed skipped <<<"$counts"
	TAP_PASSED=$((TAP_PASSED + passed))
	TAP_FAILED=$((TAP_FAILED + failed))
	TAP_SKIPPED=$((TAP_SKIPPED + skipped))
	tap_line "$name" "$passed" "$failed" "$skipped" $((${EPOCHREALTIME/./} - begin))
	[[ $lines == "$counts" ]] || sed '$d; s/^/    /' <<<"$lines"
	[[ $failed -eq 0 ]] || echo "    all of it: $log"
}

tap_line() {
	printf '%-28s %4d passed %3d failed %3d skipped %6d.%01d s\n' "$1" "$2" "$3" "$4" \
		$(($5 / 1000000)) $(($5 / 100000 % 10))
}

# tap_one NAME SECONDS CMD...: CMD is one test, passed where it exits with 0;
# the end of what it says is shown where it does not.
tap_one() {
	local name=$1 bound=$2
	shift 2
	# shellcheck disable=SC2016
	tap_run "$name" "$bound" bash -c '
		name=$1 log=$2
		shift 2
		trap : INT TERM
		echo 1..1
		"$@" >"$log" 2>&1 && echo "ok 1 - $name" && exit
		echo "not ok 1 - $name: exit status $?"
		tail -n 25 "$log" | sed "s/^/# /"' tap_one "$name" "$LOGS/$name.log" "$@"
}

# tap_skip NAME REASON: what cannot run here.
tap_skip() {
	tap_run "$1" 10 printf '1..0 # SKIP %s\n' "$2"
}

# A signal came: ends what is running, with what it started.
tap_interrupt() {
	if [[ -n $TAP_PID ]]; then
		kill -TERM "$TAP_PID" 2>/dev/null || true
		wait "$TAP_PID" || true
		tap_kill
	fi
}

# What has outlived the program that was told to end: timeout's process group.
tap_kill() { kill -KILL -- "-$TAP_PID" 2>/dev/null || true; }

# tap_total: the last line; fails where a test has failed or none has run.
tap_total() {
	if [[ $TAP_SKIPPED -gt 0 ]]; then
		echo "$TAP_PASSED passed, $TAP_FAILED failed, $TAP_SKIPPED skipped"
	else
		echo "$TAP_PASSED passed, $TAP_FAILED failed"
	fi
	[[ $TAP_FAILED -eq 0 && $TAP_PASSED -gt 0 ]]
}
