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

TOP=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
# shellcheck source=contrib/lib/install.sh
source "$TOP/contrib/lib/install.sh"
PROXY=${BENCH_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/spank-jupyter}/configurable-http-proxy
CHP=$PROXY/node_modules/.bin/configurable-http-proxy

if [[ $# -lt 1 || ! -x $1 ]]; then
	echo "usage: $0 PROGRAM [--rounds N] [--mib N] [--trips N]" >&2
	exit 2
fi
program=$1
shift

chp=()
if why=$(proxy_install "$PROXY" 2>&1); then
	chp=(--chp "$CHP")
	echo "configurable-http-proxy $PROXY_VERSION, node $(node --version)"
else
	echo "without configurable-http-proxy, which could not be installed: ${why:-no answer}"
fi
exec "$program" "$@" "${chp[@]}"
