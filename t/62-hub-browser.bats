#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What a person does at a browser: log in to JupyterHub, ask for a server, see it come, work in
# JupyterLab with all workers, stop it.  By sbatch, by salloc, by an unmodified batchspawner, and with
# a job of one's own.  Chromium without a screen (t/lib/browser/hub.mjs).  Run by t/run, as root.

bats_require_minimum_version 1.5.0
load lib/common
load lib/session
load lib/hub
load lib/browser

setup() {
	hub_need
	browser_need
	browser_forget
	hub_settings "hub_user = $HUB_USER"
	# On one line: what is typed into a cell is not indented then.
	DASK="from distributed import Client; c = Client(); c.wait_for_workers(4, timeout=90)"
	DASK+="; r = c.run(lambda: (__import__('socket').gethostname(), __import__('os').getpid()))"
	DASK+="; print('ANSWER', len(set(r.values())), len({host for host, _ in r.values()}))"
}

teardown() {
	jobs_cancel
	config_restore
	browser_forget
}

teardown_file() {
	hub_down
}

# steps [STEP...]: JSON of the browser's steps, each of which is JSON itself.
steps() {
	local IFS=,
	echo "[$*]"
}

# cell CODE: the step that runs it in a new notebook.
cell() {
	/usr/bin/python3 -c 'import json, sys; print(json.dumps(["run", sys.argv[1]]))' "$1"
}

# form_to_end: the form, progress, JupyterLab, a cell on every worker, stop.
form_to_end() {
	local result form job
	form='["form", {"app": "lab", "partition": "main", "nodes": "2", "time": "20:00", "workers": ["dask"],
		"workers_per_node": "2"}]'
	result=$(browser "$(steps "[\"login\", \"$ALICE\"]" "$form" "$(cell "$DASK")")")
	echo "$result"
	assert_equal "$(found "$result" 'f["output"]')" "ANSWER 4 2"
	job=$(hub_job "$ALICE")
	# The page has told what it waited for.
	[[ $(found "$result" 'f["progress"]') == *"Job $job"* ]]
	assert_equal "$("$CLUSTER" run -- squeue -h -j "$job" -o %D)" 2
	browser "$(steps "[\"login\", \"$ALICE\"]" '["stop"]')"
	hub_stopped "$job"
}

@test "by sbatch: the form, progress, JupyterLab, a cell on every worker; stopped, nothing is left" {
	hub_up CLUSTER_HUB_SUBMIT=sbatch
	form_to_end
}

@test "by salloc: the same" {
	hub_up CLUSTER_HUB_SUBMIT=salloc
	form_to_end
	# Nor is the process on the hub's host that has held the allocation.
	run pgrep -u "$ALICE" salloc
	assert_status 1
}

# typed_or_gone PID: the browser has typed, or has ended.
typed_or_gone() { [[ -e $(home_of "$BOB")/typed ]] || ! kill -0 "$1" 2>/dev/null; }

@test "what is typed and not saved is saved through the hub when the job is cancelled" {
	local job pid text=typed_and_not_saved out=$BATS_TEST_TMPDIR/out
	hub_up CLUSTER_HUB_SUBMIT=sbatch
	# JupyterLab saves by itself every two minutes: not here.
	as_alice mkdir -p .jupyter/lab/user-settings/@jupyterlab/docmanager-extension
	as_alice bash -c 'echo "{\"autosave\": false}" \
		>.jupyter/lab/user-settings/@jupyterlab/docmanager-extension/plugin.jupyterlab-settings'
	rm -f "$(home_of "$BOB")/typed"
	browser "$(steps "[\"login\", \"$ALICE\"]" \
		'["form", {"app": "lab", "partition": "main", "nodes": "1", "time": "20:00"}]' \
		"[\"type\", \"$text\", \"$(home_of "$BOB")/typed\"]" '["hear"]')" >"$out" 2>"$out.errors" 3>&- &
	pid=$!
	wait_until 300 typed_or_gone "$pid"
	[[ -e $(home_of "$BOB")/typed ]] || fail "$(cat "$out.errors")"
	run grep -rl "$text" "$(home_of "$ALICE")" --include='*.ipynb'
	assert_status 1
	job=$(hub_job "$ALICE")
	as_alice scancel "$job"
	wait "$pid" || fail "$(cat "$out.errors")"
	grep "$text" "$(home_of "$ALICE")/Untitled.ipynb"
	assert_equal "$(found "$(<"$out")" 'f["said"]')" "The session ends now: 1 document is saved"
	wait_until 30 grep "saved 1 document that was unsaved in a browser" "$(session_dir "$job")/session.log"
	hub_stopped "$job"
	rm -f "$(home_of "$BOB")/typed"
}

@test "an unmodified batchspawner: no form, JupyterLab, a cell on every worker; stopped, nothing is left" {
	local result job
	cat >"$BATS_TEST_TMPDIR/more.py" <<-'END'
	# SPDX-License-Identifier: MIT
	c.SlurmSpawner.batch_submit_cmd = (
	    "sbatch --parsable -N2 --ntasks-per-node=1 --jupyter=singleuser --jupyter-workers=dask:2"
	)
	END
	hub_up CLUSTER_HUB_SPAWNER=batchspawner CLUSTER_HUB_CONFIG="$BATS_TEST_TMPDIR/more.py"
	result=$(browser "$(steps "[\"login\", \"$ALICE\"]" '["start"]' "$(cell "$DASK")")")
	echo "$result"
	assert_equal "$(found "$result" 'f["output"]')" "ANSWER 4 2"
	job=$(hub_job "$ALICE")
	browser "$(steps "[\"login\", \"$ALICE\"]" '["stop"]')"
	hub_stopped "$job"
}

@test "a user's own job is adopted and opened through the hub; another user cannot open it" {
	local result job
	hub_up CLUSTER_HUB_SUBMIT=sbatch
	# The hub has to know the user.
	browser "$(steps "[\"login\", \"$ALICE\"]")"
	job=$(submit -N2 --ntasks-per-node=1 --time=20 --jupyter=lab --jupyter-workers=dask:2 \
		--jupyter-hub="$HUB_URL" --wrap 'sjupyter wait')
	wait_until 120 hub_server_is "$ALICE" "job-$job" ready
	result=$(browser "$(steps "[\"login\", \"$ALICE\"]" "[\"open\", \"job-$job\"]" "$(cell "$DASK")")")
	echo "$result"
	assert_equal "$(found "$result" 'f["output"]')" "ANSWER 4 2"
	# Bob, by the link, with his own login.
	result=$(browser "$(steps "[\"login\", \"$BOB\"]" "[\"visit\", \"/user/$ALICE/job-$job/lab\"]")")
	echo "$result"
	assert_equal "$(found "$result" 'f["status"]')" 403
	# Nobody, without one.
	result=$(browser "$(steps "[\"visit\", \"/user/$ALICE/job-$job/lab\"]")")
	[[ $(found "$result" 'f["text"]') != *Launcher* ]]
	browser "$(steps "[\"login\", \"$ALICE\"]" "[\"stop_named\", \"job-$job\"]")"
	hub_stopped "$job"
}
