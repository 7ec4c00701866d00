#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 100 sessions call a real JupyterHub at once, which is killed and started again in the middle: none
# is lost.  The small form of t/bench/callback.sh.  Run by t/run, as root.

bats_require_minimum_version 1.5.0
load lib/common
load lib/session
load lib/hub
load lib/hub-load

setup() {
	hub_need
}

teardown_file() {
	hub_down
}

# wave FILE NAME EXPRESSION: Python's, of the wave's result r.
wave() {
	/usr/bin/python3 -c "import json, sys
r = next(r for r in map(json.loads, open(sys.argv[1])) if r.get('wave') == sys.argv[2])
print($3)" "$1" "$2"
}

@test "100 callbacks at once are accepted, none is lost when the hub is killed in the middle" {
	local results=$BATS_TEST_TMPDIR/results name
	load_hub_up
	load_run 100 environment environment+restart serving+restart >"$results"
	cat "$results"
	for name in environment environment+restart serving+restart; do
		assert_equal "$(wave "$results" $name '(r["answered"], r["failures"])')" "(100, [])"
	done
	# Each has got a token of its own, which is the user's: callbacks.py has asked the hub.
	assert_equal "$(wave "$results" environment 'r["tokens"]')" 100
	assert_equal "$(wave "$results" environment+restart 'r["tokens"]')" 100
	# The restart was felt, or it was none.
	assert_equal "$(wave "$results" serving+restart 'len(r["problems"]) > 0')" True
	assert_equal "$(tail -n 1 "$results")" '{"count": 100, "ready": 100}'
}
