#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031
#
# JupyterHub's internal_ssl: TLS between the hub, its proxy and the servers on the nodes, with keys on
# both sides.  Who comes with a key reaches the server, nobody else does, and the keys are on the
# node while the session lives, for its user alone.  Run by t/run, as root.

load lib/common
load lib/session
load lib/hub

SSL=(CLUSTER_HUB_SUBMIT=sbatch CLUSTER_HUB_INTERNAL_SSL=1)

setup() {
	hub_need
	hub_settings "hub_user = $HUB_USER"
}

teardown() {
	rm -f "$(home_of "$ALICE")"/other.*
	jobs_cancel
	nothing_left
	config_restore
}

teardown_file() {
	hub_down
}

# pem_files_of PID: "VARIABLE FILE" of each that the server was given.
pem_files_of() {
	local name
	for name in JUPYTERHUB_SSL_KEYFILE JUPYTERHUB_SSL_CERTFILE JUPYTERHUB_SSL_CLIENT_CA; do
		echo "$name $(variable_of "$1" "$name")"
	done
}

# private_files SERVER_PID: the keys and certificates are files of alice's alone, in a directory of
# hers alone on the node, which is left in PRIVATE.
private_files() {
	local name file seen=0
	while read -r name file; do
		[[ $file == /tmp/spank-jupyter-*/hub-*.pem ]] || fail "$name is '$file'"
		assert_equal "$(stat -c '%U %a %F' "$file")" "$ALICE 600 regular file"
		PRIVATE=${file%/*}
		assert_equal "$(stat -c '%U %a %F' "$PRIVATE")" "$ALICE 700 directory"
		grep -q '^-----BEGIN ' "$file" || fail "$file is no PEM"
		seen=$((seen + 1))
	done < <(pem_files_of "$1")
	assert_equal "$seen" 3
}

# key_is_hidden SERVER_PID: a line of the server's key is in no environment, arguments or log, and in no
# other file of the user's.
key_is_hidden() {
	local line file
	file=$(variable_of "$1" JUPYTERHUB_SSL_KEYFILE)
	line=$(sed -n 3p "$file")
	[[ ${#line} -ge 60 ]] || fail "$file is no key"
	run grep -rlsF -- "$line" "$(home_of "$ALICE")" "$PRIVATE" "$CLUSTER_STATE_DIR/spool" "$CLUSTER_STATE_DIR/log"
	assert_equal "$output" "$file"
	run in_arguments "$line"
	assert_equal "$output" ""
	run grep -lsF -- "$line" /proc/[0-9]*/environ
	assert_equal "$output" ""
}

# knock USER SCHEME CURL_ARGUMENTS...: at the session's own port, as that user on the login host; prints
# the HTTP status, 000 without an answer.
knock() {
	as_user "$1" curl -sS --noproxy '*' --max-time 20 -o /dev/null -w '%{http_code}' "${@:3}" \
		"$2://$ENDPOINT/user/$ALICE/api"
}

# refused SCHEME CURL_ARGUMENTS...: alice herself gets no answer there, but the connection's end.
# With TLS 1.3 curl sees the alert, or the end while it still writes.
refused() {
	local curl=0 http
	http=$(knock "$ALICE" "$@") || curl=$?
	echo "curl's exit status $curl, HTTP status $http"
	[[ $http == 000 && $curl =~ ^(35|52|55|56)$ ]]
}

@test "a spawned server: its owner reaches it through the proxy, nobody does without a key" {
	need_hub "${SSL[@]}"
	local server
	hub_spawn "$ALICE" '{"nodes": 2}'
	hub_spawned "$ALICE"
	server=$(server_pid_of_hub "$JOB")
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/api/status")" 200
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/lab")" 200
	assert_equal "$(hub_visit "$BOB" "/user/$ALICE/api/status")" 403
	private_files "$server"
	key_is_hidden "$server"
	only_below "$server" JUPYTERHUB_API_TOKEN
	# It is the certificate of its node, and the hub's proxy looks at that.
	ENDPOINT=$(session_get "$JOB" '"%s:%d" % (r["endpoint"]["ip"], r["endpoint"]["port"])')
	run openssl x509 -noout -ext subjectAltName -in "$PRIVATE/hub-cert.pem"
	assert_has "IP Address:${ENDPOINT%:*}"
	# As the proxy does it; without a key, with TLS and without; with a key that the hub's authority
	# has not signed.
	local proxy=$CLUSTER_STATE_DIR/hub/internal-ssl/proxy-client home
	home=$(home_of "$ALICE")
	assert_equal "$(knock root https --cacert "${proxy}-ca_trust.crt" \
		--cert "$proxy/proxy-client.crt" --key "$proxy/proxy-client.key")" 200
	refused https --insecure
	refused http
	run openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=hub -keyout "$home/other.key" \
		-out "$home/other.crt"
	assert_status 0
	chown "$ALICE:" "$home"/other.*
	refused https --insecure --cert other.crt --key other.key
	# A server that is started again has the same keys.
	kill -KILL "$server"
	wait_until 60 grep -q 'registered with the hub again' "$(session_dir "$JOB")/session.log"
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/api/status")" 200
	# And the hub, too.
	hub_stop
	hub_start "${SSL[@]}"
	wait_until 60 hub_server_is "$ALICE" "" ready
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/api/status")" 200
	hub_api DELETE "/users/$ALICE/server"
	hub_stopped "$JOB"
	[[ ! -e $PRIVATE ]] || fail "$PRIVATE is left"
}

@test "a user's own job is adopted with keys as well" {
	need_hub "${SSL[@]}"
	JOB=$(adopted)
	wait_serving "$JOB"
	wait_until 60 hub_server_is "$ALICE" "job-$JOB" ready
	assert_equal "$(hub_visit "$ALICE" "/user/$ALICE/job-$JOB/lab")" 200
	assert_equal "$(hub_visit "$BOB" "/user/$ALICE/job-$JOB/lab")" 403
	private_files "$(server_pid_of_hub "$JOB")"
	hub_api DELETE "/users/$ALICE/servers/job-$JOB"
	wait_until 60 session_is "$JOB" ended
	wait_until 30 no_leftover "$PRIVATE"
}

no_leftover() { [[ ! -e $1 ]]; }

@test "without c.SpankHub.api_url a spawn is refused, and the setting is named" {
	local config=$BATS_TEST_TMPDIR/config.py
	echo 'c.SpankHub.api_url = ""' >"$config"
	hub_up "${SSL[@]}" CLUSTER_HUB_CONFIG="$config"
	run hub_spawn "$ALICE"
	[[ $status -ne 0 ]]
	assert_has "c.SpankHub.api_url"
}
