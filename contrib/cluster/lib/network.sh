# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A network namespace for each node, and one with the bridge that joins them to
# each other and, by the veth pair sjbrI, to the login host.  Sourced by
# contrib/cluster/cluster (root).
#
# The bridge is not in the root namespace because packet filters there, such as
# those that Docker installs, may apply to what a bridge forwards.

# Tries it: what is not allowed depends on capabilities, kernel and container.
network_possible() {
	local ok=1
	[[ -e /run/netns ]] || touch "$BASE/made-run-netns"
	if switch_create 2>/dev/null; then
		ok=0
	fi
	NODES=0 NETNS=1 network_remove
	return "$ok"
}

switch_create() {
	ip netns add "$SWITCH" &&
		ip -n "$SWITCH" link add bridge type bridge &&
		ip -n "$SWITCH" link set bridge up &&
		ip link add "$UPLINK" type veth peer name login netns "$SWITCH" &&
		ip -n "$SWITCH" link set login master bridge up
}

network_create() {
	local k name
	if [[ ! -e /sys/class/net/$UPLINK ]]; then
		[[ -z $(ip -4 route show root "$SUBNET.0/24") ]] ||
			die "addresses $SUBNET.0/24 are in use on this machine; try another CLUSTER_INSTANCE"
		switch_create
		ip address add "$SUBNET.1/24" dev "$UPLINK"
	fi
	ip link set "$UPLINK" up
	for ((k = 1; k <= NODES; k++)); do
		name=sj$INSTANCE-n$k
		if [[ ! -e /run/netns/$name ]]; then
			ip netns add "$name"
			ip -n "$SWITCH" link add "n$k" type veth peer name eth0 netns "$name"
			ip -n "$name" link set lo up
			ip -n "$name" address add "$(host_address "n$k")/24" dev eth0
			ip -n "$name" link set eth0 up
		fi
		ip -n "$SWITCH" link set "n$k" master bridge up
	done
}

network_remove() {
	local k
	[[ $NETNS -eq 1 ]] || return 0
	# A namespace is taken apart in the background; what has an end in the root
	# namespace goes at once.
	ip link del "$UPLINK" 2>/dev/null || true
	for ((k = 1; k <= NODES; k++)); do
		ip netns del "sj$INSTANCE-n$k" 2>/dev/null || true
	done
	ip netns del "$SWITCH" 2>/dev/null || true
}
