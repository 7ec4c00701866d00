#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# --jupyter-workers=mpi: engines that share one MPI_COMM_WORLD across the nodes.

load lib/common
load lib/session
load lib/workers

setup() {
	need_lab
	need_nodes 4
	jobs_cancel
}

teardown() {
	jobs_cancel
	nothing_left
}

@test "an allreduce over eight ranks on four nodes gives the right sum in a notebook" {
	local job
	job=$(submit -N4 --jupyter=lab --jupyter-workers=mpi:2 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 120 session_is "$job" ready
	workers_are "$job" mpi 8 8
	run client "$job" exec "$(
		cat <<-'END'
			import ipyparallel
			def reduce():
			    import socket
			    from mpi4py import MPI
			    world = MPI.COMM_WORLD
			    return world.allreduce(world.rank ** 2), world.rank, world.size, socket.gethostname()
			view = ipyparallel.Client()[:]
			results = view.apply_sync(reduce)
			print({r[0] for r in results}, sorted(r[1] for r in results), {r[2] for r in results}, sorted({r[3] for r in results}))
		END
	)"
	assert_status 0
	assert_has "{140} [0, 1, 2, 3, 4, 5, 6, 7] {8} ['n1', 'n2', 'n3', 'n4']"
}

@test "a rank that is killed is told" {
	local job
	job=$(submit -N2 --jupyter=lab --jupyter-workers=mpi:1 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 120 session_is "$job" ready
	kill -9 "$(worker_pid "$job" mpi 1 0)"
	wait_until 60 session_is "$job" degraded
	run session_curl "$job" /api/status
	assert_status 0
}

@test "ranks have their own node's --jupyter-init, which is sourced once on each" {
	local job init
	init=$(home_of "$ALICE")/where-init
	as_alice tee "$init" >/dev/null <<-'END2'
		export WHERE=$(hostname)
		unset ONLY_BEFORE
		echo "$WHERE" >>~/where-sourced
	END2
	as_alice rm -f "$(home_of "$ALICE")/where-sourced"
	job=$(submit -N3 --jupyter=lab --jupyter-workers=mpi:2 --jupyter-init="$init" \
		--export=ALL,ONLY_BEFORE=1 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 120 session_is "$job" ready
	run client "$job" exec "$(
		cat <<-'END2'
			import ipyparallel
			def where():
			    import os, socket
			    return socket.gethostname() == os.environ["WHERE"], "ONLY_BEFORE" in os.environ
			print(set(ipyparallel.Client()[:].apply_sync(where)))
		END2
	)"
	assert_has "{(True, False)}"
	assert_equal "$(as_alice sort where-sourced)" $'n1\nn2\nn3'
}
