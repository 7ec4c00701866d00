# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
#
# What the bats files about kernels for a login node's Jupyter share, on top of session.bash:
# the provisioner, kernelspecs that use it, a Jupyter server on the login host.  Loaded in bats'
# processes, as root.

REMOTE_DIR=$(home_of "$ALICE")/.remote
# What pip builds the package with, pinned.
REMOTE_BUILD=("setuptools==80.9.0" "wheel==0.45.1")

# provisioner_install: as a user does it, `pip install`, but into a directory of its own.
provisioner_install() {
	as_alice rm -rf .remote
	as_alice mkdir -p .remote/source
	tar -C "$TOP/contrib/kernel-provisioner" --exclude=__pycache__ -c . |
		as_alice tar -C .remote/source -x
	printf '%s\n' "${REMOTE_BUILD[@]}" | as_alice tee .remote/build.txt >/dev/null
	as_alice env PIP_CONSTRAINT="$REMOTE_DIR/build.txt" "$PYTHON" -m pip install --quiet \
		--disable-pip-version-check --no-cache-dir --no-deps --target .remote/python .remote/source
	install -m 0644 "$TOP/t/lib/remote_kernel.py" "$REMOTE_DIR/remote_kernel.py"
}

# with_provisioner CMD...: as alice on the login host, with the package.
with_provisioner() {
	as_alice env PYTHONPATH="$REMOTE_DIR/python" \
		JUPYTER_PATH="$REMOTE_DIR/python/share/jupyter" \
		JUPYTER_CONFIG_PATH="$REMOTE_DIR/python/etc/jupyter" "$@"
}

# remote ACTION...: t/lib/remote_kernel.py.
remote() {
	with_provisioner timeout -k 5 240 "$PYTHON" "$REMOTE_DIR/remote_kernel.py" "$@"
}

# kernelspec_install NAME ARGUMENTS...
kernelspec_install() {
	as_alice sjupyter kernelspec install --replace --name="$1" "${@:2}"
}

kernelspecs_remove() {
	rm -rf "$(home_of "$ALICE")/.local/share/jupyter/kernels"
}

# The jobs of alice, "ID STATE" each.
jobs_of_alice() {
	"$CLUSTER" run -- squeue -h -u "$ALICE" -o '%i %T'
}

# alice_has_jobs N
alice_has_jobs() {
	local count
	count=$(jobs_of_alice | wc -l)
	echo "alice has $count jobs"
	[[ $count -eq $1 ]]
}

# jupyter_start [ARGUMENTS...]: a JupyterLab of alice's on the login host, which writes its URL
# into .remote/url; its process is in .remote/pid.
jupyter_start() {
	local token=$RANDOM$RANDOM$RANDOM$RANDOM
	as_alice mkdir -p notebooks .remote/config
	(umask 077 && echo "{\"IdentityProvider\": {\"token\": \"$token\"}}" |
		as_alice tee .remote/config/jupyter_server_config.json >/dev/null)
	as_alice rm -f .remote/jupyter.log
	with_provisioner env JUPYTER_CONFIG_DIR="$REMOTE_DIR/config" sh -c '
		echo $$ >.remote/pid
		exec jupyter lab --no-browser --ip=127.0.0.1 --port=0 --ServerApp.root_dir=notebooks \
			"$@" </dev/null >>.remote/jupyter.log 2>&1' sh "$@" 3>&- &
	wait_until 150 jupyter_answers "$token"
}

jupyter_answers() {
	local port
	port=$(grep -om 1 'http://127.0.0.1:[0-9]*' "$REMOTE_DIR/jupyter.log" | sed 's/.*://')
	[[ $port ]] || return 1
	(umask 077 && echo "http://127.0.0.1:$port/?token=$1" | as_alice tee .remote/url >/dev/null)
	as_alice curl -sS --max-time 5 --noproxy '*' -o /dev/null "http://127.0.0.1:$port/api"
}

# jupyter_end SIGNAL
jupyter_end() {
	local pid
	pid=$(cat "$REMOTE_DIR/pid" 2>/dev/null) || return 0
	rm -f "$REMOTE_DIR/pid"
	kill "-$1" "$pid" 2>/dev/null || return 0
	wait_until 30 process_is_gone "$pid"
}

process_is_gone() {
	[[ ! -e /proc/$1 ]]
}

# Where the browser's driver is.
PLAYWRIGHT=${SPANK_JUPYTER_PLAYWRIGHT:-/opt/spank-jupyter/playwright}

# need_browser: skips the test where there is none to be had.
need_browser() {
	# shellcheck source=contrib/lib/install.sh
	(source "$TOP/contrib/lib/install.sh" && need_playwright "$PLAYWRIGHT") >&2 ||
		skip "needs chromium and playwright-core, which cannot be had here"
}

# told_or_gone FILE PID: the file is there, or the process has ended.
told_or_gone() {
	[[ -e $1 ]] || process_is_gone "$2"
}
