# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# The kinds of tests that need no Slurm, each a stage of t/run, which sources this after
# tap.sh and contrib/lib/*.sh.  A stage is a job of t/lib/lanes.sh; what it cannot go on
# without returns non-zero, which ends the job and counts as a failure.

# Seconds for one unit test, for one under a checker, for the tests of a Python package,
# and for a build.
UNIT_BOUND=120
CHECKED_BOUND=600
PYTHON_BOUND=1200
BUILD_BOUND=900

# stage_jobs STAGE: its jobs, several where one would be at work long after all others.
stage_jobs() {
	case $1 in
	python) printf 'python-%s\n' hub hub-5 hub-4 provisioner ;;
	valgrind) printf 'valgrind-%s\n' 1 2 ;;
	*) echo "$1" ;;
	esac
}

# is_stage JOB: or part of one.
is_stage() { declare -F "stage_$1" >/dev/null; }

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
	sed -n 's/^dist_check_SCRIPTS = //p' "$TOP/t/Makefile.am" | tr ' ' '\n' |
		sed -nE 's,^unit/(test_[a-z0-9_]+)\.py$,\1,p'
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

# sanitizers_build STAGE: an error that a sanitizer finds ends the program with a status of
# its own.
sanitizers_build() {
	export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
	export UBSAN_OPTIONS=print_stacktrace=1
	stage_step "$1: configure" build_configure "$BUILDS/asan" --prefix="$PREFIX/asan" \
		--enable-werror --enable-sanitizers
	[[ $STEP_STATUS -eq 0 ]] || return 0
	stage_step "$1: build" build_make "$BUILDS/asan" all
}

stage_asan() {
	local units
	mapfile -t units < <(programs_listed unit)
	sanitizers_build asan
	[[ $STEP_STATUS -eq 0 ]] || return 0
	units_run "$BUILDS/asan" asan "$CHECKED_BOUND" '' "${units[@]}"
}

# valgrind_run REMAINDER: half of the unit tests.
valgrind_run() {
	local units half=() i
	mapfile -t units < <(programs_listed unit)
	for ((i = $1; i < ${#units[@]}; i += 2)); do
		half+=("${units[i]}")
	done
	units_run "$BUILDS/test" valgrind "$CHECKED_BOUND" "$TOP/t/lib/valgrind" "${half[@]}"
}

stage_valgrind-1() { valgrind_run 0; }
stage_valgrind-2() { valgrind_run 1; }

# Clang's warnings, which do not depend on optimization.
stage_clang() {
	stage_step "clang: configure" build_configure "$BUILDS/clang" --prefix="$PREFIX/clang" \
		--enable-werror CC=clang CFLAGS="-O1 -g0"
	[[ $STEP_STATUS -eq 0 ]] || return 0
	tap_one clang "$BUILD_BOUND" make --no-print-directory -C "$BUILDS/clang" -j"$(nproc)" all
	tap_one clang/tests "$BUILD_BOUND" make --no-print-directory -C "$BUILDS/clang/t" \
		-j"$(nproc)" programs
}

# In a build directory of its own: others are at work in theirs.
stage_dist() {
	stage_step "dist: configure" build_configure "$BUILDS/dist" --prefix="$PREFIX/dist"
	[[ $STEP_STATUS -eq 0 ]] || return 0
	tap_run dist "$BUILD_BOUND" "$TOP/t/lib/dist" "$BUILDS/dist"
}

# The corpus through every fuzzer's target, in the build with the sanitizers.
stage_fuzz() {
	local name names
	mapfile -t names < <(programs_listed fuzz)
	sanitizers_build fuzz
	[[ $STEP_STATUS -eq 0 ]] || return 0
	stage_step "fuzz: build" build_make "$BUILDS/asan/t" "${names[@]/#/fuzz\/}"
	[[ $STEP_STATUS -eq 0 ]] || return 0
	for name in "${names[@]}"; do
		tap_run "fuzz/$name" "$CHECKED_BOUND" env -C "$BUILDS/asan/t" srcdir="$TOP/t" \
			SJ_UNIT_BOUND="$CHECKED_BOUND" "$TOP/t/lib/unit" "fuzz/$name"
	done
}

# The packages of contrib/: each of their tests is one of ours.
stage_python-provisioner() {
	fetch_await stack
	if [[ $FETCH_STATUS -eq 0 ]]; then
		tap_run python/kernel-provisioner "$PYTHON_BOUND" \
			env -C "$TOP/contrib/kernel-provisioner" PYTHONPATH=. \
			"$VENV/bin/python" -B "$TOP/t/lib/tap/unittest_tap.py" tests
	else
		python_skip python/kernel-provisioner
	fi
}

# What the other releases do not decide is seen with the newest.
stage_python-hub() { hub_package_run hub; }
stage_python-hub-5() { hub_package_run hub-5 --tap-fixtures=hub,make_hub; }
stage_python-hub-4() { hub_package_run hub-4 --tap-fixtures=hub,make_hub; }

# hub_package_run RELEASE ARGUMENT...
hub_package_run() {
	local name=python/jupyter$1
	if [[ $EUID -ne 0 ]]; then
		tap_skip "$name" "needs root: a session has a uid of its own"
		return
	fi
	fetch_await "$1"
	if [[ $FETCH_STATUS -ne 0 ]]; then
		python_skip "$name"
		return
	fi
	tap_run "$name" "$PYTHON_BOUND" env -C "$TOP/contrib/jupyterhub" PYTHONPATH="$TOP/t/lib/tap" \
		"$HUB_ROOT/$1/bin/python" -B -m pytest -p pytest_tap -p no:terminal -p no:cacheprovider \
		"${@:2}" tests
}

# What failed otherwise has been counted.
python_skip() {
	[[ $FETCH_STATUS -ne $VENV_UNREACHABLE ]] || tap_skip "$1" "PyPI cannot be reached"
}
