# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# Builds the source tree in a build directory outside of it.  Sourced by
# contrib/quickstart and t/run; each function ends at the first failure where
# the caller has errexit set.  The caller sets SOURCE, the top of the tree.

# Where builds go: one folder in it for each kind of build.
BUILDS=${SPANK_JUPYTER_BUILD:-$SOURCE/build}

# A tarball brings its configure; in a checkout it is made where it is missing
# or older than what it is made from.
build_bootstrap() {
	local source=$SOURCE/configure.ac
	if [[ ! -e $SOURCE/configure || ! -e $SOURCE/Makefile.in ]] ||
		[[ -n $(find "$source" "$SOURCE"/Makefile.am "$SOURCE"/*/Makefile.am \
			-newer "$SOURCE/configure" -print -quit) ]]; then
		autoreconf -fi "$SOURCE"
		touch "$SOURCE/configure"
	fi
	if [[ -e $SOURCE/config.status ]]; then
		echo "$SOURCE is configured in place: run make distclean there first" >&2
		return 1
	fi
}

# build_configure DIR ARGUMENTS...: again only where what configure says or the arguments
# are others than last time; make sees to the rest.
build_configure() {
	local dir=$1 lock arguments
	shift
	arguments="$* $(cksum <"$SOURCE/configure")"
	mkdir -p "$(dirname "$dir")"
	exec {lock}>"$dir.lock"
	flock "$lock"
	if [[ ! -e $dir/config.status || $(cat "$dir/arguments" 2>/dev/null) != "$arguments" ]]; then
		rm -rf "$dir"
		mkdir -p "$dir"
		(cd "$dir" && "$SOURCE/configure" --quiet "$@")
		echo "$arguments" >"$dir/arguments"
	fi
	exec {lock}>&-
}

# build_make DIR TARGET...: one make at a time in a directory.
build_make() {
	flock "$1/make.lock" make --no-print-directory -C "$1" -j"$(nproc)" "${@:2}"
}

# build_all DIR PREFIX ARGUMENTS...: built from DIR and installed in PREFIX.
build_all() {
	build_bootstrap
	build_configure "$1" --prefix="$2" "${@:3}"
	build_make "$1" all
	build_make "$1" install
}
