# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The state folder of an instance: created, locked, read, removed.  Next to the
# instances' folders, made-* files tell what was made on the host for all of
# them.  Sourced by contrib/cluster/cluster (root).

state_exists() { [[ -f $STATE/cluster ]]; }

# STATE/cluster keeps what later commands cannot ask the machine again.
state_load() {
	# shellcheck source=/dev/null
	source "$STATE/cluster"
}

# folder_lock FD FOLDER [create]: locks a folder until FD is closed; fails where
# there is none.  Whoever had the lock may have removed the folder: again then.
folder_lock() {
	local end=$((SECONDS + DEADLINE))
	while ((SECONDS < end)); do
		[[ ${3-} != create ]] || mkdir -p "$2"
		{ eval "exec $1<\"\$2\""; } 2>/dev/null || return 1
		flock -w "$DEADLINE" "$1" || break
		if [[ $(stat -Lc %i "/proc/self/fd/$1") == "$(stat -c %i "$2" 2>/dev/null)" ]]; then
			return 0
		fi
	done
	die "another cluster command holds $2"
}

# state_lock [create]: one up, down or plugstack per instance at a time.
state_lock() { folder_lock 9 "$STATE" "$@"; }

# state_create NODES: finds out what this machine allows.
state_create() {
	NODES=$1 NETNS=0 MOUNTNS=0 CGROUPS=0 KILLWAIT=10
	if unshare --mount --uts --propagation slave true 2>/dev/null; then
		MOUNTNS=1
	fi
	ROOT=${CLUSTER_ROOT-}
	[[ -z $ROOT || $MOUNTNS -eq 1 ]] || die "CLUSTER_ROOT needs mount namespaces"
	if [[ $MOUNTNS -eq 1 ]] && cgroups_possible; then
		CGROUPS=1
	fi
	folder_lock 8 "$BASE" create
	# A mount point for the munge socket's folder, where munge never ran.
	if [[ $MOUNTNS -eq 1 && ! -d /run/munge ]]; then
		mkdir /run/munge
		touch "$BASE/made-run-munge"
	fi
	# And one for the hosts file, which a bare root file system lacks.
	if [[ $MOUNTNS -eq 1 && ! -e /etc/hosts ]]; then
		echo "127.0.0.1 localhost" >/etc/hosts
		touch "$BASE/made-etc-hosts"
	fi
	if [[ $MOUNTNS -eq 1 && ${CLUSTER_NO_NETNS:-0} != 1 ]] && network_possible; then
		NETNS=1
	else
		echo "no network namespaces here: one node, n1, on 127.0.0.1"
		NODES=1
	fi
	exec 8<&-
	site_copy
	state_save
}

# A site's settings that change while others use the same software: see enter.  Only in a new
# cluster: of one that runs, not all would see them.
site_copy() {
	if [[ -n ${CLUSTER_SITE-} && $MOUNTNS -eq 1 ]]; then
		cp -rT -- "$ROOT$CLUSTER_SITE" "$STATE/site"
		printf '%s\n' "$CLUSTER_SITE" | file_write "$STATE/site-of"
	fi
}

state_save() {
	printf '%s=%s\n' NODES "$NODES" NETNS "$NETNS" MOUNTNS "$MOUNTNS" \
		CGROUPS "$CGROUPS" KILLWAIT "$KILLWAIT" ROOT "${ROOT@Q}" | file_write "$STATE/cluster"
}

# With the last instance goes what was made for all of them.
state_remove() {
	folder_lock 8 "$BASE"
	rm -rf --one-file-system "$STATE"
	if ! compgen -G "$BASE/[0-9]" >/dev/null; then
		if [[ -e $BASE/made-run-munge ]]; then
			rmdir /run/munge 2>/dev/null || true
		fi
		if [[ -e $BASE/made-etc-hosts ]]; then
			rm -f /etc/hosts
		fi
		if [[ -e $BASE/made-run-netns ]]; then
			umount -n /run/netns 2>/dev/null || true
			rmdir /run/netns 2>/dev/null || true
		fi
		rm -f "$BASE"/made-*
		# Somebody's new instance may have come in the meantime.
		rmdir "$BASE" 2>/dev/null || true
	fi
	exec 8<&-
}
