# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# The tests that need a private Slurm: the files of the bats suite, each a job of
# t/lib/lanes.sh on its lane's cluster, and the quickstart.  Sourced by t/run.  By default a
# file needs a cluster and the stack; tags in it (# bats file_tags=...) say without:cluster,
# without:stack, needs:hub, needs:hub-5, needs:hub-4, needs:browser.  Who loads lib/hub or
# lib/browser needs these.

# Seconds for one file, and for a quickstart.
BATS_BOUND=900
QUICKSTART_BOUND=900
# How long a file may take that has not run here before, for each of its tests.
TEST_GUESS=10

CLUSTER=$TOP/contrib/cluster/cluster

# bats_listed: the names of all files, those first that took longest the last time.
bats_listed() {
	local file name
	for file in "$TOP"/t/*.bats; do
		name=$(basename "$file" .bats)
		echo "$(cat "$BUILDS/times/$name" 2>/dev/null ||
			echo $(($(grep -c '^@test' "$file") * TEST_GUESS))) $name"
	done | sort -rn | cut -d' ' -f2
}

bats_tagged() {
	[[ -e $TOP/t/$1.bats ]] &&
		sed -n 's/^# bats file_tags=//p' "$TOP/t/$1.bats" | tr ',' '\n' | grep -qxF "$2"
}

# job_needs NAME cluster|stack|debian|hub|hub-5|hub-4|browser
job_needs() {
	case $1 in
	python-provisioner) [[ $2 == stack ]] ;;
	python-hub*) [[ $2 == "${1#python-}" ]] ;;
	quickstart) [[ $2 == @(stack|debian) ]] ;;
	slurm-*) [[ $2 == cluster ]] ;;
	*)
		[[ -e $TOP/t/$1.bats ]] || return
		case $2 in
		cluster | stack) ! bats_tagged "$1" "without:$2" ;;
		*) bats_tagged "$1" "needs:$2" || grep -qxF "load lib/$2" "$TOP/t/$1.bats" ;;
		esac
		;;
	esac
}

# downloads_of NAME...: what these jobs need, each once.
downloads_of() {
	local download name
	for download in stack debian hub hub-5 hub-4 browser; do
		for name in "$@"; do
			if job_needs "$name" "$download"; then
				echo "$download"
				break
			fi
		done
	done
}

# job_waits NAME: one of its downloads has not ended.
job_waits() {
	local download
	for download in $(downloads_of "$1"); do
		fetch_is_ready "$download" || return 0
	done
	return 1
}

# job_run NAME
job_run() {
	if is_stage "$1"; then
		"stage_$1"
	elif [[ -e $TOP/t/$1.bats ]]; then
		bats_run "$1"
	elif scripts_listed | grep -qxF "$1"; then
		scripts_run "$1"
	else
		units_run "$BUILDS/test" unit "$UNIT_BOUND" '' "$1"
	fi
}

# stack_choose: the Jupyter that the sessions of the tests run: the pinned one, or
# Debian's where PyPI cannot be reached.
stack_choose() {
	SJ_STACK=pypi
	fetch_await stack
	if [[ $FETCH_STATUS -eq $VENV_UNREACHABLE ]]; then
		SJ_STACK=debian
		step "jupyter-notebook from Debian" fetch_debian
	elif [[ $FETCH_STATUS -ne 0 ]]; then
		return 1
	fi
	export SJ_STACK
}

# bats_run NAME: t/NAME.bats, on the lane's cluster.
bats_run() {
	local download
	for download in $(downloads_of "$1"); do
		if [[ $download == stack ]]; then
			stack_choose
			continue
		fi
		fetch_await "$download"
		if [[ $FETCH_STATUS -ne 0 ]]; then
			[[ $FETCH_STATUS -ne $VENV_UNREACHABLE ]] ||
				tap_skip "$1" "$download cannot be had: PyPI cannot be reached"
			return 0
		fi
	done
	export CLUSTER_INSTANCE
	export CLUSTER_HUB_VENV=$HUB_ROOT/hub CLUSTER_HUB_PROXY=$HUB_PROXY_DIR
	export SPANK_JUPYTER_PLAYWRIGHT=$BROWSER_DIR
	if job_needs "$1" cluster; then
		cluster_begin "$1"
	fi
	tap_run "$1" "$BATS_BOUND" bats --tap "$TOP/t/$1.bats"
}

# cluster_begin JOB: up, or repaired from what the job before may have left.
cluster_begin() {
	local status=0 path=$PREFIX/bin size=() mine=$LOGS/jobs/cluster-$CLUSTER_INSTANCE.ours
	if [[ ${SJ_STACK-} == pypi ]]; then
		path+=:$VENV/bin
	fi
	export CLUSTER_PATH=$path
	CLUSTER_PLUGSTACK="optional $PREFIX/lib/slurm/jupyter.so"
	CLUSTER_PLUGSTACK+=" config=$PREFIX/etc/spank-jupyter/spank-jupyter.conf"
	export CLUSTER_PLUGSTACK
	# Tests write the site's settings: each cluster has its own.
	export CLUSTER_SITE=$PREFIX/etc/spank-jupyter
	"$CLUSTER" status >>"$STEP_LOG" 2>&1 || status=$?
	if [[ $status -eq 3 ]]; then
		echo "$1" >"$mine"
		size=(-n 4)
	fi
	step "$1: cluster $CLUSTER_INSTANCE up" "$CLUSTER" up "${size[@]}"
	site_restore
}

site_restore() {
	local state=/run/spank-jupyter-cluster/$CLUSTER_INSTANCE site=$CLUSTER_SITE
	[[ ! -e $state/site-of ]] || site=$state/site
	rm -f "$site/spank-jupyter.conf.kept"
	install -m 0644 "$TOP/contrib/spank-jupyter.conf.example" "$site/spank-jupyter.conf"
}

# cluster_end: a cluster that was up before stays.
cluster_end() {
	[[ ! -e $LOGS/jobs/cluster-$CLUSTER_INSTANCE.ours ]] || "$CLUSTER" down
}

# instances_choose: sets INSTANCES, the numbers of clusters for the lanes, and
# QUICKSTART_INSTANCE: CLUSTER_INSTANCE, and the next ones that are not up and that no
# other t/run has taken.  8 and 9 are 20-cluster's.
instances_choose() {
	local i number lock wanted=$LANES taken=()
	# Without mount namespaces clusters have the same settings of the site.
	unshare --mount true 2>/dev/null || wanted=1
	if [[ " ${JOBS_CLUSTER[*]} " == *" quickstart "* ]]; then
		wanted=$((wanted + 1))
	fi
	for ((i = 0; i < 8 && ${#taken[@]} < wanted; i++)); do
		number=$(((CLUSTER_INSTANCE + i) % 8))
		if ((i > 0)); then
			[[ ! -e /run/spank-jupyter-cluster/$number ]] || continue
			exec {lock}>"/run/spank-jupyter-test.$number.lock"
			if ! flock -n "$lock"; then
				exec {lock}>&-
				continue
			fi
		fi
		taken+=("$number")
	done
	QUICKSTART_INSTANCE=$(((CLUSTER_INSTANCE + 1) % 8))
	if [[ " ${JOBS_CLUSTER[*]} " == *" quickstart "* && ${#taken[@]} -gt 1 ]]; then
		QUICKSTART_INSTANCE=${taken[-1]}
		unset 'taken[-1]'
	fi
	INSTANCES=("${taken[@]}")
}

stage_quickstart() {
	stack_choose
	quickstart_run quickstart
	if [[ $SJ_STACK == pypi ]]; then
		quickstart_run quickstart-debian SPANK_JUPYTER_NO_PYPI=1
	fi
}

# quickstart_run NAME SETTING...: the README's first command, on a cluster and
# with a prefix of its own.
quickstart_run() {
	tap_one "$1" "$QUICKSTART_BOUND" env CLUSTER_INSTANCE="$QUICKSTART_INSTANCE" \
		SPANK_JUPYTER_PREFIX="$PREFIX/quickstart" SPANK_JUPYTER_VENV="$VENV" "${@:2}" \
		"$TOP/contrib/quickstart" --check
}
