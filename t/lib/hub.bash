# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# What the bats files about JupyterHub share, on top of session.bash: a real hub on the
# cluster's login host, its REST interface, and what of a hub's secrets is to be found where.
# Loaded in bats' processes, as root.

# shellcheck source=contrib/lib/install.sh
source "$TOP/contrib/lib/install.sh"

export CLUSTER_HUB_VENV=${CLUSTER_HUB_VENV:-/opt/spank-jupyter/hub}
export CLUSTER_HUB_PROXY=${CLUSTER_HUB_PROXY:-/opt/spank-jupyter/configurable-http-proxy}
HUB_USER=sjhub${CLUSTER_INSTANCE#0}
HUB_URL=http://10.77.$CLUSTER_INSTANCE.1:$((8000 + CLUSTER_INSTANCE * 10))

# hub_need [RELEASE]: JupyterHub, its proxy and sudo are installed, or the test is skipped.  Of an
# older release CLUSTER_HUB_VENV is then the venv.
hub_need() {
	need_lab
	need_nodes 2
	[[ ! ${1-} ]] || CLUSTER_HUB_VENV=$(dirname "$CLUSTER_HUB_VENV")/hub-$1
	if [[ ! -x $CLUSTER_HUB_VENV/bin/jupyterhub ]]; then
		need_venv "$CLUSTER_HUB_VENV" "$TOP/contrib/requirements-hub${1:+-$1}.txt" >&2 ||
			skip "JupyterHub cannot be installed"
	fi
	if [[ ! -e $CLUSTER_HUB_PROXY/node_modules/configurable-http-proxy ]]; then
		need_proxy "$CLUSTER_HUB_PROXY" >&2 || skip "configurable-http-proxy cannot be installed"
	fi
	need_packages "${HUB_PACKAGES[@]}" nodejs >&2 || skip "sudo or nodejs cannot be installed"
}

# hub_up [SETTING...]: a new one.
hub_up() {
	"$CLUSTER" hub down && env "$@" "$CLUSTER" hub up
}

hub_down() { "$CLUSTER" hub down; }

# hub_stop and hub_start [SETTING...]: the same hub, with its database.
hub_stop() { "$CLUSTER" hub stop; }

hub_start() { env "$@" "$CLUSTER" hub up; }

# hub_settings [LINE...]: the site's, until config_restore.
hub_settings() {
	{
		echo "[site]"
		printf '%s\n' "$@"
	} | config_write
}

# secret_curl TOKEN ARGUMENTS...: as root on the login host; the token is no argument.
secret_curl() {
	"$CLUSTER" run -- curl -sS --noproxy '*' --max-time 60 -K - "${@:2}" \
		<<<"header = \"Authorization: token $1\""
}

# hub_api METHOD PATH [CURL_ARGUMENTS...]: as the hub's service for tests.
hub_api() {
	secret_curl "$(<"$CLUSTER_STATE_DIR/hub/api-token")" --fail-with-body -X "$1" \
		"${@:3}" "$HUB_URL/hub/api$2"
}

# hub_server USER NAME EXPRESSION: Python's, of the server s as the hub has it; "none".
hub_server() {
	hub_api GET "/users/$1" | /usr/bin/python3 -c "
import json, sys
s = json.load(sys.stdin)['servers'].get(sys.argv[1])
print('none' if s is None else $3)" "$2"
}

# hub_server_is USER NAME ready|pending|none
hub_server_is() {
	local is
	is=$(hub_server "$1" "$2" "'ready' if s['ready'] else 'pending' if s['pending'] else 'stopped'")
	echo "server '$2' of $1 is $is"
	[[ $is == "$3" ]]
}

# hub_spawn USER [OPTIONS]: asks for the user's server; options are JSON.
hub_spawn() {
	hub_api POST "/users/$1/server" --data "${2:-{\}}"
}

# hub_job USER: the id of his job.
hub_job() {
	"$CLUSTER" run -- squeue -h -u "$1" -o %A | head -n 1 | grep .
}

# hub_token USER OWNER: a new token of the user's, for servers of the owner.
hub_token() {
	hub_api POST "/users/$1/tokens" --data "{\"scopes\": [\"access:servers!user=$2\"], \"expires_in\": 600}" |
		/usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])'
}

# hub_visit USER PATH: the HTTP status that the user gets there, through the proxy.
hub_visit() {
	local token
	token=$(hub_token "$1" "$1") &&
		secret_curl "$token" -o /dev/null -w '%{http_code}' "$HUB_URL$2"
}

# hub_state JOB: what the session's record says of its hub.
hub_state() {
	session_get "$1" 'r["hub"]["state"]'
}

hub_state_is() {
	local state
	state=$(hub_state "$1")
	echo "session of job $1 is $state in the hub"
	[[ $state =~ ^($2)$ ]]
}

# hub_spawned USER: his server answers, and the session knows that the hub knows.
hub_spawned() {
	wait_until 120 hub_server_is "$1" "${2-}" ready
	JOB=$(hub_job "$1")
	wait_until 30 hub_state_is "$JOB" registered
}

# hub_stopped JOB: nothing of it is left anywhere.
hub_stopped() {
	wait_until 60 job_has_ended "$1"
	nothing_left
}

# variable_of PID NAME
variable_of() {
	tr '\0' '\n' <"/proc/$1/environ" | sed -n "s/^$2=//p"
}

# has_variable PID NAME_PATTERN: it had when it began.
has_variable() {
	tr '\0' '\n' 2>/dev/null <"/proc/$1/environ" | grep -qE "^($2)="
}

# program_of PID
program_of() {
	tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | sed -n '1{s,.*/,,;p}'
}

# processes_with NAME_PATTERN: "PROGRAM" of each of alice's with such a variable.
processes_with() {
	local pid
	for pid in $(pgrep -u "$ALICE"); do
		if has_variable "$pid" "$1"; then
			program_of "$pid"
		fi
	done | sort -u
}

# only_below PID NAME_PATTERN: this process of alice's has such a variable, and no other of hers
# but what it has started, as JupyterLab starts R and npm to ask them for language servers.
# The parents are those of one look at all processes, any of which may end meanwhile.
only_below() {
	local pid parent uid her_uid ancestor others=()
	local -A parents=() hers=()
	her_uid=$(id -u "$ALICE")
	while read -r pid parent uid; do
		parents[$pid]=$parent
		[[ $uid != "$her_uid" ]] || hers[$pid]=1
	done < <(ps -e -o pid=,ppid=,euid=)
	has_variable "$1" "$2" || fail "process $1 has no $2" || return
	for pid in "${!hers[@]}"; do
		has_variable "$pid" "$2" || continue
		ancestor=$pid
		while [[ $ancestor && $ancestor != "$1" ]]; do
			ancestor=${parents[$ancestor]-}
		done
		[[ $ancestor ]] || others+=("$pid $(program_of "$pid")")
	done
	[[ ${#others[@]} -eq 0 ]] || fail "have $2 and are not below process $1: ${others[*]}"
}

# in_arguments TEXT: processes of anybody's that show it.
in_arguments() {
	grep -lsF -f <(printf '%s\n' "$1") /proc/[0-9]*/cmdline
}

# misbehaving_hub: one on the login host, whose URL is left in BAD_HUB; it ends with
# misbehaving_end.
misbehaving_hub() {
	local line
	BAD_HUB_DIR=$(mktemp -d)
	mkfifo "$BAD_HUB_DIR/stdin"
	"$CLUSTER" run -- /usr/bin/python3 "$TOP/t/lib/misbehaving_hub.py" "$BAD_HUB_DIR/log" \
		--host="10.77.$CLUSTER_INSTANCE.1" <"$BAD_HUB_DIR/stdin" >"$BAD_HUB_DIR/stdout" 3>&- &
	exec {BAD_HUB_FD}>"$BAD_HUB_DIR/stdin"
	wait_until 20 grep -q '^port ' "$BAD_HUB_DIR/stdout"
	read -r _ line <"$BAD_HUB_DIR/stdout"
	BAD_HUB=http://10.77.$CLUSTER_INSTANCE.1:$line
}

misbehaving_end() {
	if [[ ${BAD_HUB_DIR-} ]]; then
		exec {BAD_HUB_FD}>&-
		rm -rf "$BAD_HUB_DIR"
		BAD_HUB_DIR=
	fi
}

# The hub of the file's tests, started by the first that needs it.
need_hub() {
	if [[ $(cat "$CLUSTER_STATE_DIR/hub/kind" 2>/dev/null) != "$*" ]]; then
		hub_up "$@"
		echo "$*" >"$CLUSTER_STATE_DIR/hub/kind"
	else
		hub_start "$@"
	fi
}

# The server is no child of the head's that was there first: that is the hub's callback.
server_pid_of_hub() {
	pgrep -f -P "$(session_get "$1" 'r["head"]["pid"]')" jupyterhub-singleuser
}

# adopted SBATCH_ARGUMENTS...: a job of alice's own that the hub is asked to take.
adopted() {
	submit --jupyter=lab --jupyter-hub="$HUB_URL" "$@" --wrap 'sleep 600'
}
