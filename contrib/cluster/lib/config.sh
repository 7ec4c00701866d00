# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# Writes the files that the cluster's programs read: slurm.conf, cgroup.conf,
# plugstack.conf, /etc/hosts.  Sourced by contrib/cluster/cluster (root).

# The size that each node pretends to have, whatever the machine has.
NODE_CPUS=8
NODE_MEMORY=16000
NODE_GPUS=4

# Sets CONFIG_CHANGED and PLUGSTACK_CHANGED where daemons may run with the old.
config_write() {
	local dir owner=root
	CONFIG_CHANGED=0
	PLUGSTACK_CHANGED=0
	if getent passwd slurm >/dev/null; then
		owner=slurm
	fi
	for dir in etc gpus home log pid spool; do
		mkdir -p "$STATE/$dir"
	done
	gres_conf_print | file_write "$STATE/etc/gres.conf"
	install -d -m 0700 -o "$owner" "$STATE/ctld"

	hosts_print | file_write "$STATE/etc/hosts"
	# The other settings of cgroup.conf came and went with Slurm's versions.
	echo ConstrainRAMSpace=yes | file_write "$STATE/etc/cgroup.conf"
	if [[ ! -e $STATE/etc/plugstack.conf ]]; then
		plugstack_write "${CLUSTER_PLUGSTACK-}"
	elif [[ ${CLUSTER_PLUGSTACK+set} &&
		$(<"$STATE/etc/plugstack.conf") != "$CLUSTER_PLUGSTACK" ]]; then
		plugstack_write "$CLUSTER_PLUGSTACK"
		PLUGSTACK_CHANGED=1
	fi
	if [[ ${CLUSTER_KILLWAIT:-$KILLWAIT} -ne $KILLWAIT ]]; then
		KILLWAIT=$CLUSTER_KILLWAIT
		state_save
		CONFIG_CHANGED=1
	fi
	slurm_conf_print "$owner" | file_write "$STATE/etc/slurm.conf"
	# For srun --mpi=pmix: each node's place for PMIx' files, which enter mounts there.
	mkdir -p "$STATE/pmix"
	echo "PMIxCliTmpDirBase=$STATE/pmix" | file_write "$STATE/etc/mpi.conf"
}

config_reread() { host_command login scontrol reconfigure; }

# Replaces a file at once: somebody may be reading it.
file_write() {
	cat >"$1.new"
	mv "$1.new" "$1"
}

plugstack_write() { printf '%s\n' "$1" | file_write "$STATE/etc/plugstack.conf"; }

# This machine's name as Slurm cuts it; `hostname -s` would ask the resolver.
host_name() {
	local name
	name=$(uname -n)
	echo "${name%%.*}"
}

# host_address HOST: of login or nK.
host_address() {
	if [[ $NETNS -eq 0 ]]; then
		echo 127.0.0.1
	elif [[ $1 == login ]]; then
		echo "$SUBNET.1"
	else
		echo "$SUBNET.$((${1#n} + 10))"
	fi
}

hosts_print() {
	local k
	echo "127.0.0.1 localhost"
	echo "::1 localhost ip6-localhost ip6-loopback"
	echo "$(host_address login) $(host_name) login"
	for ((k = 1; k <= NODES; k++)); do
		echo "$(host_address "n$k") n$k"
	done
}

# The GPUs that each node pretends to have: Slurm takes any device for one, and its number from
# the end of its name.
gres_conf_print() {
	local k
	for ((k = 0; k < NODE_GPUS; k++)); do
		ln -sfn /dev/null "$STATE/gpus/gpu$k"
		echo "Name=gpu File=$STATE/gpus/gpu$k"
	done
}

slurm_conf_print() {
	local k where proctrack=linuxproc task=task/affinity
	if [[ $CGROUPS -eq 1 ]]; then
		proctrack=cgroup
		task=task/cgroup,task/affinity
	fi
	cat <<-END
	ClusterName=sj$INSTANCE
	SlurmctldHost=$(host_name)($(host_address login))
	SlurmctldPort=$CTLD_PORT
	SlurmdPort=$SLURMD_PORT
	CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
	SlurmUser=$1
	AuthType=auth/munge
	CredType=cred/munge
	AuthInfo=socket=$STATE/munge/munge.socket.2
	StateSaveLocation=$STATE/ctld
	SlurmctldPidFile=$STATE/ctld/slurmctld.pid
	SlurmctldLogFile=$STATE/log/slurmctld.log
	SlurmdSpoolDir=$STATE/spool/%n
	SlurmdPidFile=$STATE/spool/%n.pid
	SlurmdLogFile=$STATE/log/slurmd-%n.log
	SlurmdParameters=config_overrides
	PlugStackConfig=$STATE/etc/plugstack.conf
	MailProg=/bin/true
	MpiDefault=none
	GresTypes=gpu
	ProctrackType=proctrack/$proctrack
	TaskPlugin=$task
	PrologFlags=Contain
	LaunchParameters=use_interactive_step
	SelectType=select/cons_tres
	SelectTypeParameters=CR_Core_Memory
	DefMemPerCPU=$((NODE_MEMORY / NODE_CPUS))
	SchedulerType=sched/backfill
	SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=2
	JobAcctGatherType=jobacct_gather/linux
	AccountingStorageType=accounting_storage/none
	JobCompType=jobcomp/none
	KillWait=$KILLWAIT
	InactiveLimit=0
	SlurmctldTimeout=30
	SlurmdTimeout=60
	ReturnToService=2
	END
	for ((k = 1; k <= NODES; k++)); do
		where=NodeAddr=$(host_address "n$k")
		if [[ $NETNS -eq 0 ]]; then
			where+=" NodeHostname=$(host_name)"
		fi
		echo "NodeName=n$k $where CPUs=$NODE_CPUS CoresPerSocket=$NODE_CPUS" \
			"RealMemory=$NODE_MEMORY Gres=gpu:$NODE_GPUS"
	done
	echo "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE"
}
