#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A bare kernel: --jupyter=kernel[:KERNELSPEC], as the head starts and watches it.

load lib/common
load lib/session

setup() {
	jobs_cancel
}

teardown() {
	config_restore
	rm -rf "$(home_of "$ALICE")/.local/share/jupyter/kernels/faulty"
	jobs_cancel
	nothing_left
}

kernel_job() {
	submit "$@" --wrap 'sjupyter wait; echo "wait said $?"'
}

# faulty_spec ARGV: alice's kernelspec "faulty", argv as JSON.
faulty_spec() {
	as_alice mkdir -p .local/share/jupyter/kernels/faulty
	as_alice tee .local/share/jupyter/kernels/faulty/kernel.json >/dev/null \
		<<<"{\"argv\": $1, \"display_name\": \"Faulty\", \"language\": \"none\"}"
}

# fails_with WORDS SBATCH_ARGUMENTS...: the session of JOB fails and the job's log says why.
fails_with() {
	JOB=$(kernel_job "${@:2}")
	wait_until 60 session_is "$JOB" failed
	wait_until 10 job_log_has "$JOB" "$1"
	wait_until 10 job_log_has "$JOB" "wait said 1"
}

kernel_is_not() {
	local pid
	pid=$(server_pid "$1") && [[ $pid != "$2" ]]
}

@test "a kernel gets ready, says how to attach, and no network reaches it" {
	local job runtime pid inodes channel
	job=$(kernel_job --jupyter=kernel)
	wait_until 60 session_is "$job" ready
	assert_equal "$(session_get "$job" 'r["app"]')" kernel:python3
	run session_get "$job" 'r["url"]'
	assert_has kernel://
	wait_until 10 job_log_has "$job" "sjupyter kernel $job"
	runtime=$(session_get "$job" 'r["head"]["runtime_dir"]')
	assert_equal "$(stat -c %a "$runtime/kernel.json")" 600
	assert_equal "$(stat -c %a "$runtime")" 700
	for channel in 1 2 3 4 5; do
		[[ -S $runtime/kernel-$channel ]]
	done
	pid=$(server_pid "$job")
	inodes=$(find "/proc/$pid/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n' | paste -sd '|')
	[[ -n $inodes ]]
	# A pipe of ipykernel's own is on loopback.
	run awk -v inodes="^($inodes)$" '$4 == "0A" && $10 ~ inodes && $2 !~ /^0100007F:/' \
		"/proc/$pid/net/tcp"
	assert_equal "$output" ""
}

@test "a kernelspec that does not exist is named with those that do" {
	fails_with "there is no such kernelspec on this node; there are: " --jupyter=kernel:julia
	# The machine may have others.
	job_log "$JOB" | grep -E 'there are: ([a-z0-9]+, )*python3'
}

@test "a kernel whose program is missing, and one that dies at once, are failures" {
	faulty_spec '["no-such-program", "{connection_file}"]'
	fails_with 'starts "no-such-program", which is not a program that you may run' \
		--jupyter=kernel:faulty
	faulty_spec '["sh", "-c", "echo what went wrong >&2; exit 7", "{connection_file}"]'
	fails_with "the kernel faulty ended with exit status 7: what went wrong" \
		--jupyter=kernel:faulty
}

@test "a kernelspec of a provisioner is refused: it would submit a job from each job" {
	faulty_spec '["sh"], "metadata": {"kernel_provisioner": {"provisioner_name": "other"}}'
	fails_with 'started by the provisioner "other"' --jupyter=kernel:faulty
}

@test "a kernel that is killed comes back at the same address" {
	local job pid url
	job=$(kernel_job --jupyter=kernel)
	wait_until 60 session_is "$job" ready
	url=$(session_get "$job" 'r["url"]')
	pid=$(server_pid "$job")
	kill -9 "$pid"
	wait_until 30 kernel_is_not "$job" "$pid"
	wait_until 60 session_is "$job" ready
	assert_equal "$(session_get "$job" 'r["server_restarts"]')" 1
	assert_equal "$(session_get "$job" 'r["url"]')" "$url"
	job_log_has "$job" "the kernel python3 was ended by signal 9"
}

@test "a kernel that is stopped is told, and told again when it goes on" {
	local job pid
	job=$(kernel_job --jupyter=kernel)
	wait_until 60 session_is "$job" ready
	pid=$(server_pid "$job")
	kill -STOP "$pid"
	wait_until 30 session_is "$job" degraded
	run session_reason "$job"
	assert_has "hangs or is stopped"
	kill -CONT "$pid"
	wait_until 30 session_is "$job" ready
	kill -STOP "$pid"
	wait_until 30 session_is "$job" degraded
	as_alice sjupyter stop "$job"
	wait_until 30 session_is "$job" ended
}

@test "the init file's environment reaches the kernel, a Jupyter's around sbatch does not" {
	local job pid
	as_alice tee init.sh >/dev/null <<<'export FROM_INIT=yes'
	job=$(as_alice env JPY_PARENT_PID=1234 timeout 30 sbatch --parsable --output=job-%j.log \
		--jupyter=kernel --jupyter-init=init.sh --wrap 'sjupyter wait')
	wait_until 60 session_is "$job" ready
	pid=$(server_pid "$job")
	run tr '\0' '\n' <"/proc/$pid/environ"
	assert_has FROM_INIT=yes
	assert_has_not JPY_PARENT_PID
}
