#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031
#
# Sessions in a real JupyterHub: spawned by our spawner with sbatch and salloc, by an
# unmodified batchspawner, and users' own that the hub adopts; who can reach them, and who can
# read which secret.

load lib/common
load lib/session
load lib/hub

# The variables that hold a server's token.
TOKENS='JUPYTERHUB_API_TOKEN|JPY_API_TOKEN'

setup() {
	hub_need
	hub_settings "hub_user = $HUB_USER"
}

teardown() {
	jobs_cancel
	nothing_left
	config_restore
}

teardown_file() {
	"$CLUSTER" hub down
}

@test "sbatch: the owner reaches the server through the proxy, nobody else does" {
	need_hub CLUSTER_HUB_SUBMIT=sbatch
	run hub_spawn "$ALICE" '{"nodes": 2}'
	assert_status 0
	hub_spawned "$ALICE"
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/api/status")" 200
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/lab")" 200
	assert_equal "$(hub_visit "$BOB" "/user/$ALICE/api/status")" 403
	# Nor without the proxy, by the session's own port.
	local ip port
	ip=$(session_get "$JOB" 'r["endpoint"]["ip"]')
	port=$(session_get "$JOB" 'r["endpoint"]["port"]')
	run as_bob curl -sS --noproxy '*' -o /dev/null -w '%{http_code}' "http://$ip:$port/user/$ALICE/api/status"
	assert_equal "$output" 403
	hub_settings "hub = $HUB_URL" "hub_user = $HUB_USER"
	run as_alice sjupyter --config="$CONFIG" doctor --no-job
	assert_has "JupyterHub from this host: $HUB_URL answers"
	hub_settings "hub = $HUB_URL" "hub_user = 0"
	run as_alice sjupyter --config="$CONFIG" doctor --no-job
	assert_has "jobs of yours are not in it"
	run as_alice sjupyter url "$JOB"
	assert_equal "$output" "$HUB_URL/user/$ALICE/"
	run as_alice sjupyter status "$JOB"
	assert_has "registered"
	run hub_api DELETE "/users/$ALICE/server"
	assert_status 0
	hub_stopped "$JOB"
	assert_equal "$(session_state "$JOB")" ended
}

cat_has_a_token() {
	[[ $'\n'$(processes_with "$TOKENS")$'\n' == *$'\ncat\n'* ]]
}

@test "a spawned job's secrets are the server's alone" {
	need_hub CLUSTER_HUB_SUBMIT=sbatch
	hub_spawn "$ALICE" '{"nodes": 2, "workers": "dask", "workers_per_node": 1}'
	hub_spawned "$ALICE"
	wait_until 120 session_is "$JOB" ready
	local server token spawn_id word home state other
	server=$(server_pid_of_hub "$JOB")
	token=$(variable_of "$server" JUPYTERHUB_API_TOKEN)
	spawn_id=$(variable_of "$(agent_pid n1 "$JOB")" SJ_JOB_SPANK_JUPYTER_SPAWN_ID)
	[[ ${#token} -ge 32 && ${#spawn_id} -eq 32 ]] || fail "no token or spawn id"
	# Which programs have which.
	only_below "$server" "$TOKENS"
	# One who has a token from elsewhere does not escape it.
	exec {other}> >("$CLUSTER" run -u "$ALICE" -n n1 -e JUPYTERHUB_API_TOKEN=none -- cat 3>&-)
	wait_until 30 cat_has_a_token
	run only_below "$server" "$TOKENS"
	assert_status 1
	assert_has " cat"
	exec {other}>&-
	assert_equal "$(tr '\0' ' ' <"/proc/$server/cmdline" | grep -o jupyterhub-singleuser)" jupyterhub-singleuser
	assert_equal "$(processes_with SPANK_JUPYTER_SPAWN_ID)" "jupyter-hub-callback"$'\n'jupyter-launch
	[[ -z $(variable_of "$server" SPANK_JUPYTER_SPAWN_ID) ]]
	# A step of the user's.
	run as_alice srun --jobid "$JOB" --overlap -N2 -n2 env
	assert_status 0
	assert_has_not "$token"
	assert_has_not "$spawn_id"
	assert_has_not SPANK_JUPYTER_SPAWN_ID
	run "$CLUSTER" run -- scontrol show job -dd "$JOB"
	assert_has_not "$token"
	assert_has_not "$spawn_id"
	run "$CLUSTER" run -- scontrol write batch_script "$JOB" -
	assert_has_not "$token"
	assert_has_not "$spawn_id"
	home=$(home_of "$ALICE")
	state=$(session_dir "$JOB")
	[[ -s $state/session.json && ! -e $state/token ]]
	for word in "$token" "$spawn_id"; do
		run in_arguments "$word"
		assert_equal "$output" ""
		run grep -rlsF -- "$word" "$home" "$CLUSTER_STATE_DIR/spool" "$CLUSTER_STATE_DIR/log"
		assert_equal "$output" ""
	done
	# What sjupyter env hands to scripts.
	run as_alice sjupyter env "$JOB"
	assert_has_not "$token"
	hub_api DELETE "/users/$ALICE/server"
	hub_stopped "$JOB"
}

@test "salloc: the same, and found again after the hub was restarted" {
	need_hub CLUSTER_HUB_SUBMIT=salloc
	hub_spawn "$ALICE" '{"nodes": 2}'
	hub_spawned "$ALICE"
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/api/status")" 200
	hub_stop
	hub_start CLUSTER_HUB_SUBMIT=salloc
	wait_until 60 hub_server_is "$ALICE" "" ready
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/api/status")" 200
	assert_equal "$(hub_visit "$BOB" "/user/$ALICE/api/status")" 403
	hub_api DELETE "/users/$ALICE/server"
	hub_stopped "$JOB"
}

@test "an unmodified batchspawner's server, and its token is not the workers'" {
	local config=$BATS_TEST_TMPDIR/config.py pid workers=0
	echo 'c.SlurmSpawner.batch_submit_cmd = "sbatch --parsable --jupyter=singleuser -N2 --jupyter-workers=dask:1"' >"$config"
	hub_up CLUSTER_HUB_SPAWNER=batchspawner CLUSTER_HUB_CONFIG="$config"
	hub_spawn "$ALICE"
	hub_spawned "$ALICE"
	wait_until 120 session_is "$JOB" ready
	for pid in $(pgrep -u "$ALICE" -f recipes/workers/); do
		workers=$((workers + 1))
		[[ -z $(variable_of "$pid" JUPYTERHUB_API_TOKEN)$(variable_of "$pid" JPY_API_TOKEN) ]]
	done
	[[ $workers -ge 2 ]]
	assert_equal "$(session_get "$JOB" 'r["hub"]["mode"]')" stock
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/api/status")" 200
	assert_equal "$(hub_visit "$BOB" "/user/$ALICE/api/status")" 403
	hub_api DELETE "/users/$ALICE/server"
	hub_stopped "$JOB"
}

@test "a named server of an unmodified batchspawner" {
	need_hub CLUSTER_HUB_SPAWNER=batchspawner
	hub_api POST "/users/$ALICE/servers/second"
	hub_spawned "$ALICE" second
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/second/api/status")" 200
	hub_api DELETE "/users/$ALICE/servers/second"
	hub_stopped "$JOB"
}

@test "a user's own job is adopted: his, behind the hub's login, and not another's" {
	need_hub CLUSTER_HUB_SUBMIT=sbatch
	JOB=$(adopted -N2)
	wait_serving "$JOB"
	wait_until 60 hub_state_is "$JOB" registered
	wait_until 60 hub_server_is "$ALICE" "job-$JOB" ready
	assert_equal "$(session_get "$JOB" 'r["url"]')" "$HUB_URL/user/$ALICE/job-$JOB/"
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/job-$JOB/lab")" 200
	assert_equal "$(hub_visit "$BOB" "/user/$ALICE/job-$JOB/lab")" 403
	only_below "$(server_pid_of_hub "$JOB")" "$TOKENS"
	run as_alice srun --jobid "$JOB" --overlap -N2 -n2 env
	assert_has_not JUPYTERHUB_
	# Stopping the server ends the session, and the job goes on.
	hub_api DELETE "/users/$ALICE/servers/job-$JOB"
	wait_until 60 session_is "$JOB" ended
	job_is "$JOB" RUNNING
}

@test "an adopted session without work ends after --jupyter-idle, which the hub's token tells" {
	need_hub CLUSTER_HUB_SUBMIT=sbatch
	JOB=$(adopted --jupyter-idle=0:10)
	wait_until 120 session_is "$JOB" ended
	run session_reason "$JOB"
	assert_has "without work"
}

@test "the hub's callback is started again when it dies, and tells the hub again" {
	need_hub CLUSTER_HUB_SUBMIT=sbatch
	JOB=$(adopted)
	wait_serving "$JOB"
	wait_until 60 hub_state_is "$JOB" registered
	kill -KILL "$(pgrep -P "$(session_get "$JOB" 'r["head"]["pid"]')" -f 'jupyter-hub-callback run')"
	wait_until 60 grep -q 'registered with the hub again' "$(session_dir "$JOB")/session.log"
	hub_state_is "$JOB" registered
}
