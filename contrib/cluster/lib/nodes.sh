# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153
#
# What slurmctld says of the nodes and of the Jupyter sessions on them.
# Sourced by contrib/cluster/cluster (root).

GOOD_STATE='^(idle|mixed|allocated|completing|planned|reserved)-?$'

# A line per node: its name and state.
nodes_print() { host_command login sinfo -h -N -o '%N %T'; }

# A line per Jupyter session: step, user and nodes.
sessions_print() {
	host_command login squeue -h --steps -o '%i %j %u %N' |
		awk '$2 == "jupyter" { print "session", $1, $3, $4 }'
}

nodes_ready() {
	local node state good=0
	while read -r node state; do
		[[ ! $state =~ $GOOD_STATE ]] || good=$((good + 1))
	done < <(nodes_print 2>/dev/null)
	[[ $good -eq $NODES ]]
}

# Waits for all nodes, and resumes those that an earlier fault took out.
nodes_wait() {
	local node state
	while read -r node state; do
		[[ ! $state =~ ^(down|drain) ]] ||
			host_command login scontrol update "nodename=$node" state=resume 2>/dev/null || true
	done < <(nodes_print)
	until_true nodes_ready && return
	while read -r node state; do
		[[ ! $state =~ $GOOD_STATE ]] || continue
		echo "cluster: node $node is $state; the end of its log:" >&2
		tail -n 10 "$STATE/log/slurmd-$node.log" >&2 || true
	done < <(nodes_print)
	exit 1
}
