#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031
#
# Sessions of a user's own that have left the hub, since jupyterhub-singleuser cannot be kept up: they
# are what they would be without a hub.  Run by t/run, as root.

load lib/common
load lib/session
load lib/hub

setup() {
	hub_need
}

teardown() {
	rm -rf "$(home_of "$ALICE")"/{broken,init.sh}
	jobs_cancel
	nothing_left
	config_restore
}

teardown_file() {
	hub_down
}

# plain_lab JOB WORDS: the session goes on as if there were no hub, and has said once why.
plain_lab() {
	hub_state_is "$1" refused
	run session_get "$1" 'r["hub"]["reason"]'
	assert_has "$2"
	job_log_has "$1" "not in the hub"
	assert_equal "$(grep -c "not in the hub: .*$2" "$(session_dir "$1")/session.log")" 1
	run as_alice sjupyter url "$1"
	assert_has "/lab?token="
	session_curl "$1" /api/status
	run session_get "$1" 'r["runtime_dir"]'
	assert_equal "$(find "$output" -name 'hub-*')" ""
	wait_until 60 hub_server_is "$ALICE" "job-$1" none
	# Which the hub has not ended with its server.
	session_curl "$1" /api/status
}

@test "a lab whose jupyterhub-singleuser keeps failing is not in the hub, and comes" {
	need_hub CLUSTER_HUB_SUBMIT=sbatch
	hub_settings "hub_user = $HUB_USER" "restarts = 2"
	local home
	home=$(home_of "$ALICE")
	mkdir "$home/broken"
	printf '#!/bin/sh\necho "this one is broken" >&2\nexit 3\n' >"$home/broken/jupyterhub-singleuser"
	chmod 0755 "$home/broken/jupyterhub-singleuser"
	echo "export PATH=$home/broken:\$PATH" >"$home/init.sh"
	chown -R "$ALICE:" "$home/broken" "$home/init.sh"
	JOB=$(adopted --jupyter-init="$home/init.sh")
	wait_serving "$JOB"
	plain_lab "$JOB" "exit status 3: this one is broken"
	# Nor when it cannot be started at all.
	"$CLUSTER" run -- scancel "$JOB"
	echo '#!/nonexistent' >"$home/broken/jupyterhub-singleuser"
	JOB=$(adopted --jupyter-init="$home/init.sh")
	wait_serving "$JOB"
	plain_lab "$JOB" "jupyterhub-singleuser"
}

@test "a server of the hub's that cannot begin again, since the hub is gone, becomes a lab" {
	need_hub CLUSTER_HUB_SUBMIT=sbatch
	hub_settings "hub_user = $HUB_USER" "restarts = 1"
	JOB=$(adopted --jupyter-idle=10:00)
	wait_serving "$JOB"
	wait_until 60 hub_state_is "$JOB" registered
	hub_stop
	kill -KILL "$(server_pid_of_hub "$JOB")"
	wait_until 240 hub_state_is "$JOB" refused
	wait_serving "$JOB"
	job_log_has "$JOB" "ready after"
	hub_start CLUSTER_HUB_SUBMIT=sbatch
	plain_lab "$JOB" "jupyterhub-singleuser"
}
