# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests take from the network beside Debian's packages of the build: brought in
# the background while other things go on, and waited for by the jobs that need it.
# Sourced by t/run after contrib/lib/install.sh; TOP, LOGS and VENV are set.

HUB_ROOT=${SPANK_JUPYTER_HUB:-/opt/spank-jupyter}
HUB_PROXY_DIR=$HUB_ROOT/configurable-http-proxy
BROWSER_DIR=${SPANK_JUPYTER_PLAYWRIGHT:-$HUB_ROOT/playwright}
FETCH_PIDS=()

# The Jupyter of the sessions.
fetch_stack() { need_venv "$VENV" "$TOP/contrib/requirements.txt"; }

# JupyterHub in its three releases, and the proxy in front of them.
fetch_hub() {
	need_packages "${HUB_PACKAGES[@]}"
	need_venv "$HUB_ROOT/hub" "$TOP/contrib/requirements-hub.txt"
	need_proxy "$HUB_PROXY_DIR"
}

# One release after the other: the first is needed most.
fetch_hub-5() {
	fetch_after hub
	need_venv "$HUB_ROOT/hub-5" "$TOP/contrib/requirements-hub-5.txt"
}

fetch_hub-4() {
	fetch_after hub-5
	need_venv "$HUB_ROOT/hub-4" "$TOP/contrib/requirements-hub-4.txt"
}

# Chromium, and what drives it.
fetch_browser() {
	need_packages chromium
	need_playwright "$BROWSER_DIR"
}

# Jupyter from Debian, where PyPI cannot be reached.
fetch_debian() { need_packages "${DEBIAN_JUPYTER_PACKAGES[@]}"; }

# fetch_begin NAME...: each in the background.  Its lock is held until it has ended.
fetch_begin() {
	local name lock
	mkdir -p "$LOGS/fetch"
	for name in "$@"; do
		exec {lock}>"$LOGS/fetch/$name.lock"
		flock "$lock"
		set -m
		(fetch_main "$name") </dev/null >"$LOGS/fetch/$name.log" 2>&1 &
		FETCH_PIDS+=($!)
		set +m
		exec {lock}>&-
	done
}

fetch_main() {
	set +m
	trap 'echo $? >"$LOGS/fetch/'"$1"'.status"' EXIT
	trap 'exit 1' HUP INT TERM
	"fetch_$1"
}

# A signal came.  A venv without its stamp is made again the next time.
fetch_interrupt() {
	local pid
	for pid in "${FETCH_PIDS[@]}"; do
		kill -TERM -- "-$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}

# fetch_after NAME: once that has ended, where it is asked for.
fetch_after() { [[ ! -e $LOGS/fetch/$1.lock ]] || flock -s "$LOGS/fetch/$1.lock" true; }

fetch_is_ready() { flock -n -s "$LOGS/fetch/$1.lock" true; }

# fetch_wait NAME: until it has ended; its exit status.
fetch_wait() {
	flock -s "$LOGS/fetch/$1.lock" true
	return "$(cat "$LOGS/fetch/$1.status" 2>/dev/null || echo 1)"
}

# fetch_await NAME: for a job that needs it; sets FETCH_STATUS, and shows why it failed.
fetch_await() {
	FETCH_STATUS=0
	if fetch_is_ready "$1"; then
		fetch_wait "$1" || FETCH_STATUS=$?
	else
		step_try "download: $1" fetch_wait "$1"
		FETCH_STATUS=$STEP_STATUS
	fi
	if [[ $FETCH_STATUS -ne 0 && $FETCH_STATUS -ne $VENV_UNREACHABLE ]]; then
		echo "download: $1 failed; the end of $LOGS/fetch/$1.log:"
		tail -n 15 "$LOGS/fetch/$1.log" | sed 's/^/    /'
		TAP_FAILED=$((TAP_FAILED + 1))
	fi
}
