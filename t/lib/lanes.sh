# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# Runs the jobs of t/run, which sources this, in lanes: processes beside each other that
# claim one job after the other, each with a private cluster of its own.  A job is a
# stage, a unit test or a file of the bats suite.  What a job says is kept and printed
# whole when it ends.  The caller sets LOGS, LANES (how many), INSTANCES (their clusters)
# and two lists of names: JOBS_CPU, which compute, and JOBS_CLUSTER, which mostly wait.

LANE_PIDS=()
JOB_PID=
JOB_NAME=

# lanes_run: half of the lanes begin with what computes, at a lower priority, and the
# others with what waits; who has no more of his own kind takes of the other.
lanes_run() {
	local lane jobs=("${JOBS_CPU[@]}" "${JOBS_CLUSTER[@]}")
	((LANES <= ${#jobs[@]})) || LANES=${#jobs[@]}
	mkdir -p "$LOGS/jobs"
	for ((lane = 0; lane < LANES; lane++)); do
		if ((lane < LANES - LANES / 2 && LANES > 1)); then
			jobs=("${JOBS_CLUSTER[@]}" "${JOBS_CPU[@]}")
		else
			jobs=("${JOBS_CPU[@]}" "${JOBS_CLUSTER[@]}")
		fi
		(lane_main "${INSTANCES[lane]-}" "${jobs[@]}") &
		LANE_PIDS+=($!)
	done
	for lane in "${LANE_PIDS[@]}"; do
		wait "$lane" || true
	done
	LANE_PIDS=()
	lanes_count "${jobs[@]}"
}

# A signal came: every lane ends what it runs and its cluster, and is waited for.
lanes_interrupt() {
	local lane
	[[ ${#LANE_PIDS[@]} -gt 0 ]] || return 0
	kill -TERM "${LANE_PIDS[@]}" 2>/dev/null || true
	for lane in "${LANE_PIDS[@]}"; do
		wait "$lane" 2>/dev/null || true
	done
	lanes_count
}

# lanes_count [NAME...]: adds up what the jobs have counted; each of NAME is to have run.
lanes_count() {
	local name file passed failed skipped
	for file in "$LOGS"/jobs/*/counts; do
		[[ -e $file ]] || continue
		read -r passed failed skipped <"$file"
		TAP_PASSED=$((TAP_PASSED + passed))
		TAP_FAILED=$((TAP_FAILED + failed))
		TAP_SKIPPED=$((TAP_SKIPPED + skipped))
	done
	for name in "$@"; do
		if [[ ! -e $LOGS/jobs/$name/counts ]]; then
			echo "$name: did not run to its end"
			TAP_FAILED=$((TAP_FAILED + 1))
		fi
	done
}

# lane_main INSTANCE NAME...: in a process of its own.
lane_main() {
	trap lane_end EXIT
	trap 'exit 1' HUP INT TERM
	CLUSTER_INSTANCE=$1
	shift
	while lane_claim "$@"; do
		job_start
		wait "$JOB_PID" || true
		job_show
	done
}

# Whatever happened: what runs is ended and shown, and the cluster is down.
lane_end() {
	trap '' HUP INT TERM
	trap - EXIT
	if [[ -n $JOB_PID ]]; then
		kill -TERM "$JOB_PID" 2>/dev/null || true
		wait "$JOB_PID" 2>/dev/null || true
		job_show
	fi
	if [[ $CLUSTER_INSTANCE ]] && ! cluster_end; then
		echo "cluster $CLUSTER_INSTANCE is not down"
		mkdir -p "$LOGS/jobs/cluster-$CLUSTER_INSTANCE"
		echo "0 1 0" >"$LOGS/jobs/cluster-$CLUSTER_INSTANCE/counts"
	fi
}

# lane_claim NAME...: takes the first that nobody has taken and that can begin, else the
# first that waits for a download; sets JOB_NAME.
lane_claim() {
	local name waiting=()
	for name in "$@"; do
		[[ ! -e $LOGS/jobs/$name ]] || continue
		[[ $CLUSTER_INSTANCE ]] || ! job_needs "$name" cluster || continue
		if job_waits "$name"; then
			waiting+=("$name")
		elif mkdir "$LOGS/jobs/$name" 2>/dev/null; then
			JOB_NAME=$name
			return
		fi
	done
	for name in "${waiting[@]}"; do
		if mkdir "$LOGS/jobs/$name" 2>/dev/null; then
			JOB_NAME=$name
			return
		fi
	done
	return 1
}

# A lane that is alone has no output to keep apart from others'.
job_start() {
	if ((LANES > 1)); then
		(job_main "$JOB_NAME") </dev/null >"$LOGS/jobs/$JOB_NAME/said" 2>&1 &
	else
		(job_main "$JOB_NAME") </dev/null &
	fi
	JOB_PID=$!
}

job_show() {
	JOB_PID=
	[[ ! -e $LOGS/jobs/$JOB_NAME/said ]] ||
		flock "$LOGS/jobs" cat "$LOGS/jobs/$JOB_NAME/said"
}

# job_main NAME: in a process of its own, so that what ends it ends no other.
job_main() {
	trap job_end EXIT
	trap 'exit 1' HUP INT TERM
	TAP_PASSED=0 TAP_FAILED=0 TAP_SKIPPED=0
	STEP_LOG=$LOGS/$1.steps.log
	fds_close
	if ((LANES > 1)) && [[ " ${JOBS_CPU[*]} " == *" $1 "* ]]; then
		renice -n 5 -p "$BASHPID" >/dev/null
	fi
	local begin=$SECONDS
	job_run "$1"
	mkdir -p "$BUILDS/times"
	echo $((SECONDS - begin)) >"$BUILDS/times/$1"
}

job_end() {
	local status=$?
	trap '' HUP INT TERM
	trap - EXIT
	step_interrupt
	tap_interrupt
	if [[ $status -ne 0 && $TAP_FAILED -eq 0 ]]; then
		echo "$JOB_NAME: not run to its end"
		TAP_FAILED=1
	fi
	echo "$TAP_PASSED $TAP_FAILED $TAP_SKIPPED" >"$LOGS/jobs/$JOB_NAME/counts"
}

# The locks of t/run are not for the tests, which look at what is open.
fds_close() {
	local fd
	for fd in "/proc/$BASHPID/fd"/*; do
		fd=${fd##*/}
		if [[ $fd -gt 2 && $fd -ne 255 ]]; then
			exec {fd}>&-
		fi
	done
}
