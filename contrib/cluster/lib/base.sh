# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# The names of an instance, how a failure is said, and how something is waited
# for.  Sourced by contrib/cluster/cluster (root).

BASE=/run/spank-jupyter-cluster

# Seconds after which any wait of this script is given up.
DEADLINE=60

names_set() {
	INSTANCE=$1
	STATE=$BASE/$1
	ROOT=
	UPLINK=sjbr$1
	SWITCH=sj$1-switch
	SUBNET=10.77.$1
	ALICE=sjalice${1#0}
	BOB=sjbob${1#0}
	HUB=sjhub${1#0}
	CTLD_PORT=$((16817 + $1 * 10))
	SLURMD_PORT=$((16818 + $1 * 10))
}

die() {
	echo "cluster: $*" >&2
	exit 1
}

usage_error() {
	echo "cluster: $* (see cluster --help)" >&2
	exit 2
}

need_root() {
	[[ $EUID -eq 0 ]] || die "must be run as root (try sudo)"
}

# Those of Slurm are looked for where the cluster is to run them.
need_tools() {
	local path=$PATH
	need_programs "$PATH" "" ip:iproute2 useradd:passwd ps:procps unshare:util-linux \
		setpriv:util-linux
	if [[ ${CLUSTER_ROOT-} ]]; then
		path=$CLUSTER_ROOT/usr/sbin:$CLUSTER_ROOT/usr/bin
	fi
	need_programs "$path" "${CLUSTER_ROOT:+ in $CLUSTER_ROOT}" \
		slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client munged:munge
}

# need_programs PATH WHERE PROGRAM:PACKAGE...
need_programs() {
	local pair missing=() path=$1 where=$2
	shift 2
	for pair in "$@"; do
		PATH=$path command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
	done
	[[ ${#missing[@]} -eq 0 ]] ||
		die "programs are missing$where: apt-get install ${missing[*]}"
}

need_up() {
	need_root
	state_exists || die "instance $INSTANCE is not up: 'cluster up' first"
	state_load
}

node_check() {
	[[ $1 =~ ^n[1-9][0-9]?$ && ${1#n} -le $NODES ]] ||
		usage_error "no node '$1': the last one is n$NODES"
}

# Runs a step of `up` and prints it with the seconds that it took.
step() {
	local what=$1 begin=${EPOCHREALTIME/./} took
	shift
	"$@"
	took=$((${EPOCHREALTIME/./} - begin))
	printf '%-28s %3d.%02d s\n' "$what" $((took / 1000000)) $((took / 10000 % 100))
}

# until_true CMD...: runs CMD every 50 ms until it succeeds, fails at DEADLINE.
until_true() {
	local end=$((${EPOCHREALTIME/./} + DEADLINE * 1000000))
	until "$@"; do
		((${EPOCHREALTIME/./} < end)) || return 1
		sleep 0.05
	done
}

# What is started here outlives this script, and the caller may wait for the
# end of a pipe: nothing but stdin, stdout and stderr is handed on.  Bash reads
# the script itself from fd 255.
fds_close() {
	local fd
	for fd in "/proc/$$/fd"/*; do
		fd=${fd##*/}
		if [[ $fd -gt 2 && $fd -ne 255 ]]; then
			exec {fd}>&-
		fi
	done
}
