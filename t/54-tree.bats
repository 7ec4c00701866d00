#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A session whose agents are a tree: with star_max = 2 on the cluster's N nodes the agents
# of every K-th node, K the square root of N, are branches, through which those behind
# them join.  Branches that are killed or cut off are lost alone.

load lib/common
load lib/session
load lib/workers

setup() {
	need_lab
	need_nodes 4
	jobs_cancel
	SPAN=2
	while ((SPAN * SPAN < NODES)); do SPAN=$((SPAN + 1)); done
	# The first branch, and the first agent behind it.
	BRANCH=n$((SPAN + 1))
	BEHIND=n$((SPAN + 2))
}

teardown() {
	config_restore
	"$CLUSTER" link "$BRANCH" up
	jobs_cancel
	nothing_left
}

# tree_submit: a session on all nodes as a tree, with one worker on each, that is ready.
tree_submit() {
	PROGRAMS=$BATS_TEST_TMPDIR/programs
	mkdir -p "$PROGRAMS"
	chmod 0755 "$BATS_RUN_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$PROGRAMS"
	cat >"$PROGRAMS/worker" <<-'END'
		#!/bin/bash
		echo ready >&"$SPANK_JUPYTER_FD"
		read -r _ <&"$SPANK_JUPYTER_FD"
	END
	chmod 0755 "$PROGRAMS/worker"
	config_write <<-END
		[site]
		star_max = 2
		ports = 40000-40999
		[workers good]
		worker = $PROGRAMS/worker
		resize = yes
	END
	JOB=$(submit -N"$NODES" --jupyter=lab --jupyter-workers="${1:-good:1}" --wrap 'sjupyter wait')
	wait_serving "$JOB"
	wait_until 120 session_is "$JOB" ready
}

# log_has WORDS: the session's log.
log_has() {
	as_alice sjupyter log "$JOB" | grep -F -- "$1"
}

# peers_of NODE: addresses that its agent has connected to, or that are connected to it.
peers_of() {
	local pid
	pid=$(agent_pid "$1" "$JOB")
	nsenter -t "$pid" -n ss -Htnp state established | grep "pid=$pid," | awk '{ sub(/:[0-9]+$/, "", $4); print $4 }' | sort
}

# ip_of NODE: of the way to the other nodes.
ip_of() {
	nsenter -t "$(agent_pid "$1" "$JOB")" -n ip -4 -o addr show scope global |
		awk '{ sub(/\/.*/, "", $4); print $4; exit }'
}

# joined_at NODE PARENT_IP: the agent has that one connection.
joined_at() {
	local peers
	peers=$(peers_of "$1")
	echo "$1 is connected to: $peers"
	[[ $peers == "$2" ]]
}

# came_back FAILED: all agents are there but that node's, and none other was ever lost; the
# head reaches them, and they it.
came_back() {
	wait_until 20 workers_are "$JOB" good $((NODES - 1)) "$NODES"
	assert_equal "$(missing "$JOB" good)" "$1.0"
	session_is "$JOB" degraded
	run as_alice timeout -k 5 60 sjupyter workers "$JOB" good=2
	wait_until 60 workers_are "$JOB" good $((2 * (NODES - 1))) $((2 * NODES))
	run log_has " head: node "
	assert_has "node $1 is lost"
	[[ ${#lines[@]} -eq 1 ]]
}

@test "agents join through branches, at the site's ports, and workers get all they need" {
	tree_submit dask:1,good:1
	workers_are "$JOB" dask "$NODES" "$NODES"
	log_has "$BRANCH is a branch"
	joined_at "$BEHIND" "$(ip_of "$BRANCH")"
	joined_at n2 "$(ip_of n1)"
	run peers_of "$BRANCH"
	assert_has "$(ip_of n1)"
	assert_has "$(ip_of "$BEHIND")"
	local port
	port=$(nsenter -t "$(agent_pid "$BRANCH" "$JOB")" -n ss -Hltnp | grep "pid=$(agent_pid "$BRANCH" "$JOB")," | awk '{ sub(/.*:/, "", $4); print $4 }')
	((port >= 40000 && port <= 40999))
	run as_alice timeout -k 5 60 sjupyter workers "$JOB" good=3
	assert_status 0
	wait_until 60 workers_are "$JOB" good $((3 * NODES)) $((3 * NODES))
	run as_alice timeout -k 5 60 sjupyter stop "$JOB"
	assert_status 0
}

@test "a branch that is killed is lost alone: its agents come another way" {
	tree_submit
	joined_at "$BEHIND" "$(ip_of "$BRANCH")"
	kill -9 "$(agent_pid "$BRANCH" "$JOB")"
	wait_until 30 session_is "$JOB" degraded
	came_back "$BRANCH"
	if ((NODES == 4)); then
		joined_at "$BEHIND" "$(ip_of n1)"
	fi
}

@test "a branch whose link is cut is lost alone" {
	tree_submit
	"$CLUSTER" link "$BRANCH" down
	wait_until 120 session_is "$JOB" degraded
	came_back "$BRANCH"
}

@test "an agent behind a branch that is killed is named, and its branch goes on" {
	tree_submit
	kill -9 "$(agent_pid "$BEHIND" "$JOB")"
	wait_until 30 session_is "$JOB" degraded
	came_back "$BEHIND"
	run job_log_has "$JOB" "node $BEHIND is lost"
	assert_has "its connection was closed"
}
