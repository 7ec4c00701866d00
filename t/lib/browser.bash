# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# A browser on the cluster's login host, for the bats files about the hub, on top of hub.bash.  Loaded
# in bats' processes, as root; the browser runs as $BOB, with a profile that is gone afterwards.

BROWSER_SECONDS=420
PLAYWRIGHT=${SPANK_JUPYTER_PLAYWRIGHT:-/opt/spank-jupyter/playwright}

# browser_need: skips the test where the browser, or what drives it, can be had from nowhere.
browser_need() {
	need_playwright "$PLAYWRIGHT" >&2 || skip "chromium or playwright-core cannot be installed"
}

# Whether an unprivileged process may make namespaces, in which Chromium locks itself up.
browser_sandbox() {
	if as_bob unshare --user --map-root-user --net true 2>/dev/null; then
		echo 1
	else
		echo 0
	fi
}

# browser STEPS: JSON, of t/lib/browser/hub.mjs; prints what that has found.
browser() {
	local directory status=0
	directory=$(mktemp -d "$(home_of "$BOB")/.browser-XXXXXX")
	install -d -o "$BOB" "$directory/profile" "$directory/tmp"
	chmod 0755 "$directory"
	install -m 0644 "$TOP/t/lib/browser/hub.mjs" "$directory/hub.mjs"
	"$CLUSTER" run -u "$BOB" -e "TMPDIR=$directory/tmp" -e "BROWSER_SANDBOX=$(browser_sandbox)" \
		-e "XDG_CONFIG_HOME=$directory/tmp" -e "XDG_CACHE_HOME=$directory/tmp" -- \
		timeout -k 10 "$BROWSER_SECONDS" node "$directory/hub.mjs" "$PLAYWRIGHT" "$directory/profile" \
		"$HUB_URL" <<<"$1" || status=$?
	rm -rf "$directory"
	return "$status"
}

# browser_forget: what JupyterLab keeps of the notebooks that were open, which it would open again, and of what it was
# told.
browser_forget() {
	local home
	home=$(home_of "$ALICE")
	rm -rf "$home"/.jupyter/lab/{workspaces,user-settings} "$home"/Untitled*.ipynb
}

# found JSON EXPRESSION: Python's, of what the browser has found, f.
found() {
	/usr/bin/python3 -c "import json, sys; f = json.loads(sys.argv[1]); print($2)" "$1"
}
