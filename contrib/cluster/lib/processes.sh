# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Ends what runs in an instance and removes its cgroups.  Sourced by
# contrib/cluster/cluster (root).

# Only cgroup v1.  With cgroup v2 Slurm 22.05 asks systemd for its cgroups, or
# takes them from under systemd: there processes are tracked without.
cgroups_possible() {
	# A later Slurm may come without its plugin for cgroup v1, which 26.05 calls deprecated.
	[[ -z $ROOT ]] || compgen -G "$ROOT/usr/lib/*/slurm*/cgroup_v1.so" >/dev/null || return 1
	[[ -w /sys/fs/cgroup/freezer/cgroup.procs && -w /sys/fs/cgroup/memory/cgroup.procs ]] &&
		unshare --cgroup true 2>/dev/null
}

cgroups_remove() {
	local top
	for top in /sys/fs/cgroup/{freezer,memory}/sj"$INSTANCE"; do
		until_true cgroup_remove "$top" || die "cgroup $top cannot be removed"
	done
}

cgroup_remove() {
	[[ ! -d $1 ]] || find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
}

# Prints the pids of everything in a mount namespace of this instance, whatever
# its user, cgroup and parent (the bind mount of the munge folder gives it
# away), of the daemons, and of whatever belongs to the users made here.
processes_list() {
	local pid user
	# A daemon that this script has just started, not in its namespace yet.
	cat "$STATE"/pid/* 2>/dev/null | while read -r pid; do
		awk -v parent=$$ '$3 != "Z" && $4 == parent { print $1 }' "/proc/$pid/stat" 2>/dev/null
	done || true
	grep -lsE " [^ ]*/spank-jupyter-cluster/$INSTANCE/munge(//deleted)? /run/munge " \
		/proc/[0-9]*/mountinfo | cut -d/ -f3
	for user in $(users_made); do
		ps -U "$user" -o stat=,pid= | awk '$1 !~ /^Z/ { print $2 }'
	done
	if [[ $MOUNTNS -eq 0 ]]; then
		grep -lsF "SLURM_CONF=$STATE/etc/slurm.conf" /proc/[0-9]*/environ | cut -d/ -f3 |
			while read -r pid; do
				[[ $(<"/proc/$pid/comm") != @(slurm|munged)* ]] || echo "$pid"
			done
	fi
	return 0
}

processes_kill() {
	until_true processes_kill_once || die "processes do not end: $(processes_list | xargs)"
}

processes_kill_once() {
	local pids
	pids=$(processes_list)
	[[ $pids ]] || return 0
	# shellcheck disable=SC2086
	kill -KILL $pids 2>/dev/null || true
	return 1
}
