#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# shellcheck disable=SC2016
#
# t/run itself, in a tree of stand-ins: what builds, downloads and brings clusters up is
# replaced, and the tests are a few that pass, fail, hang or are counted.

# bats file_tags=without:cluster,without:stack

bats_require_minimum_version 1.5.0

TOP=$(readlink -f "$BATS_TEST_DIRNAME/..")

setup() {
	TREE=$BATS_TEST_TMPDIR/tree
	WORLD=$BATS_TEST_TMPDIR/world
	mkdir -p "$TREE/t/unit" "$TREE/contrib/cluster" "$WORLD"
	cp -r "$TOP/t/run" "$TOP/t/lib" "$TREE/t/"
	cp -r "$TOP/contrib/lib" "$TREE/contrib/"
	touch "$TREE/t/Makefile.am" "$TREE/contrib/spank-jupyter.conf.example"
	cat >>"$TREE/contrib/lib/install.sh" <<-'END'
		need_packages() { true; }
		need_venv() { wait_for "download ${2##*/}"; }
		need_npm() { true; }
	END
	cat >>"$TREE/contrib/lib/build.sh" <<-'END'
		build_all() { mkdir -p "$1"; }
		# wait_for WHAT: until the test says so, where it has held that back.
		wait_for() {
			[[ ! -e $WORLD/$1.hold ]] || flock -s "$WORLD/$1.hold" true
			[[ ! -e $WORLD/$1.status ]] || return "$(cat "$WORLD/$1.status")"
		}
	END
	cat >"$TREE/contrib/cluster/cluster" <<-'END'
		#!/bin/bash
		echo "$CLUSTER_INSTANCE $*" >>"$WORLD/cluster"
		case $1 in
		status) [[ -e $WORLD/up.$CLUSTER_INSTANCE ]] || exit 3 ;;
		up) [[ ! -e $WORLD/broken ]] && touch "$WORLD/up.$CLUSTER_INSTANCE" ;;
		down) rm -f "$WORLD/up.$CLUSTER_INSTANCE" ;;
		esac
	END
	chmod +x "$TREE/contrib/cluster/cluster"
	sed -i 's/^BATS_BOUND=.*/BATS_BOUND=3/' "$TREE/t/lib/suite.sh"
	# The numbers of clusters that are up, or taken, on this machine are not ours to know.
	sed -i "s,/run/spank-jupyter-cluster,$WORLD/run,; s,/run/spank-jupyter-test,$WORLD/lock-spank-jupyter-test," "$TREE/t/lib/suite.sh"
}

# file NAME [TAG]: a file of the suite, from stdin, where TEST is what bats would take for a
# test of this file.
file() {
	{
		echo "# bats file_tags=without:stack${2:+,$2}"
		sed 's/^TEST/@test/'
	} >"$TREE/t/$1.bats"
}

# in_tree LANES CMD...: becomes CMD.  Bats' own environment is not for the bats in it.
in_tree() {
	exec env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$HOME" WORLD="$WORLD" SPANK_JUPYTER_LANES="$1" \
		SPANK_JUPYTER_TEST_PREFIX="$WORLD/prefix" SPANK_JUPYTER_VENV="$WORLD/venv" "${@:2}" 3>&-
}

last_line_is() { [[ ${lines[-1]} == "$1" ]] || { echo "$output" && return 1; }; }

said() { [[ $output =~ $1 ]] || { echo "no '$1' in: $output" && return 1; }; }

until_true() {
	local end=$((SECONDS + 60))
	until "$@"; do
		((SECONDS < end)) || { echo "not true: $*" && return 1; }
		sleep 0.05
	done
}

# A zombie that init has not reaped has no program.
has_ended() { [[ ! -e /proc/$1/exe ]]; }

@test "everything is counted once, whatever the number of lanes" {
	file 01-two <<<$'TEST "a" { true; }\nTEST "b" { true; }'
	file 02-one <<<$'TEST "a" { true; }'
	file 03-skip <<<$'TEST "a" { skip "not here"; }'
	for lanes in 1 2 5; do
		run in_tree "$lanes" "$TREE/t/run" bats
		echo "$output"
		[[ $status -eq 0 ]]
		last_line_is "3 passed, 0 failed, 1 skipped"
		said '01-two +2 passed'
		said '02-one +1 passed'
		said '03-skip +0 passed +0 failed +1 skipped'
		[[ -z $(compgen -G "$WORLD/up.*") ]]
	done
}

@test "a failure, a crash and a missing plan are counted and shown with their file" {
	file 01-good <<<$'TEST "a" { true; }'
	file 02-bad <<<$'TEST "a" { echo "what went wrong"; false; }\nTEST "b" { true; }'
	file 03-broken <<<$'TEST "a" {'
	file 04-dies <<<$'TEST "a" { true; }\nTEST "b" { kill -9 $PPID; kill -9 $$; }\nTEST "c" { true; }'
	run in_tree 3 "$TREE/t/run" bats
	[[ $status -eq 1 ]]
	echo "$output"
	said '02-bad +1 passed +1 failed [^$]*not ok 1 a.*what went wrong'
	[[ ${lines[-1]} =~ ^[3-4]\ passed,\ [3-9]\ failed$ ]]
}

@test "what hangs is ended at its bound and has failed" {
	file 01-hangs <<<$'TEST "a" { echo $$ >"$WORLD/pid"; sleep 1000 3>&-; }\nTEST "b" { true; }'
	file 02-good <<<$'TEST "a" { true; }'
	run in_tree 2 "$TREE/t/run" bats
	[[ $status -eq 1 ]]
	said '02-good +1 passed'
	said 'took too long'
	last_line_is "1 passed, 2 failed"
	has_ended "$(<"$WORLD/pid")"
}

@test "a signal ends every lane, its tests and its cluster, and the last line comes" {
	for name in one two; do
		file "0-$name" <<<"TEST \"a\" { touch \"\$WORLD/$name.runs\"; sleep 1000 3>&- & echo \$! >\"\$WORLD/$name.pid\"; wait; }"
	done
	sed -i 's/^BATS_BOUND=.*/BATS_BOUND=100/' "$TREE/t/lib/suite.sh"
	for signal in TERM INT; do
		rm -f "$WORLD"/*.runs "$WORLD/cluster"
		in_tree 2 env --default-signal=INT "$TREE/t/run" bats >"$WORLD/out" 2>&1 3>&- &
		local run=$!
		until_true test -s "$WORLD/one.pid" -a -s "$WORLD/two.pid" -a -e "$WORLD/one.runs" -a -e "$WORLD/two.runs"
		kill "-$signal" "$run"
		local code=0
		wait "$run" || code=$?
		cat "$WORLD/out"
		[[ $code -eq 1 ]]
		[[ $(tail -n 1 "$WORLD/out") =~ ^0\ passed,\ [1-9][0-9]*\ failed$ ]]
		[[ -z $(compgen -G "$WORLD/up.*") ]]
		[[ $(grep -c ' down$' "$WORLD/cluster") -eq 2 ]]
		has_ended "$(<"$WORLD/one.pid")"
		has_ended "$(<"$WORLD/two.pid")"
		rm "$WORLD/one.pid" "$WORLD/two.pid"
	done
}

@test "each lane has a cluster of its own, and one that was up stays" {
	for name in one two three; do
		file "0-$name" <<-END
			TEST "a" {
				echo "\$CLUSTER_INSTANCE" >>"\$WORLD/seen"
				# Until all three are at it.
				touch "\$WORLD/$name.runs"
				until [[ -e \$WORLD/one.runs && -e \$WORLD/two.runs && -e \$WORLD/three.runs ]]; do
					sleep 0.05
				done
			}
		END
	done
	sed -i 's/^BATS_BOUND=.*/BATS_BOUND=60/' "$TREE/t/lib/suite.sh"
	touch "$WORLD/up.1"
	run in_tree 3 "$TREE/t/run" bats
	last_line_is "3 passed, 0 failed"
	[[ $(sort "$WORLD/seen" | xargs) == "1 2 3" ]]
	[[ $(compgen -G "$WORLD/up.*") == "$WORLD/up.1" ]]
}

@test "a cluster that does not come up is a failure of its file alone" {
	file 01-cluster <<<$'TEST "a" { true; }'
	file 02-alone without:cluster <<<$'TEST "a" { true; }'
	touch "$WORLD/broken"
	run in_tree 2 "$TREE/t/run" bats
	[[ $status -eq 1 ]]
	said '02-alone +1 passed'
	last_line_is "1 passed, 1 failed"
}

@test "what waits for a download lets others go first; what cannot be had is skipped, what fails has failed" {
	file 01-hub needs:hub <<<$'TEST "a" { touch "$WORLD/hub"; }'
	file 02-other <<<$'TEST "a" { [[ ! -e $WORLD/hub ]]; touch "$WORLD/other"; }'
	(
		touch "$WORLD/download requirements-hub.txt.hold"
		exec 8<"$WORLD/download requirements-hub.txt.hold"
		flock 8
		in_tree 1 "$TREE/t/run" bats >"$WORLD/out" 2>&1 8<&- &
		until_true test -e "$WORLD/other"
		exec 8<&-
		wait
	)
	cat "$WORLD/out"
	[[ $(tail -n 1 "$WORLD/out") == "2 passed, 0 failed" ]]
	echo 3 >"$WORLD/download requirements-hub.txt.status"
	rm "$WORLD/hub"
	run in_tree 2 "$TREE/t/run" bats
	last_line_is "1 passed, 0 failed, 1 skipped"
	echo 1 >"$WORLD/download requirements-hub.txt.status"
	run in_tree 2 "$TREE/t/run" bats
	last_line_is "1 passed, 1 failed"
}

@test "the results of pytest and unittest are counted test by test" {
	mkdir "$WORLD/tests"
	cat >"$WORLD/tests/test_some.py" <<-'END'
		import sys, unittest
		class Some(unittest.TestCase):
		    def test_good(self):
		        print("ok 77 - not one of ours")
		    def test_bad(self):
		        self.assertEqual(1, 2, "what went wrong")
		    def test_subtests(self):
		        for number in 1, 2, 3:
		            with self.subTest(number=number):
		                self.assertEqual(number, 2)
		    @unittest.skip("not here")
		    def test_skipped(self):
		        pass
	END
	(
		cd "$WORLD" || exit
		/usr/bin/python3 -B "$TOP/t/lib/tap/unittest_tap.py" tests >tap 2>/dev/null && exit 1
		[[ $(awk -v status=1 -f "$TOP/t/lib/tap.awk" tap | tee /dev/stderr | tail -n 1) == "1 2 1" ]]
		grep -q '^# .*what went wrong' tap
	)
	local python=${CLUSTER_HUB_VENV:-/opt/spank-jupyter/hub}/bin/python
	[[ -x $python ]] || skip "no pytest here"
	cat >"$WORLD/tests/test_more.py" <<-'END'
		import pytest
		@pytest.fixture
		def hub():
		    yield
		    assert not "torn down"
		@pytest.mark.parametrize("number", [1, 2])
		def test_good(number):
		    print("ok 77 - not one of ours")
		def test_bad():
		    assert 1 == 2, "what went wrong"
		def test_torn_down(hub):
		    pass
		def test_skipped():
		    pytest.skip("not here")
	END
	(
		cd "$WORLD" || exit
		export PYTHONPATH=$TOP/t/lib/tap
		pytest=("$python" -B -m pytest -p pytest_tap -p no:terminal -p no:cacheprovider)
		"${pytest[@]}" tests/test_more.py >tap && exit 1
		[[ $(awk -v status=1 -f "$TOP/t/lib/tap.awk" tap | tee /dev/stderr | tail -n 1) == "2 2 1" ]]
		grep -q '^# .*what went wrong' tap
		"${pytest[@]}" --tap-fixtures=hub tests/test_more.py >tap && exit 1
		[[ $(awk -v status=1 -f "$TOP/t/lib/tap.awk" tap | tail -n 1) == "0 1 0" ]]
	)
}

@test "a second t/run in the same build or prefix is refused, and so are wrong names and numbers" {
	mkdir "$TREE/build"
	exec 8>"$TREE/build/run.lock"
	flock 8
	run in_tree 2 "$TREE/t/run" bats 8>&-
	[[ $status -eq 1 && $output == *"another one is at work in $TREE/build"* ]]
	exec 8>&-
	exec 8>"$WORLD/prefix.lock"
	flock 8
	run in_tree 2 "$TREE/t/run" bats 8>&-
	[[ $status -eq 1 && $output == *"another one tests what is in $WORLD/prefix"* ]]
	exec 8>&-
	run in_tree 2 "$TREE/t/run" nosuch
	[[ $status -eq 2 && $output == *"'nosuch'"* ]]
	run in_tree many "$TREE/t/run" bats
	[[ $status -eq 2 && $output == *"'many'"* ]]
	run in_tree 2 "$TREE/t/run" --nosuch
	[[ $status -eq 2 ]]
}

@test "root's lock for apt lies where nobody else can have put a link" {
	source "$TOP/contrib/lib/install.sh"
	apt_run() { true; }
	flock() { readlink "/proc/$BASHPID/fd/$3"; }
	lock=$(packages_install nothing)
	directory=$(stat -c '%u %A' "$(dirname "$lock")")
	[[ $directory == "0 d"????[!w]??[!w]? ]] || { echo "$lock: $directory" && return 1; }
}
