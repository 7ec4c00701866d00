# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# One line per step with the seconds it took, its output kept in a log.  Sourced
# by contrib/quickstart and t/run.  The caller sets STEP_LOG.

# step_try WHAT CMD...: CMD in a process of its own, which ends at the first
# command that fails.  Its exit status is left in STEP_STATUS: bash ignores
# errexit inside of a function whose status is tested.
step_try() {
	local what=$1 begin=${EPOCHREALTIME/./}
	shift
	printf '%-44s ' "$what"
	printf -- '--- %s\n' "$what" >>"$STEP_LOG"
	STEP_BEGIN=$(wc -l <"$STEP_LOG")
	set +e
	(
		set -e
		"$@"
	) </dev/null >>"$STEP_LOG" 2>&1
	STEP_STATUS=$?
	set -e
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
