# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# The kinds of tests, each a stage of t/run, which sources this after tap.sh and
# contrib/lib/*.sh.  A stage that cannot go on returns non-zero, which ends t/run
# and counts as a failure.

STAGES=(lint unit quickstart bats fuzz asan valgrind clang dist)

# Seconds for one unit test, for one under a checker, for one file of bats, and
# for a build or a quickstart.
UNIT_BOUND=120
CHECKED_BOUND=600
BATS_BOUND=900
BUILD_BOUND=900

CLUSTER=$TOP/contrib/cluster/cluster
CLUSTER_STATE=unknown
STACK=unknown

stage_lint() {
	tap_run lint 300 "$TOP/t/lib/lint"
}

# programs_listed unit|fuzz: those of t/Makefile.am; t/lib/lint sees to it that none is
# left out.
programs_listed() {
	sed -nE "s,^[[:space:]]+$1/((test|fuzz)_[a-z0-9_]+)( .*)?\$,\1,p" "$TOP/t/Makefile.am"
}

# scripts_listed: the unit tests that are programs as they are.
scripts_listed() {
	sed -nE 's,^dist_check_SCRIPTS = unit/(test_[a-z0-9_]+)\.py$,\1,p' "$TOP/t/Makefile.am"
}

# scripts_run UNIT...
scripts_run() {
	local unit
	for unit in "$@"; do
		tap_run "unit/$unit" "$((UNIT_BOUND + 30))" env SJ_UNIT_BOUND="$UNIT_BOUND" \
			"$TOP/t/lib/unit" "$TOP/t/unit/$unit.py"
	done
}

# stage_step WHAT CMD...: a step without which its stage cannot go on, left in
# STEP_STATUS; one failed test where it fails.
stage_step() {
	step_try "$@"
	if [[ $STEP_STATUS -ne 0 ]]; then
		step_tail 15
		TAP_FAILED=$((TAP_FAILED + 1))
	fi
}

# units_run BUILD NAME SECONDS WRAP UNIT...: builds the unit tests and runs each,
# through the words of WRAP, which t/lib/unit takes.
units_run() {
	local build=$1 name=$2 bound=$3 wrap=$4 unit
	shift 4
	stage_step "$name: build" build_make "$build/t" "${@/#/unit\/}"
	[[ $STEP_STATUS -eq 0 ]] || return 0
	for unit in "$@"; do
		tap_run "$name/$unit" "$((bound + 30))" env -C "$build/t" srcdir="$TOP/t" \
			SJ_UNIT_BOUND="$bound" SJ_UNIT_WRAP="$wrap" "$TOP/t/lib/unit" "unit/$unit"
	done
}

stage_unit() {
	local units scripts
	mapfile -t units < <(programs_listed unit)
	mapfile -t scripts < <(scripts_listed)
	units_run "$BUILDS/test" unit "$UNIT_BOUND" '' "${units[@]}"
	scripts_run "${scripts[@]}"
}

# An error that a sanitizer finds ends the program with a status of its own.
sanitizers_build() {
	export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
	export UBSAN_OPTIONS=print_stacktrace=1
	stage_step "sanitizers: configure" build_configure "$BUILDS/asan" \
		--prefix="$PREFIX/asan" --enable-werror --enable-sanitizers
	[[ $STEP_STATUS -eq 0 ]] || return 0
	stage_step "sanitizers: build" build_make "$BUILDS/asan" all
}

stage_asan() {
	local units
	mapfile -t units < <(programs_listed unit)
	sanitizers_build
	[[ $STEP_STATUS -eq 0 ]] || return 0
	units_run "$BUILDS/asan" asan "$CHECKED_BOUND" '' "${units[@]}"
}

stage_valgrind() {
	local units
	mapfile -t units < <(programs_listed unit)
	units_run "$BUILDS/test" valgrind "$CHECKED_BOUND" "$TOP/t/lib/valgrind" "${units[@]}"
}

stage_clang() {
	stage_step "clang: configure" build_configure "$BUILDS/clang" --prefix="$PREFIX/clang" \
		--enable-werror CC=clang
	[[ $STEP_STATUS -eq 0 ]] || return 0
	tap_one clang "$BUILD_BOUND" make --no-print-directory -C "$BUILDS/clang" -j"$(nproc)" all
	tap_one clang/tests "$BUILD_BOUND" make --no-print-directory -C "$BUILDS/clang/t" \
		-j"$(nproc)" programs
}

stage_dist() {
	tap_run dist "$BUILD_BOUND" "$TOP/t/lib/dist" "$BUILDS/test"
}

# The corpus through every fuzzer's target, in the build with the sanitizers.
stage_fuzz() {
	local name names
	mapfile -t names < <(programs_listed fuzz)
	sanitizers_build
	[[ $STEP_STATUS -eq 0 ]] || return 0
	stage_step "fuzz: build" build_make "$BUILDS/asan/t" "${names[@]/#/fuzz\/}"
	[[ $STEP_STATUS -eq 0 ]] || return 0
	for name in "${names[@]}"; do
		tap_run "fuzz/$name" "$CHECKED_BOUND" env -C "$BUILDS/asan/t" srcdir="$TOP/t" \
			SJ_UNIT_BOUND="$CHECKED_BOUND" "$TOP/t/lib/unit" "fuzz/$name"
	done
}

# The Jupyter that the sessions of the tests run: the pinned one, or Debian's
# where PyPI cannot be reached.
stack_choose() {
	[[ $STACK == unknown ]] || return 0
	STACK=pypi
	step_try "JupyterLab from PyPI" need_venv "$VENV" "$TOP/contrib/requirements.txt"
	if [[ $STEP_STATUS -eq $VENV_UNREACHABLE ]]; then
		STACK=debian
		step "jupyter-notebook from Debian" need_packages "${DEBIAN_JUPYTER_PACKAGES[@]}"
		tap_skip jupyterlab "PyPI cannot be reached, Debian's jupyter-notebook is used"
	elif [[ $STEP_STATUS -ne 0 ]]; then
		step_failed "JupyterLab from PyPI"
	fi
	export SJ_STACK=$STACK
}

stage_quickstart() {
	stack_choose
	quickstart_run quickstart
	if [[ $STACK == pypi ]]; then
		quickstart_run quickstart-debian SPANK_JUPYTER_NO_PYPI=1
	fi
}

# quickstart_run NAME SETTING...: the README's first command, on a cluster and
# with a prefix of its own.
quickstart_run() {
	tap_one "$1" "$BUILD_BOUND" env CLUSTER_INSTANCE=$(((CLUSTER_INSTANCE + 1) % 10)) \
		SPANK_JUPYTER_PREFIX="$PREFIX/quickstart" SPANK_JUPYTER_VENV="$VENV" "${@:2}" \
		"$TOP/contrib/quickstart" --check
}

stage_bats() {
	local file
	for file in "$TOP"/t/*.bats; do
		bats_run "$(basename "$file" .bats)"
	done
}

# bats_run NAME: t/NAME.bats, on the cluster that all files share.
bats_run() {
	stack_choose
	cluster_begin
	tap_run "$1" "$BATS_BOUND" bats --tap "$TOP/t/$1.bats"
}

cluster_begin() {
	[[ $CLUSTER_STATE == unknown ]] || return 0
	local status=0 path=$PREFIX/bin
	if [[ $STACK == pypi ]]; then
		path+=:$VENV/bin
	fi
	export CLUSTER_PATH=$path
	CLUSTER_PLUGSTACK="optional $PREFIX/lib/slurm/jupyter.so"
	CLUSTER_PLUGSTACK+=" config=$PREFIX/etc/spank-jupyter/spank-jupyter.conf"
	export CLUSTER_PLUGSTACK
	install -D -m 0644 "$TOP/contrib/spank-jupyter.conf.example" \
		"$PREFIX/etc/spank-jupyter/spank-jupyter.conf"
	"$CLUSTER" status >>"$STEP_LOG" 2>&1 || status=$?
	CLUSTER_STATE=borrowed
	if [[ $status -eq 3 ]]; then
		CLUSTER_STATE=ours
	fi
	step "cluster $CLUSTER_INSTANCE up, 4 nodes" "$CLUSTER" up -n 4
}

cluster_end() {
	[[ $CLUSTER_STATE == ours ]] || return 0
	"$CLUSTER" down
}
