#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Kernels on compute nodes for a Jupyter on the login host: contrib/kernel-provisioner with
# kernelspecs of `sjupyter kernelspec install`, by jupyter_client, a Jupyter server and consoles.

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
