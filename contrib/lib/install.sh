# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2317
#
# Brings what this machine lacks: Debian packages, the Jupyter stack and the hub from
# PyPI in virtual environments of their own, and the hub's proxy from npm.  Sourced by
# contrib/quickstart and t/run, which run as root, and by t/bench/relay.sh; nothing is done
# where all is there already.

BUILD_PACKAGES=(build-essential autoconf automake libtool pkg-config
	libslurm-dev libzmq3-dev libjansson-dev libmunge-dev libinih-dev libcurl4-openssl-dev
	libssl-dev libsodium-dev)
CLUSTER_PACKAGES=(slurmctld slurmd slurm-client munge iproute2 passwd util-linux hostname
	procps)
# xz-utils is for make distcheck; libc6-dbg is what valgrind needs and only recommends.
# openmpi-bin is for workers of kind mpi; Slurm's --mpi=pmix opens libpmix.so, which
# Debian has in libpmix-dev alone; r-cran-irkernel is a kernel of another language.
TEST_PACKAGES=(bats clang shellcheck valgrind libc6-dbg mandoc xz-utils openssl
	bsdutils curl python3 openmpi-bin libpmix-dev r-cran-irkernel tcpdump)
VENV_PACKAGES=(python3 python3-venv ca-certificates)
# Beside the hub's virtual environment and its proxy.
HUB_PACKAGES=(sudo)
DEBIAN_JUPYTER_PACKAGES=(jupyter-notebook python3-ipykernel)

# The exit status of need_venv where the network is to blame.
VENV_UNREACHABLE=3

# The last configurable-http-proxy that Debian 12's nodejs (18) can run.
PROXY_VERSION=5.0.1
NPM_SECONDS=300

# What drives Debian's chromium in the tests; the last that nodejs 18 can run.
PLAYWRIGHT_VERSION=1.61.1

# need_packages NAME...: installs those that are not installed.
need_packages() {
	local name missing=()
	for name in "$@"; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] ||
			missing+=("$name")
	done
	[[ ${#missing[@]} -gt 0 ]] || return 0
	if [[ $EUID -ne 0 ]]; then
		echo "not root, cannot install ${missing[*]} (try sudo)" >&2
		return 1
	fi
	if ! command -v apt-get >/dev/null; then
		echo "no apt-get here: install what corresponds to Debian's ${missing[*]}" >&2
		return 1
	fi
	packages_install "${missing[@]}"
}

# An index as old as a machine's image names versions that are gone from the
# archive, so a failed installation is tried once more with a new index.  One at a time: the
# first to end would take apt_run's policy away from the others.
packages_install() {
	local log status=0 lock
	# Not in /run/lock, where everybody may put a link to what is then truncated.
	exec {lock}>/run/spank-jupyter-apt.lock
	flock -w 900 "$lock" || return 1
	log=$(mktemp)
	if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
		apt_run "$log" update || true
	fi
	if ! apt_run "$log" install -- "$@" && ! { apt_run "$log" update &&
		apt_run "$log" install -- "$@"; }; then
		status=1
		apt_reason "$log" "$@" >&2
	fi
	rm -f "$log"
	exec {lock}>&-
	return "$status"
}

# apt_run LOG ARGUMENTS...: with no question asked and no daemon started.
apt_run() (
	policy=/usr/sbin/policy-rc.d
	if [[ ! -e $policy ]]; then
		trap 'rm -f "$policy"' EXIT
		trap 'exit 1' HUP INT TERM
		printf '#!/bin/sh\n# Made by spank-jupyter while it installs packages.\nexit 101\n' >"$policy"
		chmod 0755 "$policy"
	fi
	export DEBIAN_FRONTEND=noninteractive LC_ALL=C
	apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
		-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
		--no-install-recommends "${@:2}" </dev/null 2>&1 | tee "$1"
	exit "${PIPESTATUS[0]}"
)

# One line: the package at fault where apt names it, and apt's own words.
apt_reason() {
	local log=$1 line package
	shift
	line=$(grep -m 1 '^E: ' "$log" || tail -n 1 "$log")
	package=$(sed -nE "s/^E: (Unable to locate package|Package) '?([a-z0-9.+-]+)'?.*/\2/p;
		s/^ ([a-z0-9.+-]+) : Depends: .*/\1/p;
		s/^dpkg: error processing (package|archive) ([^ ]+) .*/\2/p" "$log" | head -n 1)
	echo "apt-get install failed at ${package:-one of: $*}: ${line#E: }"
}

venv_stamp() {
	/usr/bin/python3 -VV && sha256sum <"$1"
}

# need_venv DIR REQUIREMENTS: DIR is the virtual environment of exactly these.
# The stamp is written last: an environment without it is half made and made
# again.  Returns VENV_UNREACHABLE where PyPI cannot be reached, else 1.
need_venv() {
	local dir=$1 requirements=$2 status=0 log lock
	if [[ ${SPANK_JUPYTER_NO_PYPI:-0} == 1 ]]; then
		echo "PyPI is not to be used: SPANK_JUPYTER_NO_PYPI=1" >&2
		return "$VENV_UNREACHABLE"
	fi
	need_packages "${VENV_PACKAGES[@]}" || return
	mkdir -p "$(dirname "$dir")"
	exec {lock}>"$dir.lock"
	flock -w 900 "$lock" || return 1
	if [[ $(cat "$dir/spank-jupyter.stamp" 2>/dev/null) != "$(venv_stamp "$requirements")" ]]; then
		log=$(mktemp)
		venv_make "$dir" "$requirements" 2>&1 | tee "$log" || status=1
		if [[ $status -ne 0 ]]; then
			rm -rf "$dir"
			{ grep '^ERROR: ' "$log" || cat "$log"; } | tail -n 1 | cut -c 1-200 >&2
			if grep -qE 'NewConnectionError|NameResolutionError|ProxyError|SSLError|ConnectTimeout|ReadTimeout' "$log"; then
				echo "PyPI cannot be reached" >&2
				status=$VENV_UNREACHABLE
			fi
		fi
		rm -f "$log"
	fi
	exec {lock}>&-
	return "$status"
}

# In a pipeline of need_venv, and so in a process of its own.
venv_make() {
	set -o pipefail
	rm -rf "$1" &&
		/usr/bin/python3 -m venv "$1" &&
		PIP_DEFAULT_TIMEOUT=${PIP_DEFAULT_TIMEOUT:-30} timeout -k 10 900 \
			"$1/bin/python" -m pip install --no-input --disable-pip-version-check \
			--no-deps --only-binary :all: --retries 3 -r "$2" </dev/null &&
		"$1/bin/python" -m pip check &&
		venv_stamp "$2" >"$1/spank-jupyter.stamp"
}

# need_proxy DIR: configurable-http-proxy in DIR/node_modules, with node and npm of whatever
# origin.
need_proxy() {
	need_npm "$1" proxy_install
}

# need_playwright DIR: Debian's chromium, and playwright-core in DIR/node_modules; its scripts,
# which would bring browsers, are not run.
need_playwright() {
	need_packages chromium || return
	need_npm "$1" playwright_install
}

# need_npm DIR INSTALL: INSTALL with DIR, by one at a time.
need_npm() {
	local lock status=0
	{ command -v node && command -v npm; } >/dev/null || need_packages nodejs npm || return
	mkdir -p "$(dirname "$1")"
	exec {lock}>"$1.lock"
	flock -w 900 "$lock" || return 1
	"$2" "$1" || status=1
	exec {lock}>&-
	return "$status"
}

# proxy_install DIR: the same with what there is, as anybody.
proxy_install() {
	npm_install "$1" configurable-http-proxy "$PROXY_VERSION"
}

playwright_install() {
	npm_install "$1" playwright-core "$PLAYWRIGHT_VERSION"
}

# npm_install DIR PACKAGE VERSION: into a directory of its own that gets its name when it is whole.
npm_install() {
	local part
	[[ $(cat "$1/version" 2>/dev/null) != "$3" ]] || return 0
	command -v npm >/dev/null || { echo "npm is not installed" >&2 && return 1; }
	mkdir -p "$(dirname "$1")"
	part=$(mktemp -d "$1.XXXXXX")
	if timeout "$NPM_SECONDS" npm install --prefix "$part" --no-audit --no-fund \
		--loglevel=error --ignore-scripts "$2@$3" </dev/null >"$part/log" 2>&1; then
		echo "$3" >"$part/version"
		chmod 0755 "$part"
		rm -rf "$1"
		mv -T "$part" "$1"
	else
		tail -n 3 "$part/log" >&2
		rm -rf "$part"
		return 1
	fi
}
