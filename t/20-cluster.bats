# SPDX-License-Identifier: MIT
#
# shellcheck disable=SC2016
# bats file_tags=without:cluster,without:stack
#
# contrib/cluster/cluster: what the private Slurm does for the tests and for a
# person who tries it.  Run by bats, as root, on an instance of its own.

bats_require_minimum_version 1.5.0

cluster=$BATS_TEST_DIRNAME/../contrib/cluster/cluster
state=/run/spank-jupyter-cluster/9
marker=/tmp/.sj-cluster-test.$$

setup_file() {
	local program
	[[ $EUID -eq 0 ]] || skip "needs root"
	for program in slurmctld slurmd munged sbatch; do
		command -v "$program" >/dev/null || skip "needs $program"
	done
	export CLUSTER_INSTANCE=9
	unset CLUSTER_PATH CLUSTER_PLUGSTACK CLUSTER_KILLWAIT CLUSTER_NO_NETNS CLUSTER_SITE CLUSTER_ROOT
	"$cluster" down
	"$cluster" up -n 2
	if grep -q '^NETNS=0' "$state/cluster"; then
		skip "needs network namespaces"
	fi
}

teardown_file() {
	"$cluster" down
}

# `cluster` as it is called in these tests: bounded, and bats's own fds closed.
cluster() {
	timeout -k 5 100 "$cluster" "$@" 3>&- 4>&-
}

as_alice() {
	cluster run -u sjalice9 -- "$@"
}

# Everything that instance 9 could leave on this machine, but its user's files.
leftovers() {
	ip -o link | grep -oE 'sj(br)?9[-@:][^ ]*' || true
	ls -d /run/netns/sj9-* /sys/fs/cgroup/*/sj9 "$state" 2>/dev/null || true
	grep -hE '^sj(alice|bob)9:' /etc/passwd /etc/group /etc/shadow /etc/subuid || true
	grep -E 'spank-jupyter-cluster/9|sj9-' /proc/self/mounts || true
	grep -lsE 'spank-jupyter-cluster/9/' /proc/[0-9]*/mountinfo || true
	pgrep -fa "$state/" || true
}

# sleepers SECONDS: how many processes sleep that long.
sleepers() {
	pgrep -cfx "(/usr/bin/)?sleep $1" || true
}

# is_usage_error: exit code 2 and one line, which names what is wrong ($1).
is_usage_error() {
	echo "$output"
	[[ $status -eq 2 && ${#lines[@]} -eq 1 && $output == *"$1"* ]]
}

@test "--help names every command" {
	run -0 cluster --help
	for command in up down status run link plugstack; do
		[[ $output == *"  $command"* ]]
	done
}

@test "bad input is one clear line and exit code 2" {
	run cluster
	is_usage_error "no command"
	run cluster frob
	is_usage_error "'frob'"
	run cluster up -n 0
	is_usage_error "'0'"
	run cluster up -n 100
	is_usage_error "'100'"
	run cluster up -n '2; id'
	is_usage_error "'2; id'"
	run cluster up -x
	is_usage_error "-x"
	run cluster up more
	is_usage_error "'more'"
	CLUSTER_ROOT=usr run cluster up
	is_usage_error "'usr'"
	CLUSTER_ROOT=/nonexistent run cluster up
	is_usage_error "'/nonexistent'"
	run cluster down now
	is_usage_error "'now'"
	run cluster status n1
	is_usage_error "'n1'"
	run cluster run
	is_usage_error "no command"
	run cluster run -n n3 -- true
	is_usage_error "'n3'"
	run cluster run -n ../n1 -- true
	is_usage_error "'../n1'"
	run cluster run -u no-such-user -- true
	is_usage_error "'no-such-user'"
	run cluster run -e 'A B=1' -- true
	is_usage_error "'A B=1'"
	run cluster link n1
	is_usage_error "link"
	run cluster link n1 sideways
	is_usage_error "'sideways'"
	run cluster plugstack
	is_usage_error "plugstack"
	CLUSTER_INSTANCE=10 run cluster status
	is_usage_error "'10'"
	CLUSTER_KILLWAIT=soon run cluster up
	is_usage_error "'soon'"
}

@test "an instance that is not up says so" {
	CLUSTER_INSTANCE=8
	[[ ! -e /run/spank-jupyter-cluster/8 ]] || skip "instance 8 is in use"
	run -3 cluster status
	[[ $output == *"not up"* ]]
	run -1 cluster run -- true
	[[ $output == *"not up"* ]]
	run -1 cluster link n1 up
	run -1 cluster plugstack ''
	run -0 cluster down
	[[ -z $output && ! -e /run/spank-jupyter-cluster/8 ]]
}

@test "status shows daemons and idle nodes" {
	run -0 cluster status
	[[ $output == *munged*slurmctld*slurmd-n1*slurmd-n2* ]]
	[[ $output == *"n1 idle"* && $output == *"n2 idle"* ]]
}

@test "up on a cluster that is up changes nothing" {
	before=$(cat "$state"/pid/* && cat "$state/etc/slurm.conf")
	run -0 cluster up
	run -0 cluster up -n 2
	[[ $(cat "$state"/pid/* && cat "$state/etc/slurm.conf") == "$before" ]]
	run -1 cluster up -n 3
	[[ $output == *"'cluster down' first"* ]]
}

@test "each node is a host: name, address, /etc/hosts" {
	run -0 cluster run -n n2 -- hostname
	[[ $output == n2 ]]
	run -0 cluster run -n n2 -- ip -o -4 address show eth0
	[[ $output == *" 10.77.9.12/24 "* ]]
	run -0 cluster run -n n1 -- getent hosts n2 login
	[[ $output == *10.77.9.12*10.77.9.1\ * ]]
	run -0 cluster run -- hostname
	[[ $output == "$(hostname)" ]]
}

@test "the host keeps its own /etc/hosts, /run/munge and name" {
	run ! grep -E 'spank-jupyter-cluster/' /proc/self/mountinfo
	run ! getent hosts n2
}

@test "a user's environment is that of a login, whatever the caller's" {
	export SECRET=1 SLURM_JOB_ID=7 CLUSTER_PATH=/opt/ours/bin
	run -0 cluster run -u sjalice9 -e 'A=b c' -- env
	[[ $output == *$'\nA=b c'* ]]
	[[ $output == *"HOME=$state/home/sjalice9"$'\n'* ]]
	[[ $output == *"USER=sjalice9"$'\n'* && $output == *"SHELL=/bin/bash"$'\n'* ]]
	[[ $output == *"PATH=/opt/ours/bin:/usr/local/bin:"* ]]
	[[ $output == *"SLURM_CONF=$state/etc/slurm.conf"$'\n'* ]]
	[[ $output != *SECRET* && $output != *SLURM_JOB_ID* && $output != *CLUSTER_* ]]
	run -0 as_alice sh -c 'pwd; id -un; id -Gn; umask'
	[[ $output == "$state/home/sjalice9"$'\nsjalice9\nsjalice9\n0022' ]]
	run -0 cluster run -u sjalice9 -C / -- pwd
	[[ $output == / ]]
	run -1 cluster run -C /no/such/folder -- true
	[[ $output == *"'/no/such/folder'"* ]]
	run -0 as_alice grep CapEff /proc/self/status
	[[ $output == *0000000000000000 ]]
}

@test "arguments, stdin and exit code pass through untouched" {
	run -0 as_alice printf '<%s>' 'a  b' '' "c'd\"" $'e\nf' '*' 'x=$HOME'
	[[ $output == "<a  b><><c'd\"><e"$'\n'"f><*><x=\$HOME>" ]]
	[[ $(echo through | as_alice cat) == through ]]
	[[ $(as_alice sh -c 'echo out; echo err >&2' 2>/dev/null) == out ]]
	run -7 as_alice sh -c 'exit 7'
	run -127 as_alice no-such-program
	run -143 as_alice sh -c 'kill $$'
}

@test "a signal reaches the command" {
	"$cluster" run -u sjalice9 -- sleep 600 3>&- &
	pid=$!
	deadline=$((SECONDS + 60))
	until [[ $(<"/proc/$pid/comm") == sleep ]]; do
		((SECONDS < deadline))
	done
	kill "$pid"
	code=0
	wait "$pid" || code=$?
	[[ $code -eq 143 ]]
}

@test "no open file of the caller is handed on but the first three" {
	exec 7</dev/null
	# The fourth is the folder that ls reads.
	run -0 as_alice ls /proc/self/fd
	[[ $output == $'0\n1\n2\n3' ]]
}

@test "users do not see each other's homes" {
	as_alice touch mine
	run ! cluster run -u sjbob9 -- ls "$state/home/sjalice9"
	run -0 cluster run -u sjalice9 -n n2 -- ls mine
}

@test "munge's default socket is the cluster's, and it is not the host's" {
	run -0 as_alice sh -c 'unset MUNGE_SOCKET; munge -n | unmunge'
	[[ $output == *"Success"* && $output == *"10.77.9.1)"* ]]
	run -0 cluster run -n n1 -- sh -c 'unset MUNGE_SOCKET; munge -n | unmunge'
	key=$(stat -c '%a %U' "$state/munged/key")
	[[ $key == "400 munge" || $key == "400 root" ]]
	[[ $(stat -c %a "$state/munged") == 700 ]]
}

@test "srun and sbatch run on both nodes" {
	run -0 as_alice srun -N2 -l sh -c 'hostname'
	[[ $(sort <<<"$output" | sed 's/.*: //' | sort | xargs) == "n1 n2" ]]
	as_alice sh -c 'cat >job.sh' <<-'END'
	#!/bin/sh
	srun hostname
	echo "batch on $(hostname)"
	exit 3
	END
	run -3 as_alice sbatch -N2 --wait -o job.out job.sh
	run -0 as_alice sort job.out
	[[ $output == $'batch on n1\nn1\nn2' ]]
}

@test "a job finds Slurm and munge with no environment at all" {
	[[ -d /etc/slurm ]] || skip "this machine has no /etc/slurm to stand in for"
	run -0 as_alice srun -N1 env -i /bin/sh -c 'sinfo -h -o %D; munge -n | unmunge | head -n 1'
	[[ $output == 2$'\n'*Success* ]]
}

@test "salloc opens a shell on the first node" {
	run -5 as_alice script -qec 'salloc -N2 sh -c "hostname; srun hostname | sort"; exit 5' /dev/null
	[[ $output == *n1*n2* ]]
	run -6 as_alice script -qec 'salloc -N2' /dev/null <<-'END'
	srun hostname </dev/null | sort | xargs
	exit 6
	END
	[[ $output == *"n1 n2"* ]]
}

@test "scancel ends a job everywhere" {
	job=$(as_alice sbatch --parsable -N2 -o sleep.out --wrap 'echo began; srun sleep 876')
	deadline=$((SECONDS + 60))
	until [[ $(sleepers 876) -eq 2 ]]; do
		((SECONDS < deadline))
	done
	as_alice scancel "$job"
	until [[ $(sleepers 876) -eq 0 ]]; do
		((SECONDS < deadline))
	done
}

@test "status shows a Jupyter session" {
	job=$(as_alice sbatch --parsable -N2 -o /dev/null --wrap 'srun -J jupyter sleep 875')
	deadline=$((SECONDS + 60))
	until run -0 cluster status && [[ $output == *"session $job.0 sjalice9 n[1-2]"* ]]; do
		((SECONDS < deadline))
	done
	as_alice scancel "$job"
}

@test "processes that leave their job's session are still tracked" {
	grep -q '^CGROUPS=1' "$state/cluster" || skip "no cgroups here"
	run -0 as_alice srun -N1 setsid -f sleep 877
	deadline=$((SECONDS + 60))
	until [[ $(sleepers 877) -eq 0 ]]; do
		((SECONDS < deadline))
	done
}

@test "two jobs share a node" {
	run -0 as_alice sh -c 'for k in 1 2 3; do srun -w n1 -n2 hostname & done; wait'
	[[ $(grep -c '^n1$' <<<"$output") -eq 6 ]]
}

# Whether slurmd of n2 can be reached from the login host.
n2_answers() {
	cluster run -- timeout 1 bash -c ': <>/dev/tcp/n2/16908' 2>/dev/null
}

@test "link cuts a node off, and joins it again" {
	n2_answers
	cluster link n2 down
	run ! n2_answers
	cluster link n2 up
	deadline=$((SECONDS + 60))
	until n2_answers; do
		((SECONDS < deadline))
	done
	run -2 cluster link n9 down
}

@test "up repairs a killed daemon" {
	for daemon in slurmd-n2 munged slurmctld; do
		deadline=$((SECONDS + 60))
		until [[ -z $(cluster run -- squeue -h) ]]; do
			((SECONDS < deadline))
		done
		kill -KILL "$(<"$state/pid/$daemon")"
		until run cluster status && [[ $status -eq 1 ]]; do
			((SECONDS < deadline))
		done
		[[ $output == *"$daemon "*"does not run"* ]]
		run -0 cluster up
		run -0 cluster status
	done
	run -0 as_alice srun -N2 hostname
}

@test "plugstack is rewritten and read by slurmd again" {
	pids=$(cat "$state"/pid/slurmd-*)
	run -0 cluster plugstack '# one' '# two'
	[[ $(<"$state/etc/plugstack.conf") == $'# one\n# two' ]]
	[[ $(cat "$state"/pid/slurmd-*) != "$pids" ]]
	run -0 as_alice srun -N2 hostname
	CLUSTER_PLUGSTACK='# three' run -0 cluster up
	[[ $(<"$state/etc/plugstack.conf") == '# three' ]]
	run -0 cluster plugstack ''
	[[ -z $(<"$state/etc/plugstack.conf") ]]
}

@test "CLUSTER_KILLWAIT changes Slurm's KillWait and stays" {
	CLUSTER_KILLWAIT=6 run -0 cluster up
	run -0 cluster up
	run -0 as_alice scontrol show config
	[[ $output =~ KillWait\ +=\ 6\ sec ]]
}

@test "nothing stays on the host's addresses" {
	run -0 ss -Hltn
	[[ $output == *10.77.9.1:16907* ]]
	[[ ! $output =~ (0\.0\.0\.0|\*|127\.0\.0\.1):1690[78] ]]
}

@test "a second instance is another cluster" {
	[[ ! -e /run/spank-jupyter-cluster/8 ]] || skip "instance 8 is in use"
	CLUSTER_INSTANCE=8 run -0 cluster up -n 1
	job=$(as_alice sbatch --parsable -w n1 -o /dev/null --wrap 'sleep 874')
	deadline=$((SECONDS + 60))
	until [[ $(as_alice squeue -h -j "$job" -o %T) == RUNNING ]]; do
		((SECONDS < deadline))
	done
	run -0 env CLUSTER_INSTANCE=8 "$cluster" run -u sjalice8 -- squeue -h
	[[ -z $output ]]
	run -0 env CLUSTER_INSTANCE=8 "$cluster" run -u sjalice8 -- srun -w n1 id -un
	[[ $output == sjalice8 ]]
	run -0 env CLUSTER_INSTANCE=8 "$cluster" down
	run -0 cluster status
	[[ $output == *"n1 mixed"* ]]
	as_alice scancel "$job"
}

@test "down ends everything and leaves nothing" {
	as_alice sbatch -N2 -o /dev/null --wrap 'srun sleep 878'
	as_alice setsid -f sleep 878
	cluster run -- setsid -f sleep 878
	as_alice touch "$marker"
	deadline=$((SECONDS + 60))
	until [[ $(sleepers 878) -eq 4 ]]; do
		((SECONDS < deadline))
	done
	[[ -n $(leftovers) ]]
	run -0 cluster down
	[[ -z $output ]]
	[[ $(sleepers 878) -eq 0 ]]
	[[ ! -e $marker ]]
	leftovers
	[[ -z $(leftovers) ]]
	run -0 cluster down
	[[ -z $output ]]
	run -3 cluster status
}

@test "an up that fails names the daemon and leaves nothing" {
	cluster down
	CLUSTER_PLUGSTACK='required /no/such/plugin.so' run -1 cluster up -n 2
	[[ $output == *"slurmd-n1 did not start"* && $output == *"/no/such/plugin.so"* ]]
	leftovers
	[[ -z $(leftovers) ]]
}

@test "an up that is interrupted leaves nothing" {
	cluster down
	"$cluster" up -n 2 3>&- &
	pid=$!
	deadline=$((SECONDS + 60))
	until [[ -e $state/pid/munged ]]; do
		((SECONDS < deadline))
	done
	kill "$pid"
	code=0
	wait "$pid" || code=$?
	[[ $code -eq 1 ]]
	leftovers
	[[ -z $(leftovers) ]]
}

@test "a site's settings may be the cluster's own" {
	local site=$BATS_TEST_TMPDIR/etc program=$BATS_TEST_TMPDIR/read
	mkdir "$site"
	echo "the site's" >"$site/conf"
	printf '#!/bin/sh\nexec cat %s/conf\n' "$site" >"$program"
	run -2 env CLUSTER_SITE=etc "$cluster" up
	cluster down
	CLUSTER_SITE=$site run -0 cluster up -n 1
	run -0 cluster run -n n1 -- sh "$program"
	[[ $output == "the site's" ]]
	echo "the cluster's" >"$state/site/conf"
	run -0 cluster run -- srun sh "$program"
	[[ $output == "the cluster's" ]]
	[[ $(sh "$program") == "the site's" ]]
	cluster down
	CLUSTER_SITE='' run -0 cluster up -n 1
	CLUSTER_SITE=$site run -0 cluster up
	run -0 cluster run -- sh "$program"
	[[ $output == "the site's" && ! -e $state/site ]]
}

@test "another system's Slurm is looked for in its folder, and only where none is up" {
	local root=$BATS_TEST_TMPDIR/root
	mkdir "$root"
	CLUSTER_ROOT=$root run -1 cluster up
	[[ $output == *"missing in $root"*slurmctld* && ${#lines[@]} -eq 1 ]]
	mkdir -p "$root/usr/bin"
	ln -s /bin/true "$root/usr/bin/slurmctld"
	ln -s /bin/true "$root/usr/bin/slurmd"
	ln -s /bin/true "$root/usr/bin/sbatch"
	ln -s /bin/true "$root/usr/bin/munged"
	CLUSTER_ROOT=$root run -1 cluster up
	[[ $output == *"'cluster down' first"* ]]
}

@test "without network namespaces there is one node, on the loopback" {
	cluster down
	CLUSTER_NO_NETNS=1 run -0 cluster up -n 3
	[[ $output == *"one node"* ]]
	run -0 as_alice srun -N1 sh -c 'echo "$SLURMD_NODENAME"'
	[[ $output == n1 ]]
	run -0 ss -Hltn
	[[ $output == *127.0.0.1:16907* && ! $output =~ (0\.0\.0\.0|\*):1690[78] ]]
	run -1 cluster link n1 down
	run -0 cluster down
	[[ -z $(leftovers) ]]
}

@test "a user that was there before stays" {
	cluster down
	useradd --no-create-home --home-dir /nonexistent sjbob9
	CLUSTER_NO_NETNS=1 run -0 cluster up
	run -0 cluster down
	run -0 getent passwd sjbob9
	userdel sjbob9
}
