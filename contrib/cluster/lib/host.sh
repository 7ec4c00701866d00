# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Runs a command on a host of the cluster: the login host or a node.  Sourced
# by contrib/cluster/cluster (root).

# host_prefix HOST: sets PREFIX to the start of a command line that runs the
# rest of it in the namespaces of HOST.  Each program in it replaces itself by
# the next, so that the command keeps pid, terminal and signals.
host_prefix() {
	PREFIX=()
	[[ $MOUNTNS -eq 1 ]] || return 0
	if [[ $1 != login && $NETNS -eq 1 ]]; then
		PREFIX=(nsenter --net="/run/netns/sj$INSTANCE-$1")
	fi
	PREFIX+=(unshare --mount --uts --propagation slave
		"$LIB/enter" "$STATE" "$1" "$NETNS" "$CGROUPS" "$ROOT")
}

# daemon_prefix HOST: the same, with the environment that daemons have.
daemon_prefix() {
	host_prefix "$1"
	PREFIX+=(env -i -C / SLURM_CONF="$STATE/etc/slurm.conf"
		MUNGE_SOCKET="$STATE/munge/munge.socket.2"
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
}

# host_command HOST CMD...: one of Slurm's commands, for this script.
host_command() {
	local PREFIX
	daemon_prefix "$1"
	"${PREFIX[@]}" timeout "$DEADLINE" "${@:2}" </dev/null
}

# host_run USER HOST DIR N NAME=VALUE{N} CMD...: becomes CMD, as after a login.
host_run() {
	local dir=$3 env=("${@:5:$4}") command=("${@:5+$4}") host=$2
	local record user home shell name path=/usr/local/bin:/usr/bin:/bin
	record=$(getent passwd -- "$1") || usage_error "run: no user '$1'"
	IFS=: read -r user _ _ _ _ home shell <<<"$record"
	if [[ $user == root ]]; then
		path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	fi
	for name in TERM LANG; do
		[[ -z ${!name-} ]] || env=("$name=${!name}" "${env[@]}")
	done
	[[ -d $ROOT${dir:=$home} || -d $dir ]] || die "run: no directory '$dir'"
	host_prefix "$host"
	exec "${PREFIX[@]}" env -i -C "$dir" HOME="$home" USER="$user" LOGNAME="$user" \
		SHELL="$shell" PATH="${CLUSTER_PATH:+$CLUSTER_PATH:}$path" \
		SLURM_CONF="$STATE/etc/slurm.conf" \
		MUNGE_SOCKET="$STATE/munge/munge.socket.2" "${env[@]}" \
		"$(command -v setpriv)" --reuid="$user" --regid="$(id -g "$user")" \
		--init-groups --inh-caps=-all -- "${command[@]}"
}
