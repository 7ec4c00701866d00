#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ipython_dir.sh DIRECTORY KINDS: makes the job's IPYTHONDIR, which shows the user's
# own (configuration, startup files, history, other profiles), but keeps connection
# files, logs and pids of its own, so that ipp.Client() finds the job's controller and
# jobs do not disturb each other.  KINDS are the session's, comma-separated: mpi has a
# profile "mpi", with a controller of its own where there is ipyparallel's too.  Run by
# jupyter-agent for [workers ipyparallel] and [workers mpi] on every node, as the user;
# twice at once on the first one, so it makes only what is not there.
set -u
umask 077

[ $# -eq 2 ] || {
	echo "usage: ipython_dir.sh DIRECTORY KINDS" >&2
	exit 2
}
job=$1
kinds=,$2,
own=${IPYTHONDIR:-${HOME:-/nonexistent}/.ipython}
[ "$own" != "$job" ] || own=${HOME:-/nonexistent}/.ipython

# show FROM TO: all that is in FROM is seen in TO, but for what is there already.
show() {
	for entry in "$1"/* "$1"/.[!.]*; do
		name=${entry##*/}
		[ -e "$entry" ] || [ -L "$entry" ] || continue
		[ -e "$2/$name" ] || [ -L "$2/$name" ] || ln -s "$entry" "$2/$name" 2>/dev/null ||
			[ -L "$2/$name" ] || echo "ipython_dir.sh: $2/$name cannot be made" >&2
	done
}

# profile NAME OWN: the job's profile of that name, which shows the user's OWN.
profile() {
	mkdir -p "$job/profile_$1/log" "$job/profile_$1/pid" || exit 1
	if [ "$1" = default ] || case $kinds in *,ipyparallel,*) ;; *) false ;; esac then
		mkdir -p "$job/profile_$1/security" || exit 1
	elif [ ! -e "$job/profile_$1/security" ]; then
		ln -s ../profile_default/security "$job/profile_$1/security" 2>/dev/null ||
			[ -e "$job/profile_$1/security" ] || exit 1
	fi
	show "$own/profile_$2" "$job/profile_$1"
}

mkdir -p "$job" || exit 1
# What IPython would make itself, and the job's end must not take away.
if mkdir -p "$own/profile_default/startup" "$own/profile_default/db" 2>/dev/null; then
	[ -L "$job/profile_default/history.sqlite" ] || {
		mkdir -p "$job/profile_default" &&
			ln -s "$own/profile_default/history.sqlite" \
				"$job/profile_default/history.sqlite" 2>/dev/null
	}
fi
profile default default
case $kinds in
*,mpi,*)
	if [ -d "$own/profile_mpi" ]; then
		profile mpi mpi
	else
		profile mpi default
	fi
	;;
esac
show "$own" "$job"
