#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031
# bats file_tags=needs:hub-5,needs:hub-4
#
# Sessions in the older releases of JupyterHub that are supported: spawned, and adopted, with
# the single-user server of the same release.  What the current one does in full is in 60-hub.bats.  Run
# by t/run, as root.

load lib/common
load lib/session
load lib/hub

setup() {
	hub_settings "hub_user = $HUB_USER"
}

teardown() {
	jobs_cancel
	nothing_left
	config_restore
}

teardown_file() {
	hub_down
	rm -rf "$(home_of "$ALICE")"/release-*
}

# need_release RELEASE: its hub, and for the servers its package in front of the one that the stack
# has, by --jupyter-init, which is left in INIT.
need_release() {
	local venv config=$BATS_FILE_TMPDIR/config-$1.py home
	hub_need "$1"
	home=$(home_of "$ALICE")/release-$1
	INIT=$home/init.sh
	if [[ ! -e $INIT ]]; then
		mkdir "$home"
		# 4 needs one module that the current release does not.
		for venv in "$CLUSTER_HUB_VENV"/lib/python3*/site-packages/{jupyterhub,async_generator}; do
			[[ ! -e $venv ]] || ln -s "$venv" "$home/"
		done
		echo "export PYTHONPATH=$home" >"$INIT"
		chown -hR "$ALICE:" "$home"
		echo "c.SpankSpawner.options = ['--jupyter-init=$INIT']" >"$config"
	fi
	need_hub CLUSTER_HUB_SUBMIT=sbatch CLUSTER_HUB_VENV="$CLUSTER_HUB_VENV" CLUSTER_HUB_CONFIG="$config"
	# It is the one that is meant, so that this is no test of another.
	assert_equal "$(hub_api GET "" | /usr/bin/python3 -c 'import json, sys
print(json.load(sys.stdin)["version"].split(".")[0])')" "$1"
}

# server_is_of RELEASE
server_is_of() {
	grep -q "single-user server.* version $1\." "$(session_dir "$JOB")/session.log"
}

spawned() { # RELEASE
	need_release "$1"
	hub_spawn "$ALICE" '{"nodes": 2}'
	hub_spawned "$ALICE"
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/api/status")" 200
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/lab")" 200
	assert_equal "$(hub_visit "$BOB" "/user/$ALICE/api/status")" 403
	server_is_of "$1"
	hub_api DELETE "/users/$ALICE/server"
	hub_stopped "$JOB"
	assert_equal "$(session_state "$JOB")" ended
}

own_job() { # RELEASE
	need_release "$1"
	JOB=$(adopted --jupyter-init="$INIT")
	wait_serving "$JOB"
	wait_until 60 hub_server_is "$ALICE" "job-$JOB" ready
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/job-$JOB/lab")" 200
	assert_equal "$(hub_visit "$BOB" "/user/$ALICE/job-$JOB/lab")" 403
	server_is_of "$1"
	hub_api DELETE "/users/$ALICE/servers/job-$JOB"
	wait_until 60 session_is "$JOB" ended
	job_is "$JOB" RUNNING
	wait_until 30 hub_server_is "$ALICE" "job-$JOB" none
}

@test "JupyterHub 5: a spawned server" {
	spawned 5
}

@test "JupyterHub 5: a user's own job" {
	own_job 5
}

@test "JupyterHub 4: a spawned server" {
	spawned 4
}

@test "JupyterHub 4: a user's own job" {
	own_job 4
}
