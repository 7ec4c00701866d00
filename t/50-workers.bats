#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Workers on every node: a notebook's clients are connected to all of them with no
# arguments, in two kinds at once, and their number changes while the session runs.

load lib/common
load lib/session
load lib/workers

setup_file() {
	need_lab
	jobs_cancel
	# Memory of the job's own, or a worker's share of it would not depend on how many there are.
	JOB=$(submit -N4 --mem=3000 --jupyter=lab --jupyter-workers=dask:2,ipyparallel:2 --wrap 'sjupyter wait')
	export JOB
	wait_serving "$JOB"
}

teardown_file() {
	jobs_cancel
	nothing_left
}

setup() {
	need_lab
	need_nodes 4
}

@test "the session is ready once all workers of both kinds have registered" {
	wait_until 120 session_is "$JOB" ready
	run session_get "$JOB" 'sorted((w["kind"], w["state"], w["ready"], w["expected"]) for w in r["workers"])'
	assert_equal "$output" "[('dask', 'ready', 8, 8), ('ipyparallel', 'ready', 8, 8)]"
	run session_get "$JOB" '[(n["name"], n["ready"]) for w in r["workers"] for n in w["nodes"]] == [("n%d" % k, 2) for k in (1, 2, 3, 4)] * 2'
	assert_equal "$output" True
}

@test "sjupyter status shows them, and sjupyter wait --ready returns" {
	run as_alice sjupyter status "$JOB"
	assert_status 0
	assert_has "dask: 8 of 8, ready"
	run as_alice timeout -k 5 60 sjupyter wait --ready "$JOB"
	assert_status 0
}

@test "a notebook makes both clients without arguments and uses all sixteen workers on four hosts" {
	run client "$JOB" exec "$(
		cat <<-'END'
			import socket, ipyparallel, dask.distributed
			engines, workers = ipyparallel.Client(), dask.distributed.Client()
			view = engines[:]
			print(len(engines.ids), len(workers.scheduler_info(n_workers=-1)["workers"]))
			print(sorted(view.apply_sync(socket.gethostname)))
			print(sorted(workers.run(socket.gethostname).values()))
			print(sum(view.map_sync(lambda x: x * x, range(1000))),
				workers.submit(sum, workers.map(lambda x: x * x, range(1000))).result())
			print(sum(engines.load_balanced_view().map_sync(lambda x: x * x, range(100))))
		END
	)"
	assert_status 0
	assert_has "8 8"
	local hosts="['n1', 'n1', 'n2', 'n2', 'n3', 'n3', 'n4', 'n4']"
	assert_has "$hosts"$'\n'"$hosts"
	assert_has "332833500 332833500"
	assert_has 328350
}

@test "a script of the job finds them too" {
	run as_alice sjupyter env "$JOB"
	assert_has "DASK_SCHEDULER_ADDRESS="
	run as_alice timeout -k 5 60 srun --overlap --jobid "$JOB" -N1 -n1 -w n1 bash -c \
		'eval "$(sjupyter env)" && "$0" -c "import dask.distributed as d; print(len(d.Client().scheduler_info(n_workers=-1)[\"workers\"]))"' \
		"$PYTHON"
	assert_status 0
	assert_has 8
}

@test "another user reaches neither kind" {
	local address
	address=$(as_alice sjupyter env "$JOB" | sed -n "s/.*DASK_SCHEDULER_ADDRESS='*tls:\/\/\([^']*\).*/\1/p")
	[[ $address == *:* ]]
	run as_bob timeout -k 5 60 "$PYTHON" -c "
import asyncio, distributed
async def main():
    for scheme in 'tcp', 'tls':
        try:
            await asyncio.wait_for(distributed.Client('%s://$address' % scheme, timeout=5, asynchronous=True), 20)
        except Exception as error:
            print('refused', scheme)
        else:
            print('joined', scheme)
asyncio.run(main())"
	assert_has "refused tcp"
	assert_has "refused tls"
	assert_has_not joined
	run as_bob ls "$(session_get "$JOB" 'r["head"]["runtime_dir"]')"
	[[ $status -ne 0 ]]
	# The directory is the user's alone, and so is each file with a key in it.
	run bash -c 'grep -rlE "PRIVATE KEY|curve_secretkey|\"key\":" "$1" | xargs stat -c "%a %n" | grep -v "^600 "' \
		bash "$(session_get "$JOB" 'r["head"]["runtime_dir"]')"
	assert_equal "$output" ""
}

@test "workers are bound to their share and told who they are" {
	run client "$JOB" exec "$(
		cat <<-'END'
			import os, ipyparallel
			view = ipyparallel.Client()[:]
			print(sorted(view.apply_sync(os.getenv, "SPANK_JUPYTER_WORKER")))
		END
	)"
	assert_has "['0.0', '0.1', '1.0', '1.1', '2.0', '2.1', '3.0', '3.1']"
}

@test "a worker that is killed is started again and the session is ready again" {
	local pid
	pid=$(worker_pid "$JOB" dask 2 1)
	kill -9 "$pid"
	wait_until 60 session_is "$JOB" 'ready'
	wait_until 60 worker_is_another "$JOB" dask 2 1 "$pid"
	wait_until 60 workers_are "$JOB" dask 8 8
	wait_until 30 session_is "$JOB" ready
	grep -F "signal 9" "$(session_dir "$JOB")/session.log"
}

# dask_limits JOB: what memory each of the Dask workers may use, in thirds of a MiB, each once.
dask_limits() {
	client "$1" exec 'import dask.distributed
print("limits", *sorted({round(3 * w["memory_limit"] / 2**20) for w in dask.distributed.Client().scheduler_info(n_workers=-1)["workers"].values()}))'
}

@test "sjupyter workers grows a kind" {
	run dask_limits "$JOB"
	assert_equal "$output" "limits 4500"
	run as_alice timeout -k 5 60 sjupyter workers "$JOB" dask=3
	assert_status 0
	assert_has "12"
	wait_until 60 workers_are "$JOB" dask 12 12
	wait_until 30 session_is "$JOB" ready
	# Those that were there have given up a part of their memory.
	run dask_limits "$JOB"
	assert_equal "$output" "limits 3000"
}

@test "sjupyter workers shrinks a kind, and tasks that run finish first" {
	local out
	out=$(home_of "$ALICE")/shrink
	as_alice rm -f "$out.begun"
	client "$JOB" exec "$(
		cat <<-END
			import time, dask.distributed
			def slow(x):
			    time.sleep(8)
			    return x
			tasks = (client := dask.distributed.Client()).map(slow, range(12))
			while sum(map(len, client.processing().values())) < 12:
			    time.sleep(0.05)
			open("$out.begun", "w").close()
			print("sum", sum(client.gather(tasks)))
		END
	)" >"$BATS_TEST_TMPDIR/shrink" 3>&- &
	wait_until 60 test -e "$out.begun"
	run as_alice timeout -k 5 60 sjupyter workers "$JOB" dask=1
	assert_status 0
	wait "$!"
	grep -x "sum 66" "$BATS_TEST_TMPDIR/shrink"
	wait_until 60 workers_are "$JOB" dask 4 4
	run as_alice timeout -k 5 60 sjupyter workers "$JOB" ipyparallel=1
	assert_status 0
	wait_until 60 workers_are "$JOB" ipyparallel 4 4
	run client "$JOB" exec 'import ipyparallel; print("engines", len(ipyparallel.Client().ids))'
	assert_has "engines 4"
}

@test "sjupyter workers refuses what cannot be" {
	run as_alice timeout -k 5 60 sjupyter workers "$JOB" nothing=1
	assert_status 1
	assert_has nothing
	for wrong in dask=-1 dask=99999 dask= dask; do
		run as_alice timeout -k 5 60 sjupyter workers "$JOB" "$wrong"
		[[ $status -eq 1 || $status -eq 2 ]] || fail "$wrong: $status $output"
	done
	run as_alice timeout -k 5 60 sjupyter workers 99999 dask=1
	assert_status 3
}

@test "engines show the user's own IPYTHONDIR, where the job says it" {
	local job own
	own=$(home_of "$ALICE")/own-ipython
	as_alice mkdir -p "$own/profile_default/startup"
	as_alice tee "$own/profile_default/startup/10-own.py" <<<'started_with = "the job'"'"'s own"' >/dev/null
	job=$(submit -N2 --jupyter=lab --jupyter-workers=ipyparallel:1 --export="ALL,IPYTHONDIR=$own" --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 120 session_is "$job" ready
	run client "$job" exec "$(
		cat <<-'END2'
			import os, ipyparallel
			print(started_with, ipyparallel.Client()[:]["started_with"])
			print(os.path.realpath(get_ipython().profile_dir.startup_dir))
			print(os.path.realpath(get_ipython().history_manager.hist_file))
		END2
	)"
	assert_status 0
	assert_has "the job's own [\"the job's own\", \"the job's own\"]"
	assert_has "$own/profile_default/startup"
	assert_has "$own/profile_default/history.sqlite"
	as_alice scancel "$job"
}

@test "the GPUs of a node are divided among its workers" {
	local job
	job=$(submit -N2 --gres=gpu:4 --jupyter=lab --jupyter-workers=dask:2,ipyparallel:4,mpi:2 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 120 session_is "$job" ready
	run client "$job" exec "$(
		cat <<-'END2'
			import os, ipyparallel, dask.distributed
			def devices():
			    import os
			    return os.environ["SPANK_JUPYTER_WORKER"], os.environ.get("CUDA_VISIBLE_DEVICES")
			print(sorted(ipyparallel.Client()[:].apply_sync(devices)))
			print(sorted(ipyparallel.Client(profile="mpi")[:].apply_sync(devices)))
			print(sorted(dask.distributed.Client().run(devices).values()))
			print("notebook", os.environ.get("CUDA_VISIBLE_DEVICES"))
		END2
	)"
	assert_status 0
	assert_has "$(
		cat <<-'END2'
			[('0.0', '0'), ('0.1', '1'), ('0.2', '2'), ('0.3', '3'), ('1.0', '0'), ('1.1', '1'), ('1.2', '2'), ('1.3', '3')]
			[('0.0', '0,1'), ('0.1', '2,3'), ('1.0', '0,1'), ('1.1', '2,3')]
			[('0.0', '0,1'), ('0.1', '2,3'), ('1.0', '0,1'), ('1.1', '2,3')]
			notebook 0,1,2,3
		END2
	)"
	as_alice scancel "$job"
}

@test "sjupyter doctor tells of each kind whether its Python has what it imports" {
	run as_alice timeout -k 5 120 sjupyter doctor
	assert_has "ok    workers dask:"
	assert_has "ok    workers ipyparallel:"
	assert_has "ok    workers mpi:"
	run as_alice env PATH="$PREFIX/bin:/usr/bin:/bin" timeout -k 5 120 sjupyter doctor
	assert_has "warn  workers dask:"
	assert_has "has no module"
}
