#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031
#
# Sessions in a JupyterHub that is away, restarted, forgetful, hostile or not there at all.

load lib/common
load lib/session
load lib/hub

setup() {
	hub_need
	hub_settings "hub_user = $HUB_USER"
}

teardown() {
	"$CLUSTER" run -- scontrol update partitionname=main state=up || true
	misbehaving_end
	rm -rf "$(home_of "$ALICE")/lab-only" "$(home_of "$ALICE")/init.sh"
	jobs_cancel
	nothing_left
	config_restore
}

teardown_file() {
	"$CLUSTER" hub down
}

@test "the hub restarted while the job is pending, and while its server starts" {
	need_hub CLUSTER_HUB_SUBMIT=sbatch
	"$CLUSTER" run -- scontrol update partitionname=main state=down
	hub_spawn "$ALICE"
	wait_until 30 hub_job "$ALICE"
	JOB=$(hub_job "$ALICE")
	hub_stop
	hub_start CLUSTER_HUB_SUBMIT=sbatch
	"$CLUSTER" run -- scontrol update partitionname=main state=up
	wait_until 60 session_get "$JOB" 'r["phases"]["spawned"]'
	hub_stop
	# The server looks for it, too.
	wait_until 120 grep -q 'Failed to connect to my Hub' "$(session_dir "$JOB")/session.log"
	hub_start CLUSTER_HUB_SUBMIT=sbatch
	hub_spawned "$ALICE"
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/api/status")" 200
	hub_api DELETE "/users/$ALICE/server"
	hub_stopped "$JOB"
}

# The record is written a moment after the log.
hub_reason_names() { # JOB WORDS
	[[ $(session_get "$1" 'r["hub"]["reason"]') == *"$2"* ]]
}

@test "a hub that is away when the session begins: it waits, says so, and is served" {
	need_hub CLUSTER_HUB_SUBMIT=sbatch
	"$CLUSTER" run -- scontrol update partitionname=main state=down
	hub_spawn "$ALICE"
	wait_until 30 hub_job "$ALICE"
	JOB=$(hub_job "$ALICE")
	hub_stop
	"$CLUSTER" run -- scontrol update partitionname=main state=up
	wait_until 60 hub_state_is "$JOB" waiting
	wait_until 30 grep -q 'trying on' "$(session_dir "$JOB")/session.log"
	wait_until 30 hub_reason_names "$JOB" "//10.77.$CLUSTER_INSTANCE.1:"
	# An adopted one likewise.
	local own
	own=$(adopted)
	wait_until 60 hub_state_is "$own" waiting
	wait_until 30 job_log_has "$own" "trying on"
	session_is "$own" starting
	hub_start CLUSTER_HUB_SUBMIT=sbatch
	wait_until 120 hub_server_is "$ALICE" "" ready
	wait_until 120 hub_server_is "$ALICE" "job-$own" ready
	wait_until 30 hub_state_is "$JOB" registered
	wait_until 30 hub_state_is "$own" registered
}

@test "a hub that has lost its database: the session says that it is an orphan, and ends" {
	need_hub CLUSTER_HUB_SUBMIT=sbatch
	hub_settings "hub_user = $HUB_USER" "orphan_grace = 0:03"
	hub_spawn "$ALICE"
	hub_spawned "$ALICE"
	hub_up CLUSTER_HUB_SUBMIT=sbatch
	# Something to tell the hub of, and to be denied.
	kill -KILL "$(server_pid_of_hub "$JOB")"
	wait_until 120 hub_state_is "$JOB" 'orphan|ended'
	wait_until 60 session_is "$JOB" ended
	run session_reason "$JOB"
	assert_has "the hub has not taken it back"
	run cat "$(session_dir "$JOB")/session.log"
	assert_has "does not know this session any more"
	assert_has "orphan_grace"
	hub_stopped "$JOB"
}

@test "--jupyter=singleuser without a hub is one clear line" {
	JOB=$(submit --jupyter=singleuser --wrap 'sjupyter wait')
	wait_until 60 session_is "$JOB" failed
	run session_reason "$JOB"
	assert_has "--jupyter=singleuser is a server of a JupyterHub, and there is none"
	wait_until 30 job_log_has "$JOB" "give --jupyter=lab for a session of your own"
}

@test "without hub_user nothing is adopted: the setting is named, and the lab comes" {
	need_hub CLUSTER_HUB_SUBMIT=sbatch
	hub_settings
	JOB=$(adopted)
	wait_serving "$JOB"
	hub_state_is "$JOB" refused
	job_log_has "$JOB" "set hub_user in the [site] section"
	run as_alice sjupyter url "$JOB"
	assert_has "token="
}

@test "a lab whose user has no jupyterhub-singleuser is not in the hub, and comes" {
	need_hub CLUSTER_HUB_SUBMIT=sbatch
	local home
	home=$(home_of "$ALICE")
	mkdir "$home/lab-only"
	ln -s "$VENV/bin/jupyter-lab" "$home/lab-only/"
	echo "export PATH=$home/lab-only:$PREFIX/bin:/usr/bin:/bin" >"$home/init.sh"
	chown -R "$ALICE:" "$home/lab-only" "$home/init.sh"
	JOB=$(adopted --jupyter-init="$home/init.sh")
	wait_serving "$JOB"
	hub_state_is "$JOB" refused
	job_log_has "$JOB" "not in the hub"
	job_log_has "$JOB" jupyterhub-singleuser
	wait_until 60 hub_server_is "$ALICE" "job-$JOB" none
}

@test "a hub that refuses is told in words, and the lab comes without it" {
	local case status words
	misbehaving_hub
	hub_settings "hub_user = 0"
	for case in "s-401:hub_user" "s-403:403" "s-404:404" "s-409:409" "s-410:410" "redirect:elsewhere"; do
		words=${case#*:}
		status=${case%%:*}
		JOB=$(submit --jupyter=lab --jupyter-hub="$BAD_HUB/$status/hub/api" --wrap 'sleep 600')
		wait_serving "$JOB"
		hub_state_is "$JOB" refused
		run session_get "$JOB" 'r["hub"]["reason"]'
		assert_has "$words"
		job_log_has "$JOB" "not in the hub"
		grep -qF "not in the hub" "$(session_dir "$JOB")/session.log"
		"$CLUSTER" run -- scancel "$JOB"
	done
}

@test "a job that is told to end while it waits for the hub ends at once" {
	hub_settings "hub_user = $HUB_USER"
	hub_stop
	JOB=$(adopted)
	wait_until 60 hub_state_is "$JOB" waiting
	as_alice scancel "$JOB"
	wait_until 30 session_is "$JOB" 'ended|failed'
	hub_stopped "$JOB"
}
