#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Benchmark of the relay against a direct connection and against JupyterHub's
# configurable-http-proxy, which is installed through npm into a cache on the first
# run.  Builds nothing: takes the program made of t/bench/relay.c.  Run by t/bench or
# by hand, as anybody.
#
#     t/bench/relay.sh PROGRAM [--rounds N] [--mib N] [--trips N]
set -euo pipefail

# The last one that Debian 12's nodejs (18) can run.
VERSION=5.0.1
CACHE=${BENCH_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/spank-jupyter}
CHP=$CACHE/configurable-http-proxy-$VERSION/node_modules/.bin/configurable-http-proxy
INSTALL_SECONDS=300

if [[ $# -lt 1 || ! -x $1 ]]; then
	echo "usage: $0 PROGRAM [--rounds N] [--mib N] [--trips N]" >&2
	exit 2
fi
program=$1
shift

# Into a directory of its own that gets its name when it is whole.
install_chp() {
	local target=$CACHE/configurable-http-proxy-$VERSION part
	command -v npm >/dev/null || { echo "npm is not installed" && return 1; }
	mkdir -p "$CACHE"
	part=$(mktemp -d "$CACHE/part.XXXXXX")
	if timeout "$INSTALL_SECONDS" npm install --prefix "$part" --no-audit --no-fund --loglevel=error \
		--ignore-scripts "configurable-http-proxy@$VERSION" </dev/null >"$part/log" 2>&1; then
		rm -rf "$target"
		mv "$part" "$target"
	else
		tail -n 3 "$part/log"
		rm -rf "$part"
		return 1
	fi
}

chp=()
if [[ -x $CHP ]] || why=$(install_chp); then
	chp=(--chp "$CHP")
	echo "configurable-http-proxy $VERSION, node $(node --version)"
else
	echo "without configurable-http-proxy, which could not be installed: ${why:-no answer}"
fi
exec "$program" "$@" "${chp[@]}"
