# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# What the bats files about the hub share, on top of common.bash: a JupyterHub that may have to be installed,
# started on the cluster's login host, and asked as its users and its administrator do.  Loaded in bats'
# processes, as root.

export CLUSTER_HUB_VENV=${CLUSTER_HUB_VENV:-/opt/spank-jupyter/hub}
export CLUSTER_HUB_PROXY=${CLUSTER_HUB_PROXY:-/opt/spank-jupyter/configurable-http-proxy}
PLAYWRIGHT=${SPANK_JUPYTER_PLAYWRIGHT:-/opt/spank-jupyter/playwright}
# shellcheck source=contrib/lib/install.sh
source "$TOP/contrib/lib/install.sh"

# need_hub: skips the file where JupyterHub or its proxy can be had from nowhere.
need_hub() {
	[[ $STACK == pypi ]] || skip "needs JupyterHub from PyPI, which cannot be reached"
	need_nodes 2
	need_packages "${HUB_PACKAGES[@]}"
	need_venv "$CLUSTER_HUB_VENV" "$TOP/contrib/requirements-hub.txt" || skip "no JupyterHub from PyPI"
	need_proxy "$CLUSTER_HUB_PROXY" || skip "no configurable-http-proxy from npm"
}

# hub_up [NAME=VALUE...]: a hub with nothing in it, by these settings of `cluster hub`; sets HUB_URL, the
# proxy's, and HUB_API.
hub_up() {
	local ip
	"$CLUSTER" hub down
	env "$@" "$CLUSTER" hub up
	hub_addresses
}

hub_addresses() {
	local ip
	ip=$("$CLUSTER" run -- getent ahostsv4 login | awk 'NR == 1 { print $1 }')
	HUB_URL=http://$ip:$((8000 + CLUSTER_INSTANCE * 10))
	HUB_API=http://$ip:$((8002 + CLUSTER_INSTANCE * 10))/hub/api
}

# hub_api METHOD PATH [CURL_ARGUMENTS...]: with the rights of the tests' service.
hub_api() {
	"$CLUSTER" run -- curl -sS --noproxy '*' --max-time 60 -K - -X "$1" "${@:3}" "$HUB_API$2" \
		<<<"header = \"Authorization: token $(<"$CLUSTER_STATE_DIR/hub/api-token")\""
}

# hub_server USER NAME EXPRESSION: Python's, of the model s of a user's server ('' is the unnamed one); none
# where the hub has no such server.
hub_server() {
	hub_api GET "/users/$1" | /usr/bin/python3 -c "import json, sys
s = json.load(sys.stdin)['servers'].get('$2')
print($3 if s else 'none')"
}

hub_server_is() {
	local value
	value=$(hub_server "$1" "$2" "$3")
	echo "the hub's server '$2' of $1: $3 is $value"
	[[ $value == "$4" ]]
}

# For teardown_file.
hub_down() {
	"$CLUSTER" hub down
}
