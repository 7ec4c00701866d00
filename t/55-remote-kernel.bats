#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Kernels on compute nodes for a Jupyter on the login host: contrib/kernel-provisioner with
# kernelspecs of `sjupyter kernelspec install`, by jupyter_client, a Jupyter server and consoles.
# bats file_tags=needs:browser

load lib/common
load lib/session
load lib/remote

setup_file() {
	[[ $STACK == pypi ]] || skip "needs jupyter_client and JupyterLab from PyPI"
	provisioner_install
}

setup() {
	jobs_cancel
}

teardown() {
	jupyter_end TERM
	config_restore
	kernelspecs_remove
	jobs_cancel
	nothing_left
}

teardown_file() {
	rm -rf "$REMOTE_DIR"
}

@test "a kernel's life under jupyter_client's AsyncKernelManager: execute, interrupt, restart, shut down" {
	run kernelspec_install slurm --display-name='Python on a node' -- -n1 -t 10
	assert_status 0
	run remote life slurm
	assert_status 0
	assert_has "in the same job"
	wait_until 30 alice_has_jobs 0
}

@test "the same with R, whose kernelspec is on the nodes alone" {
	kernelspec_install r --kernel=ir --language=R -- -n1 -t 10
	run remote life r
	assert_status 0
	assert_has "in the same job"
	wait_until 30 alice_has_jobs 0
}

@test "jupyter_kernel_test's suite passes, for Python and for R" {
	kernelspec_install slurm -- -n1 -t 10
	run remote suite slurm
	assert_status 0
	kernelspec_install r --kernel=ir --language=R -- -n1 -t 10
	run remote suite r
	assert_status 0
	wait_until 30 alice_has_jobs 0
}

@test "a kernel of a Jupyter server: execute, interrupt, restart, shut down" {
	local kernel job
	kernelspec_install slurm -- -n1 -t 10
	jupyter_start
	kernel=$(remote new @.remote/url slurm one.ipynb)
	job=$(jobs_of_alice)
	[[ $job == *" RUNNING" ]]
	run remote exec @.remote/url "$kernel" 'import os, socket; x = 1; print(socket.gethostname(), os.environ["SLURM_JOB_ID"])'
	assert_status 0
	assert_has "n1 ${job%% *}"
	remote interrupt @.remote/url "$kernel"
	run remote exec @.remote/url "$kernel" 'print(x)'
	assert_equal "$output" 1
	remote restart @.remote/url "$kernel"
	run remote exec @.remote/url "$kernel" 'print(x)'
	assert_status 1
	assert_has NameError
	run remote exec @.remote/url "$kernel" 'import os; print(os.environ["SLURM_JOB_ID"])'
	assert_equal "$output" "${job%% *}"
	remote delete @.remote/url "$kernel"
	wait_until 30 alice_has_jobs 0
}

@test "a Jupyter server that is killed: the next one finds the notebook's kernel as it was" {
	local kernel job other
	kernelspec_install slurm -- -n1 -t 10
	jupyter_start
	kernel=$(remote new @.remote/url slurm two.ipynb)
	job=$(jobs_of_alice)
	remote exec @.remote/url "$kernel" 'x = 4711'
	jupyter_end KILL
	jupyter_start
	other=$(remote new @.remote/url slurm two.ipynb)
	[[ $other != "$kernel" ]]
	run remote exec @.remote/url "$other" 'print(x)'
	assert_equal "$output" 4711
	assert_equal "$(jobs_of_alice)" "$job"
	# Another notebook has another kernel.
	remote new @.remote/url slurm three.ipynb
	alice_has_jobs 2
	remote delete @.remote/url "$other"
	wait_until 30 alice_has_jobs 1
	# In order: with its kernels' jobs.
	jupyter_end TERM
	wait_until 30 alice_has_jobs 0
}

# notes_say PATH: one notebook's job is noted, and this is its path.
notes_say() {
	local paths
	paths=$(/usr/bin/python3 -c 'import json, sys; print(*(json.load(open(p))["notebook"] for p in sys.argv[1:]))' \
		"$(home_of "$ALICE")"/.local/state/spank-jupyter/notebooks/*.json)
	echo "noted: $paths"
	[[ $paths == "$1" ]]
}

@test "a notebook that is renamed, in a Jupyter and while there is none, is found again after it" {
	local kernel job
	kernelspec_install slurm -- -n1 -t 10
	jupyter_start
	as_alice tee notebooks/four.ipynb >/dev/null <<-'END'
		{"cells": [{"cell_type": "code", "id": "a1b2c3d4", "metadata": {}, "source": "", "outputs": [],
		"execution_count": null}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
	END
	kernel=$(remote new @.remote/url slurm four.ipynb)
	job=$(jobs_of_alice)
	remote exec @.remote/url "$kernel" 'x = 4711'
	remote rename @.remote/url "$kernel" four.ipynb five.ipynb
	wait_until 60 notes_say "$(home_of "$ALICE")/notebooks/five.ipynb"
	jupyter_end KILL
	as_alice mkdir -p notebooks/deeper
	as_alice mv notebooks/five.ipynb notebooks/deeper/six.ipynb
	jupyter_start
	kernel=$(remote new @.remote/url slurm deeper/six.ipynb)
	run remote exec @.remote/url "$kernel" 'print(x)'
	assert_equal "$output" 4711
	assert_equal "$(jobs_of_alice)" "$job"
	notes_say "$(home_of "$ALICE")/notebooks/deeper/six.ipynb"
	jupyter_end TERM
	wait_until 30 alice_has_jobs 0
	as_alice rm -r notebooks/deeper
}

@test "a kernelspec that there is not, and a program that is missing, are told where the notebook is" {
	kernelspec_install none --kernel=klingon -- -n1 -t 10
	jupyter_start
	run remote new @.remote/url none bad.ipynb
	assert_status 1
	assert_has "there is no such kernelspec on this node; there are: "
	assert_has python3
	as_alice mkdir -p .local/share/jupyter/kernels/faulty
	as_alice tee .local/share/jupyter/kernels/faulty/kernel.json >/dev/null \
		<<<'{"argv": ["no-such-program", "{connection_file}"], "display_name": "F", "language": "x"}'
	kernelspec_install bad --kernel=faulty -- -n1 -t 10
	run remote new @.remote/url bad bad.ipynb
	assert_status 1
	assert_has "not a program that you may run"
	wait_until 30 alice_has_jobs 0
}

@test "scancel while a kernel waits in the queue, and while it starts" {
	local job pid out=$BATS_TEST_TMPDIR/out
	kernelspec_install slurm -- -n1 -t 10
	kernelspec_install held -- -n1 -t 10 --hold
	jupyter_start
	remote new @.remote/url held held.ipynb >"$out" 2>&1 3>&- &
	pid=$!
	wait_until 30 alice_has_jobs 1
	job=$(jobs_of_alice)
	[[ $job == *PENDING ]]
	wait_until 30 grep -F "waits in the queue (JobHeldUser)" "$REMOTE_DIR/jupyter.log"
	as_alice scancel "${job%% *}"
	wait "$pid" || true
	run cat "$out"
	assert_has "job ${job%% *} has ended before a session began"

	# A Jupyter that is told to end meanwhile does.
	remote new @.remote/url held held.ipynb >"$out" 2>&1 3>&- &
	pid=$!
	wait_until 30 alice_has_jobs 1
	jupyter_end TERM
	wait "$pid" || true
	jobs_cancel
	jupyter_start

	as_alice tee init.sh >/dev/null <<<'touch .remote/begun; sleep 600'
	kernelspec_install slow -- -n1 -t 10 --jupyter-init=init.sh
	remote new @.remote/url slow slow.ipynb >"$out" 2>&1 3>&- &
	pid=$!
	wait_until 30 test -e "$REMOTE_DIR/begun"
	job=$(jobs_of_alice)
	as_alice scancel "${job%% *}"
	wait "$pid" || true
	run cat "$out"
	assert_has "job ${job%% *}"
	assert_has "remote_kernel: POST /api/sessions: 500"
	wait_until 30 alice_has_jobs 0
}

@test "the allocation ends while a cell runs: the kernel is dead, and no other job is submitted" {
	local kernel job pid out=$BATS_TEST_TMPDIR/out
	kernelspec_install slurm -- -n1 -t 10
	jupyter_start
	kernel=$(remote new @.remote/url slurm four.ipynb)
	job=$(jobs_of_alice)
	remote exec @.remote/url "$kernel" 'import time; print("begun", flush=True); time.sleep(600)' \
		>"$out" 2>&1 3>&- &
	pid=$!
	wait_until 30 grep -qx begun "$out"
	as_alice scancel "${job%% *}"
	wait "$pid" || true
	run cat "$out"
	assert_has "the kernel is dead"
	wait_until 30 alice_has_jobs 0
	run grep -F "restart it for a new job" "$REMOTE_DIR/jupyter.log"
	assert_status 0
	# A person may: the server has forgotten the dead one, as one of its own host.
	kernel=$(remote new @.remote/url slurm four.ipynb)
	run remote exec @.remote/url "$kernel" 'print(42)'
	assert_equal "$output" 42
	alice_has_jobs 1
}

@test "a kernel that runs out of memory is told, and is started again in its job" {
	local kernel job
	grep -qx CGROUPS=1 "$CLUSTER_STATE_DIR/cluster" || skip "needs control groups"
	kernelspec_install small -- -n1 -t 10 --mem=400
	jupyter_start
	kernel=$(remote new @.remote/url small five.ipynb)
	job=$(jobs_of_alice)
	job=${job%% *}
	remote exec @.remote/url "$kernel" 'x = b"x" * (2 << 30)' >/dev/null 2>&1 3>&- &
	wait_until 120 grep -F "memory" "$(session_dir "$job")/session.log"
	wait_until 60 session_is "$job" ready
	assert_equal "$(session_get "$job" 'r["server_restarts"]')" 1
	run remote exec @.remote/url "$kernel" 'print(42)'
	assert_equal "$output" 42
}

@test "twenty kernels at once" {
	kernelspec_install slurm -- -n1 -t 10
	run remote many slurm 20
	assert_status 0
	assert_has "20 jobs"
	wait_until 60 alice_has_jobs 0
}

@test "sjupyter kernel: a console on a terminal, and a connection file for any client" {
	local job file pid out=$BATS_TEST_TMPDIR/out
	job=$(submit --jupyter=kernel --wrap 'sjupyter wait; sleep 600')
	wait_until 120 session_is "$job" ready
	run remote console "$job"
	assert_status 0
	session_is "$job" ready
	as_alice sjupyter kernel "$job" --no-console >"$out" 2>&1 3>&- &
	pid=$!
	wait_until 30 grep -m 1 -o '/.*\.json' "$out"
	file=$(grep -m 1 -o '/.*\.json' "$out")
	assert_equal "$(stat -c %a "$file")" 600
	run remote file "$file" 'print(6 * 7)'
	assert_status 0
	assert_has 42
	as_alice sjupyter stop "$job"
	wait "$pid"
	wait_until 30 process_is_gone "$pid"
	[[ ! -e $file ]]
	grep -F "the session of job $job has ended" "$out"
}

@test "R as a bare kernel, and as one for jupyter-console" {
	local job
	job=$(submit --jupyter=kernel:ir --wrap 'sjupyter wait; sleep 600')
	wait_until 120 session_is "$job" ready
	assert_equal "$(session_get "$job" 'r["app"]')" kernel:ir
}

# captured FILE TEXT: in what went over the network, as it is or in base64.
captured() {
	grep -aqF -- "$2" "$1" || grep -aqF -- "$(printf %s "$2" | base64 -w 0 | cut -c 1-24)" "$1"
}

@test "what goes over the network shows neither key nor token, neither code nor output" {
	local job runtime key token code output plain size pid capture=$BATS_TEST_TMPDIR/capture
	local tcpdump node out=$BATS_TEST_TMPDIR/out
	need_nodes 1
	command -v tcpdump >/dev/null || skip "needs tcpdump"
	code=code$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
	output=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
	plain=plain$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
	kernelspec_install slurm -- -n1 -t 10
	ip netns exec "sj$CLUSTER_INSTANCE-switch" \
		tcpdump -i any -s 0 -U -Z root -w "$capture" 2>"$out" 3>&- &
	tcpdump=$!
	wait_until 30 grep -F "listening on any" "$out"
	mkfifo "$BATS_TEST_TMPDIR/stdin"
	# What is put out is nowhere in the code: its characters the other way round.
	remote hold slurm "$code = 1; print('out' + '$(rev <<<"$output")'[::-1] * 1000)" \
		<"$BATS_TEST_TMPDIR/stdin" >"$out" 2>&1 3>&- &
	pid=$!
	exec {hold}>"$BATS_TEST_TMPDIR/stdin"
	wait_until 180 grep -x held "$out"
	grep -qF "out$output" "$out"
	job=$(jobs_of_alice)
	job=${job%% *}
	runtime=$(session_get "$job" 'r["head"]["runtime_dir"]')
	key=$(/usr/bin/python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["key"])' "$runtime/kernel.json")
	token=$(<"$(session_dir "$job")/token")
	[[ ${#key} -ge 32 && ${#token} -ge 32 ]]
	exec {hold}>&-
	wait "$pid"
	# The capture sees what is in clear.
	node=$(session_get "$job" 'r["endpoint"]["ip"]')
	as_alice bash -c 'echo "$0" >"/dev/udp/$1/9"' "$plain" "$node"
	wait_until 30 captured "$capture" "$plain"
	kill "$tcpdump"
	wait "$tcpdump" || true
	# More than was said: 25000 bytes of output, sealed.
	size=$(stat -c %s "$capture")
	[[ $size -gt 25000 ]] || fail "only $size bytes were captured"
	for text in "$code" "$output" "$(rev <<<"$output")" "$key" "$token" execute_request kernel_info; do
		! captured "$capture" "$text" || fail "$text is in the capture"
	done
}

@test "in a browser: the launcher, why the job waits, execute, interrupt, restart, shut down" {
	local pid job home=$REMOTE_DIR/browser out=$BATS_TEST_TMPDIR/out
	need_browser
	kernelspec_install slurm --display-name='Slurm node' -- -n1 -t 20 --hold
	jupyter_start --LabApp.expose_app_in_browser=True
	as_alice mkdir -p .remote/browser
	install -m 0644 "$TOP/t/lib/browser/notebook.js" "$REMOTE_DIR/notebook.js"
	as_alice env NODE_PATH="$PLAYWRIGHT/node_modules" BROWSER_HOME="$home" timeout -k 5 600 \
		node "$REMOTE_DIR/notebook.js" "$REMOTE_DIR/url" 'Slurm node' JobHeldUser "$REMOTE_DIR/told" \
		>"$out" 2>&1 3>&- &
	pid=$!
	wait_until 300 told_or_gone "$REMOTE_DIR/told" "$pid"
	job=$(jobs_of_alice)
	[[ $job == *PENDING ]] || fail "$(cat "$out")"
	"$CLUSTER" run -- scontrol release "${job%% *}"
	wait "$pid" || fail "$(cat "$out")"
	run cat "$out"
	assert_has "told why it waits"
	assert_has "executed"
	assert_has "interrupted"
	assert_has "restarted"
	assert_has "shut down"
	wait_until 30 alice_has_jobs 0
}
