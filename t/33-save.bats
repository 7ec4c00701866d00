#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What somebody has typed in a browser and not saved when the session ends: by scancel, the time
# limit, sjupyter stop, and before, by --jupyter-warn.  Chromium without a screen
# (t/lib/browser/save.mjs); the server's part is also spoken to by hand.  Run by t/run, as root.

bats_require_minimum_version 1.5.0
load lib/common
load lib/session
load lib/browser
# shellcheck source=contrib/lib/install.sh
source "$TOP/contrib/lib/install.sh"

TEXT=typed_and_not_saved

setup() {
	need_lab
	SAVE_HOME=$(home_of "$ALICE")
	forget
	# JupyterLab saves by itself every two minutes: not here.
	as_alice mkdir -p .jupyter/lab/user-settings/@jupyterlab/docmanager-extension
	as_alice bash -c 'echo "{\"autosave\": false}" \
		>.jupyter/lab/user-settings/@jupyterlab/docmanager-extension/plugin.jupyterlab-settings'
	as_alice bash -c 'cat >work.ipynb' <<-'END'
	{"cells": [{"cell_type": "code", "execution_count": null, "id": "a", "metadata": {}, "outputs": [], "source": []}],
	"metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
	"nbformat": 4, "nbformat_minor": 5}
	END
	as_alice bash -c 'echo "first line" >notes.txt'
	BROWSER_PID='' BROWSER_DIR='' HOLD_PID=''
}

teardown() {
	if [[ -n $HOLD_PID ]]; then
		kill -CONT "$HOLD_PID" 2>/dev/null || true
	fi
	jobs_cancel
	if [[ -n $BROWSER_PID ]]; then
		rm -f "$BROWSER_DIR/typed"
		wait "$BROWSER_PID" || true
	fi
	[[ -z $BROWSER_DIR ]] || rm -rf "$BROWSER_DIR"
	config_restore
	forget
}

forget() {
	rm -rf "$SAVE_HOME"/.jupyter/lab "$SAVE_HOME"/{work.ipynb,notes.txt,.deep,.large}
}

# order JOB SILENT PLACE...: what save.mjs is to do.
order() {
	as_alice sjupyter url "$1" | /usr/bin/python3 -c 'import json, sys
text, silent, *places = sys.argv[1:]
print(json.dumps({"url": sys.stdin.read().strip(), "silent": silent == "silent",
                  "documents": [{"place": place, "text": text} for place in places]}))' "$TEXT" "${@:2}"
}

# type_into JOB listen|silent PLACE...: TEXT into each, by a browser that stays until it has read
# what is said there, or, silent, until browser_said, which tells.
type_into() {
	browser_need
	BROWSER_DIR=$(mktemp -d "$(home_of "$BOB")/.browser-XXXXXX")
	install -d -o "$BOB" "$BROWSER_DIR/profile" "$BROWSER_DIR/tmp"
	chown "$BOB" "$BROWSER_DIR"
	install -m 0644 "$TOP/t/lib/browser/save.mjs" "$BROWSER_DIR/save.mjs"
	order "$@" | "$CLUSTER" run -u "$BOB" -e "TMPDIR=$BROWSER_DIR/tmp" \
		-e "BROWSER_SANDBOX=$(browser_sandbox)" -e "XDG_CONFIG_HOME=$BROWSER_DIR/tmp" \
		-e "XDG_CACHE_HOME=$BROWSER_DIR/tmp" -- timeout -k 10 "$BROWSER_SECONDS" \
		node "$BROWSER_DIR/save.mjs" "$PLAYWRIGHT" "$BROWSER_DIR/profile" "$BROWSER_DIR/typed" \
		>"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	BROWSER_PID=$!
	wait_until 300 typed_or_gone "$BROWSER_DIR/typed"
	[[ -e $BROWSER_DIR/typed ]] || fail "$(cat "$BATS_TEST_TMPDIR/out")"
	# Nobody has saved it yet, but for what is to be tested here.
	run grep -l "$TEXT" "$SAVE_HOME/work.ipynb" "$SAVE_HOME/notes.txt"
	assert_status 1
}

typed_or_gone() { [[ -e $1 ]] || ! kill -0 "$BROWSER_PID" 2>/dev/null; }

# browser_said: what the pages have said, a line each.
browser_said() {
	local status=0
	rm -f "$BROWSER_DIR/typed"
	wait "$BROWSER_PID" || status=$?
	BROWSER_PID=''
	run cat "$BATS_TEST_TMPDIR/out"
	[[ $status -eq 0 ]] || fail "the browser: $output"
}

saved() { grep -F "$TEXT" "$SAVE_HOME/$1"; }

session_log_has() { grep -F -- "$2" "$(session_dir "$1")/session.log"; }

@test "scancel: what is typed into a notebook is saved" {
	local job
	job=$(submit -n1 --time=20 --jupyter=lab --wrap 'sjupyter wait')
	wait_serving "$job"
	type_into "$job" listen lab/tree/work.ipynb
	as_alice scancel "$job"
	wait_until 20 saved work.ipynb
	wait_until 60 job_has_ended "$job"
	session_log_has "$job" "saved 1 document that was unsaved in a browser"
	session_is "$job" ended
	browser_said
	assert_has "The session ends now: 1 document is saved"
}

@test "the time limit: the same" {
	local job
	job=$(submit -n1 --time=20 --jupyter=lab --wrap 'sjupyter wait')
	wait_serving "$job"
	type_into "$job" listen lab/tree/work.ipynb
	"$CLUSTER" run -- scontrol update "jobid=$job" timelimit=1
	wait_until 150 saved work.ipynb
	wait_until 60 job_has_ended "$job"
	session_log_has "$job" "saved 1 document that was unsaved in a browser"
	browser_said
	assert_has "The session ends now: 1 document is saved"
}

@test "--jupyter-warn: it is saved then, the session goes on" {
	local job
	job=$(submit -n1 --time=20 --jupyter-warn=18:00 --jupyter=lab --wrap 'sjupyter wait')
	wait_serving "$job"
	type_into "$job" listen lab/tree/work.ipynb
	run job_log "$job"
	assert_has_not "save your work"
	wait_until 150 job_log_has "$job" "saved 1 document that was unsaved in a browser"
	saved work.ipynb
	job_log_has "$job" "save your work"
	session_is "$job" ready
	browser_said
	assert_has "The job ends at "
	assert_has "1 document is saved"
}

@test "sjupyter stop: two pages; the document that cannot be saved is named" {
	local job
	job=$(submit -n1 --time=20 --jupyter=lab --wrap 'sjupyter wait; sleep 300')
	wait_serving "$job"
	type_into "$job" listen lab/tree/work.ipynb lab/tree/notes.txt
	chmod 0444 "$SAVE_HOME/notes.txt"
	as_alice sjupyter stop "$job"
	saved work.ipynb
	run saved notes.txt
	assert_status 1
	job_log_has "$job" "saved 1 document that was unsaved in a browser, but not notes.txt"
	browser_said
	assert_has "The session ends now: 1 document is saved"
	assert_has "The session ends now: NOT saved: notes.txt"
}

@test "a document whose save asks its user something does not hold up the others" {
	local job
	job=$(submit -n1 --time=20 --jupyter=lab --wrap 'sjupyter wait; sleep 300')
	wait_serving "$job"
	type_into "$job" silent lab/tree/notes.txt lab/tree/work.ipynb
	# JupyterLab asks which of the two is to be kept.
	as_alice bash -c 'echo "another line" >>notes.txt; touch -d "+1 hour" notes.txt'
	as_alice sjupyter stop "$job"
	saved work.ipynb
	job_log_has "$job" "saved 1 document that was unsaved in a browser, but not notes.txt"
	run cat "$SAVE_HOME/notes.txt"
	assert_equal "$output" $'first line\nanother line'
	browser_said
}

@test "Notebook 7: the same as in JupyterLab" {
	local job
	job=$(submit -n1 --time=20 --jupyter=notebook --wrap 'sjupyter wait; sleep 300')
	wait_serving "$job"
	type_into "$job" listen notebooks/work.ipynb edit/notes.txt
	as_alice sjupyter stop "$job"
	saved work.ipynb
	saved notes.txt
	job_log_has "$job" "saved 2 documents that were unsaved in a browser"
	browser_said
	assert_has "The session ends now: 1 document is saved"
}

@test "a site's app whose server knows nothing of it: nothing is saved, the session ends as ever" {
	local job
	printf '[app lab]\nsave = /none\n' | config_write
	job=$(submit -n1 --time=20 --jupyter=lab --wrap 'sjupyter wait; sleep 300')
	wait_serving "$job"
	type_into "$job" silent lab/tree/work.ipynb
	as_alice sjupyter stop "$job"
	session_is "$job" ended
	session_log_has "$job" "the server does not say what is unsaved in a browser"
	browser_said
	run saved work.ipynb
	assert_status 1
}

# terminate JOB: SIGTERM to the session, once.
terminate() {
	"$CLUSTER" run -- scancel --signal=TERM "$1.$(session_get "$1" 'r["step_id"]')"
}

@test "a server that hangs is waited for three seconds and no more" {
	local job
	job=$(submit -n1 --time=20 --jupyter=lab --wrap 'sjupyter wait; sleep 300')
	wait_serving "$job"
	HOLD_PID=$(server_pid "$job")
	kill -STOP "$HOLD_PID"
	terminate "$job"
	wait_until 10 session_log_has "$job" "ending: told to end by SIGTERM"
	# Told once more, it does not begin again.
	terminate "$job"
	wait_until 10 session_log_has "$job" "the server does not say what is unsaved in a browser"
	session_is "$job" draining
	kill -CONT "$HOLD_PID"
	wait_until 20 session_is "$job" ended
	run bash -c 'grep -c "does not say what is unsaved" "$1"' - "$(session_dir "$job")/session.log"
	assert_equal "$output" 1
}

@test "a server that dies while it saves ends the session, which does not start it again" {
	local job
	job=$(submit -n1 --time=20 --jupyter=lab --wrap 'sjupyter wait; sleep 300')
	wait_serving "$job"
	HOLD_PID=$(server_pid "$job")
	kill -STOP "$HOLD_PID"
	terminate "$job"
	wait_until 10 session_log_has "$job" "ending: told to end by SIGTERM"
	kill -KILL "$HOLD_PID"
	HOLD_PID=''
	wait_until 20 session_is "$job" ended
	run session_get "$job" 'r["server_restarts"]'
	assert_equal "$output" 0
	run session_log_has "$job" "starting it again"
	assert_status 1
}

# speak PATH BODY [CURL_ARGUMENTS...]: the HTTP status of the server's answer.
speak() {
	session_curl "$JOB" "/api/spank-jupyter/$1" --no-fail-with-body -o /dev/null -w '%{http_code}' \
		--data-binary "$2" "${@:3}"
}

# spoken STATUS PATH BODY
spoken() { assert_equal "$(speak "$2" "$3")" "$1"; }

# refused PATH BODY [CURL_ARGUMENTS...]: not heard to its end, so that the connection may be
# gone before the answer is read.
refused() {
	local status=0 code
	code=$(speak "$@") || status=$?
	[[ $code == 400 || $status -eq 55 || $status -eq 56 ]] || fail "$code, curl said $status"
}

@test "by hand: who has no token, unknown keys and huge bodies are refused; no page is nobody to wait for" {
	local origin round=00000000000000000000000000000000 begun
	JOB=$(submit -n1 --time=20 --jupyter=lab --wrap 'sjupyter wait')
	wait_serving "$JOB"
	begun=${EPOCHREALTIME/./}
	run session_curl "$JOB" /api/spank-jupyter/save --data '{"why": "warn", "end": 1}'
	assert_equal "$output" '{"pages": 0, "saved": 0, "failed": []}'
	((${EPOCHREALTIME/./} - begun < 4000000)) || fail "it has waited"
	spoken 400 save '{"why": "warn", "end": 1, "more": 1}'
	spoken 400 save '{"why": "later", "end": 1}'
	spoken 400 save '{"why": "end", "end": true}'
	spoken 400 save '{"why": "end", "why": "end", "end": 1}'
	spoken 400 save '[]'
	spoken 400 save ''
	head -c 100000 /dev/zero | tr '\0' '[' >"$SAVE_HOME/.deep"
	head -c 300000 /dev/zero | tr '\0' ' ' >"$SAVE_HOME/.large"
	spoken 400 save "@$SAVE_HOME/.deep"
	refused saved "@$SAVE_HOME/.large"
	refused saved "@$SAVE_HOME/.large" -H 'Transfer-Encoding: chunked'
	spoken 400 saved "{\"round\": \"$round\", \"page\": \"x\", \"saved\": 0, \"failed\": [], \"pending\": []}"
	spoken 404 saved "{\"round\": \"$round\", \"page\": \"$round\", \"saved\": 0, \"failed\": [], \"pending\": []}"
	origin=$(session_get "$JOB" '"http://%s:%d" % (r["endpoint"]["ip"], r["endpoint"]["port"])')
	for place in save saved; do
		run as_alice curl -sS --noproxy '*' --max-time 30 -o /dev/null -w '%{http_code}' --data '{}' \
			"$origin/api/spank-jupyter/$place"
		assert_equal "$output" 403
		run as_alice curl -sS --noproxy '*' --max-time 30 -o /dev/null -w '%{http_code}' --data '{}' \
			-H 'Authorization: token wrong' "$origin/api/spank-jupyter/$place"
		assert_equal "$output" 403
	done
	as_alice sjupyter stop "$JOB"
	session_log_has "$JOB" "no page of a browser was there to save from"
}
