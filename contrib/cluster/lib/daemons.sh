# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# munged, slurmctld and the slurmds: started, awaited, restarted.  Sourced by
# contrib/cluster/cluster (root).

# daemon_pid NAME: prints the pid of munged, slurmctld or slurmd-nK, fails where
# it does not run.
daemon_pid() {
	local pid
	pid=$(cat "$STATE/pid/$1" 2>/dev/null) || return 1
	# A zombie that init has not reaped has a name still, but no program.
	[[ $pid && -e /proc/$pid/exe && $(<"/proc/$pid/comm") == "${1%-*}" ]] || return 1
	echo "$pid"
}

daemon_runs() { daemon_pid "$1" >/dev/null; }

daemon_ended() { ! daemon_runs "$1"; }

# daemon_start NAME HOST CMD...: CMD stays in the foreground, in a session of its
# own, so that its pid is known from the start and its death is seen.
daemon_start() {
	local PREFIX
	daemon_prefix "$2"
	setsid "${PREFIX[@]}" "${@:3}" </dev/null >"$STATE/log/$1.err" 2>&1 9>&- &
	echo $! >"$STATE/pid/$1"
	disown
}

# daemon_wait NAME CMD...: waits until CMD succeeds; where NAME ends before, says
# so with the last lines of its log.
daemon_wait() {
	if ! until_true daemon_settled "$@" || ! "${@:2}"; then
		echo "cluster: $1 did not start; the end of its log:" >&2
		tail -n 10 "$STATE/log/$1.err" >&2
		exit 1
	fi
}

# Children of this script that have ended are reaped by bash.
daemon_settled() { "${@:2}" || ! kill -0 "$(<"$STATE/pid/$1")" 2>/dev/null; }

munged_start() {
	local owner=root dir=$STATE/munged
	! daemon_runs munged || return 0
	if getent passwd munge >/dev/null; then
		owner=munge
	fi
	install -d -m 0700 -o "$owner" "$dir"
	install -d -m 0755 -o "$owner" "$STATE/munge"
	if [[ ! -s $dir/key ]]; then
		(umask 0377 && head -c 128 /dev/urandom >"$dir/key")
		chown "$owner" "$dir/key"
	fi
	rm -f "$STATE"/munge/*
	daemon_start munged login setpriv --reuid="$owner" --regid="$(id -g "$owner")" \
		--clear-groups munged --foreground --socket="$STATE/munge/munge.socket.2" \
		--key-file="$dir/key" --pid-file="$dir/pid" --seed-file="$dir/seed"
	daemon_wait munged munged_ready
}

munged_ready() { host_command login munge -n -S "$STATE/munge/munge.socket.2" >/dev/null 2>&1; }

slurmctld_start() {
	! daemon_runs slurmctld || return 0
	daemon_start slurmctld login slurmctld -D
	daemon_wait slurmctld slurmctld_ready
}

slurmctld_ready() {
	daemon_runs slurmctld && host_command login scontrol ping 2>/dev/null | grep -q 'is UP'
}

# A slurmd writes its pid file once it listens.
slurmds_start() {
	local k started=()
	for ((k = 1; k <= NODES; k++)); do
		! daemon_runs "slurmd-n$k" || continue
		mkdir -p "$STATE/spool/n$k"
		rm -f "$STATE/spool/n$k.pid"
		daemon_start "slurmd-n$k" "n$k" slurmd -D -N "n$k"
		started+=("n$k")
	done
	for k in "${started[@]}"; do
		daemon_wait "slurmd-$k" test -s "$STATE/spool/$k.pid"
	done
}

# Running jobs go on: a slurmd that starts finds its slurmstepds again.
slurmds_restart() {
	local k pid
	for ((k = 1; k <= NODES; k++)); do
		if pid=$(daemon_pid "slurmd-n$k"); then
			kill "$pid"
		fi
	done
	for ((k = 1; k <= NODES; k++)); do
		until_true daemon_ended "slurmd-n$k" || die "slurmd of n$k does not end"
	done
	slurmds_start
}

# Prints a line per daemon, fails where one does not run.
daemons_print() {
	local k name bad=0 names=(munged slurmctld)
	for ((k = 1; k <= NODES; k++)); do
		names+=("slurmd-n$k")
	done
	for name in "${names[@]}"; do
		if daemon_runs "$name"; then
			printf '%-11s pid %s\n' "$name" "$(daemon_pid "$name")"
		else
			printf '%-11s does not run\n' "$name"
			bad=1
		fi
	done
	return "$bad"
}
