#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Who speaks to a real JupyterHub without the right to: nobody gets a server that is not his, and the
# session whose it is gets there all the same.  The real jupyter-hub-callback, the real handler, real
# munge; the jobs are none (t/bench/callback/hub_config.py).  Run by t/run, as root.
#
# Where each fault of the hub has its test; "callback" is t/unit/test_hub_*.c against
# t/lib/misbehaving_hub.py, "handler" is contrib/jupyterhub/tests against a real hub with a Slurm that can
# be told to fail.
#
# hub down when the session begins    61-hub-faults; callback: test_hub_restarted; for long: test_retries
# hub restarted while pending         61-hub-faults; handler: test_while_pending, test_while_submitting
#   ... while starting                61-hub-faults; handler: test_while_starting, test_between_serving_and_ready
#   ... while ready                   60-hub (salloc); handler: test_while_ready; callback: test_hub_restarted
#   ... killed under 100 callbacks    61-hub-load
# hub without its database            61-hub-faults; callback: test_orphan, test_doubts
# 401, 403, 404, 409, 410             61-hub-faults; callback: test_refusals, test_wrong
# 429 with Retry-After, 500           callback: test_recoveries, test_asked_to_wait
# a reply of 1 GB, chunked, headers   callback: test_too_much
# a reply that never ends             callback: test_too_slow
# invalid JSON, a forged answer       callback: test_wrong (exchange)
# a redirect to elsewhere             61-hub-faults; callback: test_statuses, test_refusals
# a certificate of another host       callback: test_tls
# http_proxy set                      here; callback: test_request
# API URL on 127.0.0.1                here; callback: test_loopback
# a replayed credential, used nonce   here; handler: test_replayed_credential, test_used_nonce
# an expired one                      here; handler: test_expired_credential, test_expired_record
# one of another user, or for another here; handler: test_other_users_uid, test_credential_for_another_uid
# of another job                      here; handler: test_other_job
# an address outside the job's nodes  here; handler: test_address_outside_the_jobs_nodes
# a request without one               here; handler: test_a_request_without_a_credential
# a token of another, or revoked      here; handler: test_token_of_another
# munged down on the node             here; callback: test_munged_down, test_munged_hangs, test_munged_restarted
# munged down on the hub's host       handler: test_munged_down
# two sessions for one spawn id       here; handler: test_two_sessions_for_one_spawn_id
# squeue, scontrol, scancel fail      handler: test_scheduler_hiccup, test_slurm_does_not_answer, ...
# another user opens a server         60-hub, 62-hub-browser
# anybody opens one with internal_ssl 64-hub-ssl
# jupyterhub-singleuser keeps failing 66-hub-leave

bats_require_minimum_version 1.5.0
load lib/common
load lib/session
load lib/hub
load lib/hub-load

# Servers 1000001 and 1000002 of the hub are both alice's.
FIRST=1000001
SECOND=1000002

setup() {
	hub_need
	if [[ ! -s $CLUSTER_STATE_DIR/hub/load-spawns ]]; then
		load_hub_up
		load_as_root spawn 2
	fi
	load_addresses
	HUB_UID=$(id -u "$HUB_USER")
	SPAWN=$(spawn_id $FIRST)
}

teardown_file() {
	hub_down
}

spawn_id() { # JOB
	sed -n "s/^$1 //p" "$CLUSTER_STATE_DIR/hub/load-spawns"
}

# post USER JOB SPAWN_ID [-e NAME=VALUE]... ACTION [ARGUMENTS...]: one exchange from node n1.
post() {
	local user=$1 job=$2 env=(-e "SPANK_JUPYTER_SPAWN_ID=$3")
	shift 3
	while [[ $1 == -e ]]; do
		env+=(-e "$2")
		shift 2
	done
	"$CLUSTER" run -u "$user" -n n1 "${env[@]}" -- timeout 60 jupyter-hub-callback post "$1" \
		--mode=spawn --hub="$LOAD_API" --hub-uid="$HUB_UID" --job="$job" --restart=0 --cluster=load "${@:2}"
}

serving() { # USER JOB SPAWN_ID [-e NAME=VALUE]... IP HEAD
	local words=("${@:1:$#-2}") ip=${*: -2:1} head=${*: -1:1}
	post "${words[@]}" serving --ip="$ip" --port=40000 --app=lab --head="$head"
}

address() { # HOST
	"$CLUSTER" run -- getent ahostsv4 "$1" | awk 'NR == 1 { print $1 }'
}

refused() { # WORDS, of the last `run`
	assert_status 4
	assert_has "$1"
	# Nothing of the server's is in what was answered.
	assert_has_not JUPYTERHUB_
}

# record NONCE LIFETIME: of an activity.
record() {
	local now=$EPOCHSECONDS
	printf '{"version": 1, "action": "activity", "cluster": "load", "job_id": "%s", "restart": 0, "user": "%s",
		"hub": "%s", "nonce": "%s", "issued": %d, "expires": %d, "spawn_id": "%s", "last_activity": %d,
		"busy": false}' $FIRST "$ALICE" "$LOAD_API" "$1" "$now" $((now + $2)) "$SPAWN" "$now"
}

# credential USER RECORD [MUNGE_ARGUMENTS...]
credential() {
	"$CLUSTER" run -u "$1" -n n1 -- munge --restrict-uid="$HUB_UID" "${@:3}" <<<"$2" | tr -d '\n'
}

# raw BODY: the status that the hub answers a request with.
raw() {
	"$CLUSTER" run -u "$BOB" -n n1 -- curl -sS --noproxy '*' --max-time 30 -o /dev/null -w '%{http_code}' \
		-H 'Content-Type: application/json' -d "$1" "$LOAD_API/spank-jupyter"
}

raw_credential() {
	raw "{\"credential\": \"$1\"}"
}

@test "another user with the spawn id gets nothing, under his own name or alice's" {
	run post "$BOB" $FIRST "$SPAWN" environment
	refused "another user"
	run post "$BOB" $FIRST "$SPAWN" environment --user="$ALICE"
	refused "which is not $ALICE"
	run post root $FIRST "$SPAWN" environment
	refused "another user"
	run serving "$BOB" $FIRST "$SPAWN" "$(address n1)" n1
	refused "another user"
}

@test "two sessions for one spawn id: the job that was there first has it" {
	run post "$ALICE" $SECOND "$SPAWN" environment
	refused "was used by job $FIRST"
	run post "$ALICE" $FIRST "$(spawn_id $SECOND)" environment
	refused "was used by job $SECOND"
	run serving "$ALICE" $SECOND "$SPAWN" "$(address n1)" n1
	refused "the server's job is another one"
	run post "$ALICE" $FIRST 00000000000000000000000000000000 environment
	refused "no such spawn"
}

@test "an address that is not of the job's nodes is not taken" {
	run serving "$ALICE" $FIRST "$SPAWN" "$(address n2)" n1
	refused "is not an address of n1"
	run serving "$ALICE" $FIRST "$SPAWN" "$(address n2)" n2
	refused "n2 is not a node of job $FIRST"
	run serving "$ALICE" $FIRST "$SPAWN" 127.0.0.1 n1
	refused "is not an address of n1"
	run serving "$ALICE" $FIRST "$SPAWN" "$(address login)" n1
	refused "is not an address of n1"
	run hub_server "u$FIRST" "" 's["ready"], s["pending"]'
	assert_has "False spawn" || assert_has "(False, 'spawn')"
}

@test "a token that is not the server's is worse than none" {
	run post "$ALICE" $FIRST "$SPAWN" -e "JUPYTERHUB_API_URL=$LOAD_API" \
		-e JUPYTERHUB_API_TOKEN=00000000000000000000000000000000 environment
	refused "the API token is not one of"
}

@test "replayed, expired, another's, for another, none at all: credentials that are not taken" {
	local good other
	good=$(credential "$ALICE" "$(record 00000000000000000000000000000001 300)")
	assert_equal "$(raw_credential "$good")" 200
	assert_equal "$(raw_credential "$good")" 409
	other=$(credential "$ALICE" "$(record 00000000000000000000000000000001 300)")
	assert_equal "$(raw_credential "$other")" 409
	assert_equal "$(raw_credential "$(credential "$ALICE" "$(record 00000000000000000000000000000002 -1)")")" 401
	assert_equal "$(raw_credential "$(credential "$BOB" "$(record 00000000000000000000000000000003 300)")")" 403
	other=$("$CLUSTER" run -u "$ALICE" -n n1 -- munge --restrict-user="$BOB" \
		<<<"$(record 00000000000000000000000000000004 300)" | tr -d '\n')
	assert_equal "$(raw_credential "$other")" 401
	assert_equal "$(raw '{}')" 401
	assert_equal "$(raw '')" 401
	assert_equal "$(raw 'credential')" 400
	assert_equal "$(raw_credential MUNGE:AwQFAAA:)" 401
}

@test "a hub at 127.0.0.1 is none for a node: the setting is named" {
	run "$CLUSTER" run -u "$ALICE" -n n1 -e SPANK_JUPYTER_SPAWN_ID="$SPAWN" -e SLURM_SUBMIT_HOST=login -- \
		jupyter-hub-callback post environment --mode=spawn --hub=http://127.0.0.1:8002/hub/api \
		--hub-uid="$HUB_UID" --job=$FIRST --cluster=load
	assert_status 4
	assert_has "leads to this node itself"
	assert_has "c.JupyterHub.hub_connect_url"
}

@test "munged down on the node is said, and nothing is sent without it" {
	run post "$ALICE" $FIRST "$SPAWN" -e MUNGE_SOCKET=/nonexistent environment
	assert_status 1
	assert_has "munge on this node does not answer"
}

@test "after all that the session whose it is gets its server, whatever http_proxy is" {
	run post "$ALICE" $FIRST "$SPAWN" -e http_proxy=http://127.0.0.1:1 environment
	assert_status 0
	assert_has JUPYTERHUB_API_TOKEN
	run serving "$ALICE" $FIRST "$SPAWN" -e http_proxy=http://127.0.0.1:1 "$(address n1)" n1
	assert_status 0
	assert_has '"registered":true'
}
