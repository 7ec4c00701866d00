#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The shipped kinds of workers on their own, without Slurm: what lib/workers/kinds.py
# checks of controllers, workers and clients on one node.

# bats file_tags=without:cluster

load lib/common

# kinds KIND: its checks; those that fail are shown.
kinds() {
	[[ $STACK == pypi ]] || skip "needs ipyparallel and Dask from PyPI, which cannot be reached"
	local out=$BATS_TEST_TMPDIR/out status=0
	timeout -k 10 200 "$PYTHON" "$TOP/t/lib/workers/kinds.py" "$1" \
		"$PREFIX/libexec/spank-jupyter/jupyter-certificate" >"$out" 2>"$out.log" || status=$?
	if [[ $status -ne 0 ]]; then
		grep -A 3 -E '^(not ok|Bail out)' "$out" || cat "$out"
		tail -n 20 "$out.log"
	fi
	return "$status"
}

@test "ipyparallel: CURVE, joining, retiring, dying, and the user's profile" {
	kinds ipyparallel
}

@test "dask: TLS, joining, retiring and dying" {
	kinds dask
}
