# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# The tests on other releases of Slurm than this machine's: each is a stage of t/run, which
# sources this after suite.sh, and runs only where it is named.  The tree is built in a folder
# with the Debian that has the release, and the unit tests and a part of the bats suite run
# there, on a private cluster of that Slurm.  The folder stays in the build directory.

STAGES_RELEASES=(slurm-24.11 slurm-26.05)
# Of this machine, to make the folders.
MAKER_PACKAGES=(debootstrap debian-archive-keyring)
RELEASE_FILES=(30-session 31-triggers 35-slurm)
# Beside those of the build and of the cluster.  A JupyterLab is not in every Debian, and the
# notebook of Debian 13 takes a minute for its first answer from a kernel, whoever starts it.
RELEASE_PACKAGES=(jupyter-server python3-ipykernel python3 curl openssl)

stage_slurm-24.11() { release_run slurm-24.11 trixie; }
stage_slurm-26.05() { release_run slurm-26.05 forky; }

# release_run NAME SUITE
release_run() {
	local name=$1 suite=$2 units unit root
	root=$(readlink -f "$BUILDS")/$suite
	if [[ $EUID -ne 0 ]] || ! unshare --mount true 2>/dev/null; then
		tap_skip "$name" "needs root and mount namespaces"
		return
	fi
	stage_step "$name: Debian's $suite" "$TOP/t/lib/slurm-root" make "$root" "$suite" \
		"${BUILD_PACKAGES[@]}" "${CLUSTER_PACKAGES[@]}" "${RELEASE_PACKAGES[@]}"
	[[ $STEP_STATUS -eq 0 ]] || return 0
	stage_step "$name: $suite has it" release_is "$root" "${name#slurm-}"
	[[ $STEP_STATUS -eq 0 ]] || return 0
	mapfile -t units < <(programs_listed unit)
	stage_step "$name: build" release_build "$root" "${units[@]/#/unit/}"
	[[ $STEP_STATUS -eq 0 ]] || return 0
	mapfile -t -O "${#units[@]}" units < <(scripts_listed | sed 's/$/.py/')
	for unit in "${units[@]}"; do
		release_unit "$name" "$root" "$unit"
	done
	release_cluster "$name" "$root"
}

# release_is ROOT RELEASE: a suite that is not finished gets newer ones.
release_is() {
	local version
	version=$("$TOP/t/lib/slurm-root" run "$1" slurmd -V)
	echo "$version"
	[[ $version == slurm*" $2."* ]]
}

# release_build ROOT UNIT...: as software_install does it, in the folder.
release_build() {
	# shellcheck disable=SC2016
	"$TOP/t/lib/slurm-root" run "$1" bash -c '
		set -euo pipefail
		SOURCE=/source
		source /source/contrib/lib/build.sh
		build_all /build/test "$1" --enable-werror
		build_make /build/test/t "${@:2}"
		install -D -m 0644 /source/contrib/spank-jupyter.conf.example \
			"$1/etc/spank-jupyter/spank-jupyter.conf"' build "$PREFIX" "${@:2}"
}

# release_unit NAME ROOT UNIT: a program of the build there, or a script.
release_unit() {
	local path=unit/$3
	[[ $3 != *.py ]] || path=/source/t/$path
	tap_run "$1/${3%.py}" "$((UNIT_BOUND + 30))" "$TOP/t/lib/slurm-root" run "$2" \
		env -C /build/test/t srcdir=/source/t SJ_UNIT_BOUND="$UNIT_BOUND" \
		/source/t/lib/unit "$path"
}

# release_cluster NAME ROOT: the lane's cluster is of that Slurm meanwhile.
release_cluster() {
	local file
	cluster_end
	rm -f "$LOGS/jobs/cluster-$CLUSTER_INSTANCE.ours"
	export SJ_STACK=debian SJ_APP=server CLUSTER_INSTANCE CLUSTER_ROOT=$2
	cluster_begin "$1"
	for file in "${RELEASE_FILES[@]}"; do
		tap_run "$1/$file" "$BATS_BOUND" bats --tap "$TOP/t/$file.bats"
	done
	tap_one "$1/down" 120 "$CLUSTER" down
	rm -f "$LOGS/jobs/cluster-$CLUSTER_INSTANCE.ours"
	tap_one "$1/nothing-left" 30 "$TOP/t/lib/slurm-root" idle "$2"
}
