# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Many sessions that call a real JupyterHub at once, which may be killed and started again in the
# middle.  Sourced, as root, by t/bench/callback.sh and t/61-hub-load.bats, which set CLUSTER,
# CLUSTER_INSTANCE, TOP and PREFIX.  See t/bench/callback/callbacks.py for the sessions.

LOAD_STATE=/run/spank-jupyter-cluster/$CLUSTER_INSTANCE
LOAD_PROGRAM=$TOP/t/bench/callback/callbacks.py

# load_hub_up: a hub with nothing in it, whose jobs are none.
load_hub_up() {
	"$CLUSTER" hub down
	CLUSTER_HUB_CONFIG=$TOP/t/bench/callback/hub_config.py "$CLUSTER" hub up
	load_addresses
}

load_addresses() {
	local ip
	ip=$("$CLUSTER" run -- getent ahostsv4 login | awk 'NR == 1 { print $1 }')
	LOAD_API=http://$ip:$((8002 + CLUSTER_INSTANCE * 10))/hub/api
}

# At once, as by a crash: nothing is said to anybody.  JupyterHub may take longer to read a thousand
# servers from its database than `cluster hub` waits for it; the sessions do wait.
load_hub_restart() { # FD of the callers
	kill -KILL "$(<"$LOAD_STATE/pid/jupyterhub")"
	echo killed >&"$1"
	CLUSTER_HUB_CONFIG=$TOP/t/bench/callback/hub_config.py "$CLUSTER" hub up >&2 || true
}

load_as_root() {
	"$CLUSTER" run -- "$LOAD_PROGRAM" "$1" "$LOAD_API" "$2" <"$LOAD_STATE/hub/api-token"
}

# load_run COUNT WAVE...: prints a line of JSON for each wave, and one for what the hub has then.
load_run() {
	local count=$1 user=sjalice${CLUSTER_INSTANCE#0} directory line ip uid caller out
	shift
	load_as_root spawn "$count"
	ip=$("$CLUSTER" run -n n1 -- getent ahostsv4 n1 | awk 'NR == 1 { print $1 }')
	uid=$(id -u "sjhub${CLUSTER_INSTANCE#0}")
	directory=$(getent passwd "$user" | cut -d: -f6)/.hub-load
	install -d -o "$user" "$directory"
	install -m 0755 "$LOAD_PROGRAM" "$directory/callbacks.py"
	coproc LOAD {
		exec "$CLUSTER" run -u "$user" -n n1 -- "$directory/callbacks.py" call \
			"$PREFIX/bin/jupyter-hub-callback" "$LOAD_API" "$uid" "$ip" "$@"
	}
	# shellcheck disable=SC2153
	caller=$LOAD_PID out=${LOAD[0]}
	{
		cat "$LOAD_STATE/hub/load-spawns"
		echo
	} >&"${LOAD[1]}"
	while read -r -u "$out" line; do
		case $line in
		half) load_hub_restart "${LOAD[1]}" ;;
		done) break ;;
		*) echo "$line" ;;
		esac
	done
	load_as_root ready "$count"
	eval "exec ${LOAD[1]}>&-"
	rm -rf "$directory"
	wait "$caller"
}
