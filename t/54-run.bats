#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A notebook that is executed in the job: --jupyter=run:NOTEBOOK.ipynb.

load lib/common
load lib/session
load lib/workers

setup() {
	jobs_cancel
	HOME_DIR=$(home_of "$ALICE")
	rm -rf "$HOME_DIR"/nb*.ipynb "$HOME_DIR/nb-dir"
}

teardown() {
	jobs_cancel
	config_restore
	nothing_left
	if in_slurmd n1 mountpoint -q /mnt; then in_slurmd n1 umount /mnt; fi
	rm -rf "$HOME_DIR"/nb*.ipynb "$HOME_DIR/nb.sh" "$HOME_DIR/.local/share/jupyter/kernels/faulty" \
		"$HOME_DIR/nb-dir"
}

# notebook CELL...: alice's nb.ipynb; see lib/make_notebook.py.
notebook() {
	python3 "$TOP/t/lib/make_notebook.py" "$@" | as_alice tee nb.ipynb >/dev/null
}

# run_job SBATCH_ARGUMENTS...: the job's id; its exit status is that of the notebook.
run_job() {
	submit --jupyter=run:nb.ipynb "$@" --wrap 'sjupyter wait'
}

# outputs JOB: of the executed notebook, cell by cell, as text.
outputs() {
	/usr/bin/python3 - "$HOME_DIR/${2:-nb.$1.ipynb}" <<-'END'
		import json, sys
		for cell in json.load(open(sys.argv[1]))["cells"]:
		    for output in cell.get("outputs", []):
		        text = output.get("text") or output.get("data", {}).get("text/plain") or output.get("evalue", "")
		        print(output["output_type"], output.get("ename", ""), "".join(text).strip())
	END
}

outputs_have() { outputs "$1" | grep -F -- "$2"; }

# exit_code JOB: "0:0" as Slurm keeps it.
exit_code() {
	"$CLUSTER" run -- scontrol show job "$1" | sed -n 's/.*ExitCode=\([0-9:]*\).*/\1/p'
}

# In the mount namespace of a node's slurmd, which its jobs have too.
in_slurmd() {
	nsenter -t "$(<"$CLUSTER_STATE_DIR/pid/slurmd-$1")" -m "${@:2}"
}

# job_was JOB STATE: also when it has left the queue.
job_was() {
	"$CLUSTER" run -- scontrol show job "$1" | grep -F "JobState=$2 "
}

cell_is() {
	assert_equal "$(session_get "$1" 'r["notebook"]["cell"]')" "$2"
}

# fails_with WORDS SBATCH_ARGUMENTS...: the job is taken, and fails with these words in its log.
fails_with() {
	local job
	job=$(run_job "${@:2}")
	wait_until 60 session_is "$job" failed
	wait_until 10 job_log_has "$job" "$1"
	wait_until 20 job_was "$job" FAILED
	assert_equal "$(exit_code "$job")" 1:0
}

# refused WORDS SBATCH_ARGUMENTS...: sbatch says no in one line of ours.
refused() {
	submit_refused "${@:2}"
	assert_has "$1"
	# Slurm adds one of its own.
	assert_equal "$(grep -v 'Invalid --jupyter' <<<"$output" | grep -c -e '--jupyter')" 1
}

@test "a notebook uses the workers of four nodes, and its end is the job's" {
	need_nodes 4
	local job before
	notebook 'import dask.distributed as d; client = d.Client()' \
		'import socket; hosts = client.run(lambda: __import__("socket").gethostname())' \
		'print(len(hosts), len(set(hosts.values())), "hosts")' \
		'sum(client.gather(client.map(lambda n: n * n, range(1000), pure=False)))' \
		'client.close()'
	before=$(sha256sum <"$HOME_DIR/nb.ipynb")
	job=$(run_job -N4 --jupyter-workers=dask:2)
	wait_until 120 session_is "$job" 'ended|failed'
	outputs_have "$job" "8 4 hosts"
	outputs_have "$job" "332833500"
	run session_reason "$job"
	assert_has "all cells of nb.ipynb have been executed: $HOME_DIR/nb.$job.ipynb"
	wait_until 20 job_was "$job" COMPLETED
	assert_equal "$(exit_code "$job")" 0:0
	assert_equal "$(sha256sum <"$HOME_DIR/nb.ipynb")" "$before"
	assert_equal "$(stat -c '%a %U' "$HOME_DIR/nb.$job.ipynb")" "644 $ALICE"
	[[ -z $(find "$HOME_DIR" -maxdepth 1 -name '.nb*') ]]
}

@test "a failing cell fails the job and is in its log, plain" {
	local job
	notebook 'a = 1' $'def f():\n\treturn a / 0\nf()' 'print("never")'
	job=$(run_job)
	wait_until 60 session_is "$job" failed
	wait_until 20 job_was "$job" FAILED
	assert_equal "$(exit_code "$job")" 1:0
	run session_reason "$job"
	assert_equal "$output" "cell 2 of nb.ipynb failed: ZeroDivisionError: division by zero"
	run job_log "$job"
	assert_has "jupyter: cell 2 of nb.ipynb failed:"
	assert_has "  |         return a / 0"
	assert_has "Traceback (most recent call last)"
	assert_has_not $'\e'
	assert_has_not '\x1b'
	outputs_have "$job" "error ZeroDivisionError division by zero"
	run outputs "$job"
	assert_has_not never
	run as_alice sjupyter status "$job"
	assert_has "cell       2 of 3"
	assert_has "result     $HOME_DIR/nb.$job.ipynb"
}

@test "the exit status is that of sjupyter wait in a script, in srun and in salloc" {
	local job
	notebook 'import sys; raise SystemError("no")'
	job=$(submit --jupyter=run:nb.ipynb --wrap 'sjupyter wait; code=$?; echo "wait said $code"; exit $((code + 6))')
	wait_until 60 job_was "$job" FAILED
	assert_equal "$(exit_code "$job")" 7:0
	job_log_has "$job" "wait said 1"
	run as_alice timeout 60 srun --jupyter=run:nb.ipynb sjupyter wait
	assert_status 1
	assert_has "SystemError: no"
	run as_alice timeout 60 salloc --jupyter=run:nb.ipynb sjupyter wait
	assert_status 1
	assert_has "SystemError: no"
	notebook '1'
	run as_alice timeout 60 srun --jupyter=run:nb.ipynb sjupyter wait
	assert_status 0
	run as_alice timeout 60 salloc --jupyter=run:nb.ipynb sjupyter wait
	assert_status 0
}

@test "parameters: JSON, Python's words, text; the last of a name; behind the defaults" {
	local job
	notebook $'parameters:n = 1\nname = "x"\nitems = []\nflag = False\nlast = 0' \
		'print(n + 1, name, items, flag, last)'
	job=$(run_job --jupyter-param n=41 --jupyter-param 'name=a "b" $c' --jupyter-param last=1 \
		--jupyter-param 'items=[1, "zwei", null, {"k": 2.5}]' --jupyter-param flag=True \
		--jupyter-param last=2)
	wait_until 60 session_is "$job" ended
	outputs_have "$job" "42 a \"b\" \$c [1, 'zwei', None, {'k': 2.5}] True 2"
	run python3 -c "
import json, sys
for cell in json.load(open(sys.argv[1]))['cells']: print(cell['metadata'].get('tags'))" "$HOME_DIR/nb.$job.ipynb"
	assert_equal "$output" $'[\'parameters\']\n[\'injected-parameters\']\nNone'
	run as_alice timeout 60 srun --export=ALL --jupyter=run:nb.ipynb --jupyter-param n=1 \
		--jupyter-param name=srun --jupyter-output=nb-%j-out.ipynb sh -c 'sjupyter wait; echo "job $SLURM_JOB_ID"'
	assert_status 0
	job=$(sed -n 's/^job //p' <<<"$output")
	run outputs "$job" "nb-$job-out.ipynb"
	assert_has "2 srun [] False 0"
}

@test "parameters of a #SBATCH script reach the notebook, and no sbatch in the job" {
	local job
	notebook $'parameters:n = 1\nm = 1' 'print(n, m)'
	as_alice tee nb.sh >/dev/null <<-END
		#!/bin/bash
		#SBATCH --jupyter=run:nb.ipynb --jupyter-param=n=2
		#SBATCH --jupyter-param=m=3
		env | grep JUPYTER_PARAMS && exit 9
		$PREFIX/bin/sjupyter wait
	END
	job=$(submit --jupyter-param=n=5 nb.sh)
	wait_until 60 session_is "$job" ended
	outputs_have "$job" "5 3"
	wait_until 20 job_was "$job" COMPLETED
}

@test "scancel in the middle: what was done stays, the cell is marked" {
	local job
	notebook 'print("first")' $'import time\nprint("begun", flush=True)\ntime.sleep(600)' 'print("never")'
	job=$(run_job)
	wait_until 60 cell_is "$job" 2
	outputs_have "$job" "first"
	as_alice scancel "$job"
	wait_until 60 session_is "$job" failed
	run session_reason "$job"
	assert_has "nb.ipynb was interrupted in cell 2 of 3: told to end by SIGTERM"
	outputs_have "$job" "error Interrupted the session ended while this cell ran"
	run outputs "$job"
	assert_has "stream  first"
	assert_has_not never
}

@test "a kernel that is killed is told in words" {
	local job
	notebook 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)' '1'
	job=$(run_job)
	wait_until 60 session_is "$job" failed
	run session_reason "$job"
	assert_has "nb.ipynb failed in cell 1 of 2: its kernel python3 was ended by signal 9"
	outputs_have "$job" "error DeadKernelError"
	wait_until 10 job_log_has "$job" "os.kill(os.getpid(), signal.SIGKILL)"
	wait_until 20 job_was "$job" FAILED
}

@test "the head's program being killed is a failure, and leaves no kernel" {
	local job pid
	notebook 'import time; time.sleep(600)'
	job=$(run_job)
	wait_until 60 cell_is "$job" 1
	pid=$(server_pid "$job")
	kill -9 "$pid"
	wait_until 60 session_is "$job" failed
	run session_reason "$job"
	assert_has "the program that executes nb.ipynb was ended by signal 9"
}

@test "the first cell waits for the workers; a kind without any fails the session" {
	local job
	config_write <<-'END'
		[workers slow]
		worker = /bin/false
		ready_timeout = 4
		restarts = 0
	END
	notebook 'print("begun")'
	job=$(run_job --jupyter-workers=slow:1)
	wait_until 60 session_is "$job" failed
	run session_reason "$job"
	assert_has "nb.ipynb was not begun: no slow worker has come"
	run outputs "$job"
	assert_has_not begun
}

@test "with some workers missing it begins, and says so" {
	local job
	need_nodes 2
	config_write <<-'END'
		[workers half]
		worker = /bin/sh -c 'test $$SLURMD_NODENAME != n2 && sleep 3 && echo ready >&$$SPANK_JUPYTER_FD && exec sleep 600'
		ready_timeout = 2:00
		restarts = 0
	END
	notebook 'print("begun")'
	job=$(run_job -w n1,n2 --jupyter-workers=half:1)
	wait_until 60 session_is "$job" ended
	outputs_have "$job" "stream  begun"
	job_log_has "$job" "jupyter: executing nb.ipynb, but half: "
	run session_get "$job" 'r["workers"][0]["ready"], r["workers"][0]["expected"]'
	assert_equal "$output" "1 2"
}

@test "without kernelspec it is python3; one that is not there is named with those that are" {
	local job
	notebook --kernel= 'import sys; print(sys.version_info[0])'
	job=$(run_job)
	wait_until 60 session_is "$job" ended
	outputs_have "$job" "stream  3"
	notebook --kernel=julia-9 '1'
	fails_with "nb.ipynb: the kernel julia-9: there is no such kernelspec on this node; there are: "
}

@test "a kernelspec of the user's own is the one that executes" {
	local job
	as_alice mkdir -p .local/share/jupyter/kernels/faulty
	as_alice tee .local/share/jupyter/kernels/faulty/kernel.json >/dev/null <<<'{
		"argv": ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
		"env": {"FROM_SPEC": "yes"}, "display_name": "F", "language": "python"}'
	notebook --kernel=faulty 'import os; print(os.environ["FROM_SPEC"])'
	job=$(run_job)
	wait_until 60 session_is "$job" ended
	outputs_have "$job" "stream  yes"
	as_alice tee .local/share/jupyter/kernels/faulty/kernel.json >/dev/null <<<'{
		"argv": ["sh", "-c", "exit 3", "{connection_file}"], "display_name": "F", "language": "python"}'
	fails_with "the kernel faulty of nb.ipynb did not start"
	as_alice tee .local/share/jupyter/kernels/faulty/kernel.json >/dev/null <<<'{
		"argv": ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
		"display_name": "F", "language": "R"}'
	notebook --kernel=faulty $'parameters:x = 1' 'x'
	fails_with "for R there has to be papermill" --jupyter-param x=2
}

@test "nbformat 3 is executed and becomes 4" {
	local job
	as_alice tee nb.ipynb >/dev/null <<<'{"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""},
		"worksheets": [{"metadata": {}, "cells": [{"cell_type": "code", "collapsed": false, "language": "python",
		"metadata": {}, "input": "print(6 * 7)", "outputs": []}]}]}'
	job=$(run_job)
	wait_until 60 session_is "$job" ended
	outputs_have "$job" "stream  42"
	wait_until 10 job_log_has "$job" "is of nbformat 3: the executed one will be of nbformat 4"
}

@test "bad notebooks are refused when they are submitted" {
	refused "nb.ipynb: No such file or directory" --jupyter=run:nb.ipynb
	refused "has no notebook: give run:NOTEBOOK.ipynb" --jupyter=run
	refused "has no notebook: give run:NOTEBOOK.ipynb" --jupyter=run:
	as_alice mkdir nb-dir
	refused "a directory: give the path of a notebook" --jupyter=run:nb-dir
	as_alice tee nb.ipynb >/dev/null <<<'# not JSON'
	refused "not a notebook, since not JSON: line 1" --jupyter=run:nb.ipynb
	as_alice tee nb.ipynb >/dev/null <<<'{"a": 1}'
	refused "it has no nbformat" --jupyter=run:nb.ipynb
	as_alice tee nb.ipynb >/dev/null <<<'{"nbformat": 2, "worksheets": []}'
	refused "it has nbformat 2: 3 and 4 can be executed" --jupyter=run:nb.ipynb
	as_alice tee nb.ipynb >/dev/null <<<'{"nbformat": 4, "metadata": {"kernelspec": {"name": "../x"}}, "cells": []}'
	refused "the name in its metadata.kernelspec is not one" --jupyter=run:nb.ipynb
	as_alice truncate -s 101M nb.ipynb
	refused "more than the 100 MiB that are allowed" --jupyter=run:nb.ipynb
	notebook 1
	chmod 000 "$HOME_DIR/nb.ipynb"
	refused "nb.ipynb: Permission denied" --jupyter=run:nb.ipynb
	rm -f "$HOME_DIR/nb.ipynb"
	as_alice mkfifo nb.ipynb
	refused "not a regular file" --jupyter=run:nb.ipynb
}

@test "bad parameters are refused when they are submitted, in either order" {
	notebook $'parameters:alpha = 1\nbeta: int = 2' 'print(alpha, beta)'
	refused '"alpha" is not a parameter: give NAME=VALUE' --jupyter=run:nb.ipynb --jupyter-param alpha
	refused '"1a=2" is not a parameter' --jupyter=run:nb.ipynb --jupyter-param 1a=2
	refused '"=2" is not a parameter' --jupyter=run:nb.ipynb --jupyter-param =2
	refused '"a-b=2" is not a parameter' --jupyter=run:nb.ipynb --jupyter-param a-b=2
	refused "what begins with [ has to be JSON" --jupyter=run:nb.ipynb --jupyter-param 'alpha=[1,'
	refused "alhpa: no cell of $HOME_DIR/nb.ipynb has this name; its parameters are: alpha, beta" \
		--jupyter=run:nb.ipynb --jupyter-param alhpa=1
	refused "alhpa: no cell" --jupyter-param alhpa=1 --jupyter=run:nb.ipynb
	# None of these is looked for in a notebook: which one it is comes behind.
	refused "more than 16383 bytes" --jupyter-param "a1=$(printf %04000d 1)" \
		--jupyter-param "a2=$(printf %04000d 1)" --jupyter-param "a3=$(printf %04000d 1)" \
		--jupyter-param "a4=$(printf %04000d 1)" --jupyter-param "a5=$(printf %04000d 1)" --jupyter=run:nb.ipynb
}

@test "a parameter without default, and a notebook without defaults, are remarked in the log" {
	local job
	notebook 'parameters:alpha = 1' 'print(alpha + gamma)'
	job=$(run_job --jupyter-param gamma=2)
	wait_until 60 session_is "$job" ended
	job_log_has "$job" 'gamma: the cell tagged "parameters" has no default for it; it has: alpha'
	outputs_have "$job" "stream  3"
	notebook 'print(gamma)'
	job=$(run_job --jupyter-param gamma=2)
	wait_until 60 session_is "$job" ended
	job_log_has "$job" 'has no cell tagged "parameters": the values are set before its first cell'
	outputs_have "$job" "stream  2"
}

@test "an output that cannot be is refused; a full disk fails the job" {
	local job
	notebook 'print("x" * 3000000)'
	refused "/nowhere: No such file or directory" --jupyter=run:nb.ipynb --jupyter-output=/nowhere/a.ipynb
	refused "/etc: you may not write there" --jupyter=run:nb.ipynb --jupyter-output=/etc/a.ipynb
	refused "a directory: give the path of a file" --jupyter=run:nb.ipynb --jupyter-output=/tmp
	refused "the notebook itself, which is not changed" --jupyter=run:nb.ipynb --jupyter-output=./nb.ipynb
	refused "% is followed by j, A, a or %" --jupyter=run:nb.ipynb --jupyter-output=a-%x.ipynb
	in_slurmd n1 mount -t tmpfs -o size=1m,mode=1777 tmpfs /mnt
	job=$(run_job -w n1 --jupyter-output=/mnt/out-%j.ipynb)
	wait_until 60 session_is "$job" failed
	run session_reason "$job"
	assert_has "/mnt/out-$job.ipynb cannot be written: No space left on device"
	assert_equal "$(in_slurmd n1 ls -A /mnt)" "out-$job.ipynb"
	in_slurmd n1 python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "/mnt/out-$job.ipynb"
	wait_until 20 job_was "$job" FAILED
}
