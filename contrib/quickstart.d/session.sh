# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153
#
# The session of contrib/quickstart, which sources this: submitted and shown, or,
# for --check, used and ended.  Takes NODES, sets JOB.

# Seconds that a session may take to serve, a cell to run, and a job to end.
SERVE_BOUND=300
CELL_BOUND=120
END_BOUND=60

session_submit() {
	local options=(-N "$NODES")
	[[ $APP == lab ]] || options+=(--jupyter="$APP")
	alice timeout -k 10 "$SERVE_BOUND" sjupyter run "${options[@]}" "$EXAMPLES/notebook.sh"
}

# session_json EXPRESSION: of the newest session's record, r.
session_json() {
	alice sjupyter status --json |
		/usr/bin/python3 -c "import json, sys; r = json.load(sys.stdin); print($1)"
}

session_show() {
	local url
	if url=$(alice sjupyter url 2>>"$STEP_LOG"); then
		echo "a session is running already"
	else
		# Its progress is on stderr; the ssh line on stdout is for a user who can log in.
		session_submit >>"$STEP_LOG"
		url=$(alice sjupyter url)
	fi
	next_show "$(tail -n 1 <<<"$url")"
}

notebook_run() {
	# shellcheck disable=SC2016
	alice bash -c 'set -o pipefail
		sjupyter url "$1" | tail -n 1 | "$2" "$3/run_notebook.py" --url - --timeout "$4" "$3/hello.ipynb"' \
		bash "$JOB" "$PYTHON" "$EXAMPLES" "$CELL_BOUND"
}

phases_show() {
	echo "phases, in seconds since the job's first step:"
	session_json '"\n".join("    %-12s %8.3f" % (name, when - min(r["phases"].values()))
		for name, when in sorted(r["phases"].items(), key=lambda phase: phase[1]))'
}

session_stop() {
	alice sjupyter stop "$JOB"
	bounded job_is_gone
}

job_is_gone() { [[ -z $(alice squeue -h -j "$JOB" 2>/dev/null) ]]; }

user_has_nothing() { ! pgrep -u "$ALICE" >/dev/null; }

leftovers_show() {
	bounded user_has_nothing || {
		echo "$ALICE still has processes:"
		ps -u "$ALICE" -o pid,args
		return 1
	}
}

# bounded CMD...: asks CMD every 0.1 s until it succeeds.
bounded() {
	local end=$((SECONDS + END_BOUND))
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

check_all() {
	step "job of $ALICE submitted, $APP answers" session_submit
	JOB=$(session_json 'r["job_id"]')
	step "hello.ipynb executed through the server" notebook_run
	phases_show
	step "session of job $JOB stopped" session_stop
	# Another session of the same user may have been there before.
	if [[ $CLUSTER_IS_OURS -eq 1 ]]; then
		step "no process left" leftovers_show
	fi
}
