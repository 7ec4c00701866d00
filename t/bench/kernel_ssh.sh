#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A kernel on a node for a Jupyter on the login host, ours beside one over ssh: PyPI's sshpyk, a
# kernel provisioner too, set up as its documentation says (kernel/ssh_config), against
# contrib/kernel-provisioner with a kernelspec of a job that already runs.  Both start the python3
# of the same virtual environment on n1, in turn, by jupyter_client's KernelManager in one process
# on the login host; the first kernel of each is for warming up, so sshpyk has its master
# connection and ours its session.  Told without a bound: the peer has no job, no accounting, and
# an ssh server on the node that lets the user in.  That server is Debian's, here with keys of its
# own, as the user, for as long as this runs.  Called by t/bench/kernel.sh, as root.
#
# usage: kernel_ssh.sh [PAIRS]
set -euo pipefail
# shellcheck source=t/bench/common.bash
source "$(dirname "$0")/common.bash"
# shellcheck source=contrib/lib/install.sh
source "$TOP/contrib/lib/install.sh"
pairs=${1:-8}
python=$VENV/bin/python
work=$(mktemp -d)
chmod 0755 "$work"
dir=$work/user
install -d -m 0700 -o "$USER_NAME" -g "$(id -g "$USER_NAME")" "$dir"
job=
sshd=
clean() {
	[[ -z $job ]] || "$CLUSTER" run -- scancel "$job"
	as_user ssh -F "$dir/ssh_config" -O exit node_sshpyk 2>/dev/null || true
	[[ -z $sshd ]] || kill "$sshd" || true
	wait
	rm -rf "$work"
}
trap clean EXIT

need_packages openssh-server >"$work/apt.log" 2>&1 || {
	tail -n 1 "$work/apt.log" >&2
	exit 1
}
pip() { # ARGUMENTS...: installs into the peers' directory
	"$python" -m pip install -q --disable-pip-version-check --no-deps --target "$work/python" "$@"
}
pip -r "$TOP/t/bench/kernel/requirements.txt"
# A build leaves files beside its source.
cp -r "$TOP/contrib/kernel-provisioner" "$work/source"
PIP_CONSTRAINT=$TOP/t/bench/kernel/build.txt pip "$work/source"
install -m 0644 "$TOP/t/bench/kernel/client.py" "$work/client.py"
chmod -R a+rX "$work/python"

for name in host_key user_key; do
	as_user ssh-keygen -q -t ed25519 -N '' -C '' -f "$dir/$name"
done
for name in ssh_config sshd_config; do
	sed "s|@dir@|$dir|; s|@user@|$USER_NAME|" "$TOP/t/bench/kernel/$name" >"$dir/$name"
done
"$CLUSTER" run -u "$USER_NAME" -n n1 -- /usr/sbin/sshd -D -f "$dir/sshd_config" -E "$dir/sshd.log" &
sshd=$!
for ((i = 0; i < 500; i++)); do
	[[ ! -s $dir/sshd.pid ]] || break
	sleep 0.02
done
[[ -s $dir/sshd.pid ]] || {
	echo "sshd on n1 does not listen after 10 s: $(tail -n 1 "$dir/sshd.log")" >&2
	exit 1
}

with_peers() { # CMD...: as the user, with both provisioners and kernelspecs of its own
	as_user env PYTHONPATH="$work/python" JUPYTER_DATA_DIR="$dir/jupyter" "$@"
}
# Which a Jupyter makes, and sshpyk expects.
as_user mkdir -p "$dir/jupyter/runtime"
with_peers "$python" "$work/python/bin/sshpyk" add --ssh-host-alias node_sshpyk --ssh-config "$dir/ssh_config" \
	--kernel-name by-ssh --display-name 'Python on n1, ssh' --language python \
	--remote-python "$python" --remote-kernel-name python3 >"$work/add.log" 2>&1 || {
	cat "$work/add.log" >&2
	exit 1
}
job=$(as_user sbatch --parsable -N1 -w n1 --jupyter=kernel -o /dev/null --wrap 'sjupyter wait')
as_user sjupyter wait --ready --timeout=3 "$job"
with_peers sjupyter kernelspec install --name in-job --display-name 'Python in a job' --jobid "$job" >/dev/null
with_peers timeout -k 10 $((120 + 60 * pairs)) "$python" "$work/client.py" launch "$pairs" in-job by-ssh >"$work/times"

row() { # NAME COLUMN_OURS COLUMN_PEER UNIT FACTOR
	awk -v ours="$(column "$2" <"$work/times" | median)" -v peer="$(column "$3" <"$work/times" | median)" \
		-v ratio="$(awk -v a="$2" -v b="$3" '{ print $a / $b }' "$work/times" | median)" \
		-v name="$1" -v unit="$4" -v factor="$5" 'BEGIN {
		printf "%-58s %10.3f %-6s peer: ours %.2f %s, sshpyk %.2f %s\n", name, ratio, "x",
			ours * factor, unit, peer * factor, unit
	}'
}
row "start_kernel to kernel_info's answer, ours / sshpyk" 1 2 s 1
row "an execute round trip, ours / sshpyk" 3 4 ms 1000
