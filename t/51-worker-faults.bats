#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Workers that fail, hang, die or are cut off: the session says which are missing and
# why, carries on with the rest, and leaves nothing behind.

load lib/common
load lib/session
load lib/workers

setup() {
	need_lab
	need_nodes 4
	jobs_cancel
}

teardown() {
	config_restore
	"$CLUSTER" link n2 up
	jobs_cancel
	nothing_left
}

# kinds_write: sections from stdin, with a program of a site's own beside them.
kinds_write() {
	PROGRAMS=$BATS_TEST_TMPDIR/programs
	mkdir -p "$PROGRAMS"
	chmod 0755 "$BATS_RUN_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$PROGRAMS"
	sed "s#@PROGRAMS@#$PROGRAMS#g" | config_write
}

# program NAME: from stdin.
program() {
	mkdir -p "$BATS_TEST_TMPDIR/programs"
	cat >"$BATS_TEST_TMPDIR/programs/$1"
	chmod 0755 "$BATS_TEST_TMPDIR/programs/$1"
}

# A worker of a kind without a controller: says that it is ready and stays.
good_worker() {
	program worker <<-'END'
		#!/bin/bash
		echo "worker $SPANK_JUPYTER_WORKER on $(hostname)"
		echo ready >&"$SPANK_JUPYTER_FD"
		read -r _ <&"$SPANK_JUPYTER_FD"
	END
}

# A controller and a worker of a kind of the site's own, twenty lines: workers register.
counting_kind() {
	program controller <<-'END'
		#!/usr/bin/env python3
		"""Counts: each worker connects, says its ID and the shared secret, and has registered."""
		import os, secrets, socket
		channel = socket.socket(fileno=int(os.environ["SPANK_JUPYTER_FD"]))
		listener = socket.socket(fileno=int(os.environ["SPANK_JUPYTER_LISTEN_FDS"]))
		share = os.environ["SPANK_JUPYTER_SHARE"]
		secret = secrets.token_hex(16)
		with open(os.open(share + "/secret", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
		    file.write(secret)
		channel.send(b"listening\n")
		kept = []
		while True:
		    connection, _ = listener.accept()
		    said, name = connection.recv(100).decode().split()
		    if said == secret:
		        kept.append(connection)
		        channel.send(b"joined %s\n" % name.encode())
	END
	program worker <<-'END'
		#!/usr/bin/env python3
		"""Registers with the controller and stays until it is told to end."""
		import os, socket, sys
		secret = open(os.environ["SPANK_JUPYTER_SHARE"] + "/secret").read()
		connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
		connection.send(f"{secret} {os.environ['SPANK_JUPYTER_WORKER']}".encode())
		os.read(int(os.environ.get("SPANK_JUPYTER_FD", connection.fileno())), 1)
	END
}

@test "a kind of the site's own: twenty lines with a controller, used end to end" {
	counting_kind
	kinds_write <<-'END'
		[workers count]
		controller = @PROGRAMS@/controller
		worker = @PROGRAMS@/worker ${ip} ${port}
		ports = 1
		env.COUNT_ADDRESS = ${ip}:${port}
		resize = yes
	END
	local job
	job=$(submit -N4 --jupyter=lab --jupyter-workers=count:3 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 60 session_is "$job" ready
	workers_are "$job" count 12 12
	run client "$job" exec 'import os; print(os.environ["COUNT_ADDRESS"])'
	assert_has "$(session_get "$job" 'r["endpoint"]["ip"]'):"
	run as_alice timeout -k 5 60 sjupyter workers "$job" count=4
	assert_status 0
	wait_until 60 workers_are "$job" count 16 16
}

@test "an unknown kind and a wrong number are refused when the job is submitted" {
	submit_refused --jupyter=lab --jupyter-workers=nosuch:2
	assert_has nosuch
	assert_has dask
	local wrong
	for wrong in dask:0 dask:-1 dask:1000000 dask: :2 dask:2,dask:3 dask:x; do
		submit_refused --jupyter=lab --jupyter-workers="$wrong"
		assert_has "--jupyter-workers"
	done
}

@test "a worker program that is missing, one that ends at once, one that never registers" {
	good_worker
	program ends <<<$'#!/bin/bash\necho "cannot work today" >&2\nexit 3'
	program hangs <<<$'#!/bin/bash\necho "thinking"\nexec sleep 1000'
	kinds_write <<-'END'
		[workers good]
		worker = @PROGRAMS@/worker
		[workers gone]
		worker = @PROGRAMS@/nosuch
		hint = ask the site for it
		[workers ends]
		worker = @PROGRAMS@/ends
		restarts = 1
		[workers hangs]
		worker = @PROGRAMS@/hangs
		ready_timeout = 0:05
	END
	local job
	job=$(submit -N2 --jupyter=lab --jupyter-workers=good:2,gone:1,ends:1,hangs:2 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 60 workers_state_is "$job" hangs degraded
	wait_until 60 workers_state_is "$job" gone 'degraded|failed'
	wait_until 60 workers_state_is "$job" ends 'degraded|failed'
	workers_state_is "$job" good ready
	assert_equal "$(missing "$job" hangs)" "n1.0 n1.1 n2.0 n2.1"
	session_is "$job" degraded
	run as_alice sjupyter status "$job"
	assert_has "cannot work today"
	assert_has "exit status 3"
	assert_has "thinking"
	assert_has "nosuch"
	assert_has "ask the site for it"
	run as_alice timeout -k 5 30 sjupyter wait --ready "$job"
	assert_status 1
	# The rest is there.
	run session_curl "$job" /api/status
	assert_status 0
}

# waits_ready JOB: sjupyter wait --ready, seen to wait, into $BATS_TEST_TMPDIR/waited.
waits_ready() {
	run as_alice timeout -k 5 30 sjupyter wait --ready --timeout=0:2 "$1"
	assert_status 1
	assert_has "is degraded after 2.00 s: "
	as_alice timeout -k 5 90 sjupyter wait --ready "$1" >"$BATS_TEST_TMPDIR/waited" 2>&1 3>&- &
}

@test "sjupyter wait --ready waits for those that come, though one has ended for good" {
	program worker <<-'END'
		#!/bin/bash
		[[ $SPANK_JUPYTER_WORKER != 1.0 ]] || { echo "no luck today"; exit 3; }
		[[ $SPANK_JUPYTER_WORKER != 1.1 ]] || until [[ -e ~/come ]]; do sleep 0.1; done
		echo ready >&"$SPANK_JUPYTER_FD"
		read -r _ <&"$SPANK_JUPYTER_FD"
	END
	kinds_write <<<$'[workers good]\nworker = @PROGRAMS@/worker\nrestarts = 0'
	local job code=0
	as_alice rm -f come
	job=$(submit -N2 --jupyter=lab --jupyter-workers=good:2 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 60 workers_state_is "$job" good degraded
	wait_until 60 workers_are "$job" good 2 4
	waits_ready "$job"
	as_alice touch come
	wait "$!" || code=$?
	cat "$BATS_TEST_TMPDIR/waited"
	assert_equal "$code" 1
	assert_equal "$(missing "$job" good)" "n2.0"
	grep -F "is degraded: good: 3 of 4 workers are there; missing: 0 on n2 (ended with exit status 3)" \
		"$BATS_TEST_TMPDIR/waited"
}

@test "sjupyter wait --ready waits for a worker that is started again, long after the start" {
	program worker <<-'END'
		#!/bin/bash
		# The second life of one begins when it is told to.
		[[ $SPANK_JUPYTER_WORKER != 1.0 || ! -e ~/lived ]] || until [[ -e ~/come ]]; do sleep 0.1; done
		[[ $SPANK_JUPYTER_WORKER != 1.0 ]] || touch ~/lived
		echo ready >&"$SPANK_JUPYTER_FD"
		read -r _ <&"$SPANK_JUPYTER_FD"
	END
	kinds_write <<<$'[workers good]\nworker = @PROGRAMS@/worker\nready_timeout = 0:20'
	local job code=0
	as_alice rm -f come lived
	job=$(submit -N2 --jupyter=lab --jupyter-workers=good:1 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 60 session_is "$job" ready
	kill -9 "$(worker_pid "$job" good 1 0)"
	wait_until 30 session_is "$job" degraded
	waits_ready "$job"
	as_alice touch come
	wait "$!" || code=$?
	cat "$BATS_TEST_TMPDIR/waited"
	assert_equal "$code" 0
	# And not for ever.
	as_alice rm come
	kill -9 "$(worker_pid "$job" good 1 0)"
	wait_until 30 session_is "$job" degraded
	run as_alice timeout -k 5 90 sjupyter wait --ready "$job"
	assert_status 1
	assert_has "is degraded: good: 1 of 2 workers are there; missing: 0 on n2 ("
	assert_has "it was started again, but has not"
}

@test "a worker that prints 100 MB fills neither the disk nor the agent" {
	program worker <<-'END'
		#!/bin/bash
		head -c 100000000 /dev/zero | tr '\0' 'x' | fold -w 99
		echo "the last line"
		echo ready >&"$SPANK_JUPYTER_FD"
		read -r _ <&"$SPANK_JUPYTER_FD"
	END
	kinds_write <<<$'[workers loud]\nworker = @PROGRAMS@/worker'
	local job
	job=$(submit -N1 --jupyter=lab --jupyter-workers=loud:1 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 90 workers_are "$job" loud 1 1
	run du -sk "$(session_get "$job" 'r["head"]["runtime_dir"]')/workers/loud"
	(($(awk '{ print $1 }' <<<"$output") < 4096))
}

@test "a controller that dies before its workers have come, and one that dies after" {
	program controller <<-'END'
		#!/bin/bash
		echo "controller of $1"
		echo listening >&"$SPANK_JUPYTER_FD"
		[[ $1 == early ]] && exit 7
		while read -r line <&"$SPANK_JUPYTER_FD"; do
			[[ $line == expect* ]] && { echo "joined 0.0"; echo "joined 1.0"; } >&"$SPANK_JUPYTER_FD"
		done
	END
	good_worker
	kinds_write <<-'END'
		[workers early]
		controller = @PROGRAMS@/controller early
		worker = @PROGRAMS@/worker
		restarts = 1
		[workers late]
		controller = @PROGRAMS@/controller late
		worker = @PROGRAMS@/worker
	END
	local job
	job=$(submit -N2 --jupyter=lab --jupyter-workers=early:1,late:1 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 60 workers_state_is "$job" early failed
	wait_until 60 workers_state_is "$job" late ready
	run session_get "$job" '[w["reason"] for w in r["workers"] if w["kind"] == "early"][0]'
	assert_has "exit status 7"
	pkill -KILL -u "$ALICE" -f 'programs/controller late'
	wait_until 60 workers_state_is "$job" late failed
	session_is "$job" degraded
	run session_curl "$job" /api/status
	assert_status 0
}

@test "an agent that is killed takes its node's workers, and they are named" {
	good_worker
	kinds_write <<<$'[workers good]\nworker = @PROGRAMS@/worker'
	local job
	job=$(submit -N4 --jupyter=lab --jupyter-workers=good:2 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 60 session_is "$job" ready
	kill -9 "$(agent_pid n2 "$job")"
	wait_until 30 session_is "$job" degraded
	wait_until 10 workers_are "$job" good 6 8
	assert_equal "$(missing "$job" good)" "n2.0 n2.1"
}

# status_json JOB EXPRESSION: Python's, of what `sjupyter status --json` says (r).
status_json() {
	as_alice sjupyter status --json "$1" | /usr/bin/python3 -c "import json, sys; r = json.load(sys.stdin); print($2)"
}

# on_n2 JOB: state of the node and of each kind's workers there, as told.
on_n2() {
	status_json "$1" '[n["state"] for n in r["nodes"] if n["name"] == "n2"] + sorted("%s %d/%d" % (w["kind"], n["ready"], n["expected"]) for w in r["workers"] for n in w["nodes"] if n["name"] == "n2")'
}

on_n2_is() {
	local said
	said=$(on_n2 "$1")
	echo "on n2: $said"
	[[ $said == "$2" ]]
}

@test "a node whose link is cut" {
	good_worker
	kinds_write <<<$'[workers good]\nworker = @PROGRAMS@/worker'
	local job
	job=$(submit -N3 --jupyter=lab --jupyter-workers=good:1 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 60 session_is "$job" ready
	"$CLUSTER" link n2 down
	wait_until 120 workers_are "$job" good 2 3
	assert_equal "$(missing "$job" good)" "n2.0"
	session_is "$job" degraded
	run session_curl "$job" /api/status
	assert_status 0
	wait_until 60 on_n2_is "$job" "['lost', 'good 0/1']"
	# Slurm cannot tell that node of it, but the others.
	run as_alice timeout -k 5 120 sjupyter stop "$job"
	assert_status 0
	session_is "$job" ended
	# Slurm ends what is on the node when it tries again, and hears of it.
	"$CLUSTER" link n2 up
	wait_until 240 no_jobs
}

@test "a node whose link is cut and comes up again: its workers are replaced where their controller has lost them" {
	good_worker
	kinds_write <<<$'[workers good]\nworker = @PROGRAMS@/worker'
	local job dask engine good log
	job=$(submit -N3 --jupyter=lab --jupyter-workers=dask:2,ipyparallel:1,good:1 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 120 session_is "$job" ready
	dask=$(worker_pid "$job" dask 1 0) engine=$(worker_pid "$job" ipyparallel 1 0) good=$(worker_pid "$job" good 1 0)
	"$CLUSTER" link n2 down
	wait_until 120 on_n2_is "$job" "['lost', 'dask 0/2', 'good 0/1', 'ipyparallel 0/1']"
	# Nobody waits for what may never come.
	run as_alice timeout -k 5 30 sjupyter wait --ready "$job"
	assert_status 1
	assert_has "nodes without an agent: n2"
	kill -0 "$dask" "$engine" "$good"
	log=$(session_dir "$job")/session.log
	wc -l <"$log" >"$BATS_TEST_TMPDIR/before"
	"$CLUSTER" link n2 up
	wait_until 90 session_is "$job" ready
	assert_equal "$(on_n2 "$job")" "['up', 'dask 2/2', 'good 1/1', 'ipyparallel 1/1']"
	assert_equal "$(status_json "$job" '{(w["state"], w["settled"], w["ready"] - w["expected"], len(w["missing"])) for w in r["workers"]}')" \
		"{('ready', True, 0, 0)}"
	run client "$job" exec "$(
		cat <<-'END'
			import socket, ipyparallel, dask.distributed
			engines, workers = ipyparallel.Client(), dask.distributed.Client()
			print(len(engines.ids), len(workers.scheduler_info(n_workers=-1)["workers"]))
			print(sorted(engines[:].apply_sync(socket.gethostname)), sorted(workers.run(socket.gethostname).values()))
		END
	)"
	assert_status 0
	assert_has "3 6"
	assert_has "['n1', 'n2', 'n3'] ['n1', 'n1', 'n2', 'n2', 'n3', 'n3']"
	wait_until 30 worker_is_another "$job" dask 1 0 "$dask"
	wait_until 30 worker_is_another "$job" ipyparallel 1 0 "$engine"
	# It has no controller that could have lost it.
	assert_equal "$(worker_pid "$job" good 1 0)" "$good"
	wait_until 30 pids_gone "$dask" "$engine"
	# No worker of before was taken for one of now: it was ready once, and then stayed so.
	assert_equal "$(tail -n "+$(<"$BATS_TEST_TMPDIR/before")" "$log" | grep -c 'head: ready: all nodes and workers are there')" 1
}

pids_gone() {
	local pid
	for pid; do
		[[ ! -e /proc/$pid ]] || { echo "$pid lives"; return 1; }
	done
}

@test "a node whose workers come late" {
	good_worker
	kinds_write <<<$'[workers good]\nworker = @PROGRAMS@/worker'
	local job go
	go=$(home_of "$ALICE")/go
	rm -f "$go"
	as_alice bash -c "echo '[[ \$(hostname) != n3 ]] || until [[ -e $go ]]; do sleep 0.1; done' >~/slow-init"
	job=$(submit -N3 --jupyter=lab --jupyter-workers=good:2 --jupyter-init="$(home_of "$ALICE")/slow-init" --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 60 workers_are "$job" good 4 6
	session_is "$job" serving
	as_alice touch "$go"
	wait_until 60 workers_are "$job" good 6 6
	wait_until 10 session_is "$job" ready
}

@test "a worker that is killed again and again is given up and named with its last words" {
	good_worker
	kinds_write <<<$'[workers good]\nworker = @PROGRAMS@/worker\nrestarts = 1'
	local job pid
	job=$(submit -N2 --jupyter=lab --jupyter-workers=good:2 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 60 session_is "$job" ready
	pid=$(worker_pid "$job" good 1 0)
	kill -9 "$pid"
	wait_until 30 worker_is_another "$job" good 1 0 "$pid"
	wait_until 30 session_is "$job" ready
	kill -9 "$(worker_pid "$job" good 1 0)"
	wait_until 30 session_is "$job" degraded
	assert_equal "$(missing "$job" good)" "n2.0"
	run session_get "$job" '[m["reason"] + m["log"] for w in r["workers"] for m in w["missing"]][0]'
	assert_has "signal 9"
	assert_has "worker 1.0 on n2"
}

@test "the preload process that is killed leaves its workers, and comes again for the next" {
	local job host pid
	job=$(submit -N2 --jupyter=lab --jupyter-workers=dask:2 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 120 session_is "$job" ready
	pid=$(worker_pid "$job" dask 1 0)
	# The only child that carries the name of no worker.
	host=$(pgrep -P "$(agent_pid n2 "$job")" -f preload.py -l | awk '$2 !~ /^dask/ { print $1 }')
	kill -9 "$host"
	kill -0 "$pid"
	workers_are "$job" dask 4 4
	kill -9 "$pid"
	wait_until 60 worker_is_another "$job" dask 1 0 "$pid"
	wait_until 60 workers_are "$job" dask 4 4
	wait_until 30 session_is "$job" ready
}

@test "a home that only the first node has" {
	local job
	# Nothing of the session may need a file of the home on the other nodes.
	program elsewhere <<-'END'
		[[ $(hostname) == n1 ]] || export HOME=/nonexistent
	END
	chmod 0755 "$BATS_RUN_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/programs"
	job=$(submit -N2 --jupyter=lab --jupyter-workers=dask:2,ipyparallel:2 \
		--jupyter-init="$BATS_TEST_TMPDIR/programs/elsewhere" --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 120 session_is "$job" ready
}

@test "a limit of 1000 open files" {
	local job
	job=$(as_alice bash -c 'ulimit -n 1000 && timeout -k 5 30 sbatch --parsable --output=job-%j.log -N2 \
		--jupyter=lab --jupyter-workers=dask:8,ipyparallel:8 --wrap "sjupyter wait"')
	wait_serving "$job"
	wait_until 120 session_is "$job" ready
	run client "$job" exec 'import resource, ipyparallel; print({l[0] for l in ipyparallel.Client()[:].apply_sync(resource.getrlimit, resource.RLIMIT_NOFILE)})'
	assert_has "{1000}"
}

@test "a Python without the packages is told, with what to do" {
	local bare job
	bare=$(home_of "$ALICE")/bare
	as_alice /usr/bin/python3 -m venv --without-pip "$bare"
	# The server's own interpreter is the bare one; it runs the real server.
	as_alice tee "$bare/bin/jupyter-lab" <<-END >/dev/null
		#!$bare/bin/python
		import os, sys
		os.execv("$VENV/bin/jupyter-lab", ["jupyter-lab", *sys.argv[1:]])
	END
	as_alice chmod +x "$bare/bin/jupyter-lab"
	job=$(submit -N1 --jupyter=lab --jupyter-workers=dask:1 \
		--export="ALL,PATH=$bare/bin:$CLUSTER_PATH:/usr/bin:/bin" --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 60 workers_state_is "$job" dask 'failed|degraded'
	run as_alice sjupyter status "$job"
	assert_has "has no module"
}

# engines_are JOB N: as a client in the notebook has them.
engines_are() {
	local ids
	ids=$(client "$1" exec 'import ipyparallel; print("engines", len(ipyparallel.Client().ids))')
	echo "$ids"
	[[ $ids == *"engines $2"* ]]
}

@test "engines that have ended are gone from their controller, without a heartbeat" {
	local job config
	# The user's own configuration: the next heartbeat would come in an hour.
	config=$(home_of "$ALICE")/.ipython/profile_default
	as_alice mkdir -p "$config"
	as_alice tee "$config/ipcontroller_config.py" <<<'c.HeartMonitor.period = 3600000' >/dev/null
	# Nor is there a successor, whose coming would tell that it is gone.
	config_write <<<$'[workers ipyparallel]\nrestarts = 0'
	job=$(submit -N3 --jupyter=lab --jupyter-workers=ipyparallel:2 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 120 session_is "$job" ready
	engines_are "$job" 6
	kill -9 "$(worker_pid "$job" ipyparallel 1 0)"
	wait_until 30 engines_are "$job" 5
	kill -9 "$(agent_pid n3 "$job")"
	wait_until 60 engines_are "$job" 3
	as_alice rm "$config/ipcontroller_config.py"
}

@test "a step that ends is started again as often as the recipe says, and told then" {
	counting_kind
	program once <<-'END'
		#!/bin/bash
		# The first step ends at once, the second with its second life.
		echo began >>~/step-began
		[[ $(wc -l <~/step-began) -gt 1 ]] || exit 3
		exec "${0%/*}/worker" "$@"
	END
	kinds_write <<-'END'
		[workers stepped]
		start = srun
		controller = @PROGRAMS@/controller
		worker = @PROGRAMS@/once ${ip} ${port}
		ports = 1
		restarts = 1
	END
	local job
	as_alice rm -f "$(home_of "$ALICE")/step-began"
	job=$(submit -N1 --jupyter=lab --jupyter-workers=stepped:1 --wrap 'sjupyter wait')
	wait_serving "$job"
	wait_until 60 session_is "$job" ready
	assert_equal "$(as_alice wc -l step-began)" "2 step-began"
	grep -F "starting it again" "$(session_dir "$job")/session.log"
	kill -9 "$(worker_pid "$job" stepped 0 0)"
	wait_until 60 session_is "$job" degraded
	assert_equal "$(missing "$job" stepped)" "n1.0"
	run session_reason "$job"
	assert_has "stepped"
}
