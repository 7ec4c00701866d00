# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# One line per step with the seconds it took, its output kept in a log.  Sourced
# by contrib/quickstart and t/run.  The caller sets STEP_LOG.

STEP_PID=

# step_try WHAT CMD...: CMD in a process of its own, which ends at the first
# command that fails.  Its exit status is left in STEP_STATUS: bash ignores
# errexit inside of a function whose status is tested.  In the background and in a process
# group of its own, so that a signal is handled while it runs and all of it can be ended.
step_try() {
	local what=$1 begin=${EPOCHREALTIME/./}
	shift
	printf '%-44s ' "$what"
	printf -- '--- %s\n' "$what" >>"$STEP_LOG"
	STEP_BEGIN=$(wc -l <"$STEP_LOG")
	STEP_STATUS=0
	set -m
	(
		set +m
		set -e
		"$@"
	) </dev/null >>"$STEP_LOG" 2>&1 &
	STEP_PID=$!
	set +m
	wait "$STEP_PID" || STEP_STATUS=$?
	STEP_PID=
	local took=$((${EPOCHREALTIME/./} - begin))
	printf '%4d.%01d s%s\n' $((took / 1000000)) $((took / 100000 % 10)) \
		"$([[ $STEP_STATUS -eq 0 ]] || echo '  failed')"
}

# step WHAT CMD...: the same, and the end of the caller where CMD fails.
step() {
	step_try "$@"
	[[ $STEP_STATUS -eq 0 ]] || step_failed "$1"
}

# step_tail LINES: the end of what the last step said.
step_tail() {
	tail -n "+$((STEP_BEGIN + 1))" "$STEP_LOG" | tail -n "$1" | sed 's/^/    /'
}

step_failed() {
	echo "failed: $1; the end of $STEP_LOG:"
	step_tail 15
	exit 1
}

# A signal came: ends the step that runs, with what it started.
step_interrupt() {
	if [[ -n $STEP_PID ]]; then
		echo
		kill -TERM -- "-$STEP_PID" 2>/dev/null || true
		wait "$STEP_PID" 2>/dev/null || true
	fi
}
