# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The two unprivileged users of an instance, and their homes, which all nodes
# share.  Sourced by contrib/cluster/cluster (root).

USERS_COMMENT="spank-jupyter cluster"

users_create() {
	local user home
	for user in "$ALICE" "$BOB"; do
		home=$STATE/home/$user
		if ! getent passwd "$user" >/dev/null; then
			useradd --no-create-home --user-group --home-dir "$home" --shell /bin/bash \
				--comment "$USERS_COMMENT $INSTANCE" "$user"
		fi
		[[ -d $home ]] || install -d -m 0700 -o "$user" -g "$(id -g "$user")" "$home"
	done
}

# Prints those of the two, and of the hub's account, that were made here, and are therefore
# removed again.
users_made() {
	getent passwd "$ALICE" "$BOB" "$HUB" | awk -F: -v c="$USERS_COMMENT $INSTANCE" '$5 == c { print $1 }'
}

# Their files outside the state folder go too: the next user to be created on
# this machine gets their uid.
users_remove() {
	local user
	for user in $(users_made); do
		find /tmp /var/tmp /dev/shm -xdev -user "$user" -delete 2>/dev/null || true
		userdel "$user"
	done
}
