# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A JupyterHub on the cluster's login host, with configurable-http-proxy in front: started,
# stopped, removed.  The hub runs as an unprivileged account that submits jobs for the two
# users by a sudo rule, or as root; hub_config.py is its configuration.  Sourced by
# contrib/cluster/cluster (root).

HUB_VENV=${CLUSTER_HUB_VENV:-/opt/spank-jupyter/hub}
HUB_PROXY=${CLUSTER_HUB_PROXY:-/opt/spank-jupyter/configurable-http-proxy}

# The settings that hub_config.py reads; what is not set has its default there.
HUB_SETTINGS=(CLUSTER_HUB_SPAWNER CLUSTER_HUB_SUBMIT CLUSTER_HUB_INTERNAL_SSL CLUSTER_HUB_CONFIG)

hub_names_set() {
	HUB_DIR=$STATE/hub
	HUB_AS=$HUB
	[[ ${CLUSTER_HUB_AS:-sudo} != root ]] || HUB_AS=root
	HUB_IP=$(host_address login)
	HUB_PORT=$((8000 + INSTANCE * 10))
}

hub_check() {
	local pair
	[[ ${CLUSTER_HUB_AS:-sudo} == @(sudo|root) ]] ||
		usage_error "CLUSTER_HUB_AS is sudo or root, not '$CLUSTER_HUB_AS'"
	[[ ${CLUSTER_HUB_SPAWNER:-spank} == @(spank|batchspawner) ]] ||
		usage_error "CLUSTER_HUB_SPAWNER is spank or batchspawner, not '$CLUSTER_HUB_SPAWNER'"
	[[ ${CLUSTER_HUB_SUBMIT:-sbatch} == @(sbatch|salloc) ]] ||
		usage_error "CLUSTER_HUB_SUBMIT is sbatch or salloc, not '$CLUSTER_HUB_SUBMIT'"
	[[ ${CLUSTER_HUB_INTERNAL_SSL:-0} == [01] ]] ||
		usage_error "CLUSTER_HUB_INTERNAL_SSL is 0 or 1, not '$CLUSTER_HUB_INTERNAL_SSL'"
	[[ -z ${CLUSTER_HUB_CONFIG-} || -r $CLUSTER_HUB_CONFIG ]] ||
		die "no file '$CLUSTER_HUB_CONFIG' (CLUSTER_HUB_CONFIG)"
	[[ -x $HUB_VENV/bin/jupyterhub ]] ||
		die "no JupyterHub in $HUB_VENV (CLUSTER_HUB_VENV): see contrib/requirements-hub.txt"
	[[ -e $HUB_PROXY/node_modules/configurable-http-proxy ]] ||
		die "no configurable-http-proxy in $HUB_PROXY (CLUSTER_HUB_PROXY): install it with npm"
	for pair in sudo:sudo node:nodejs; do
		command -v "${pair%:*}" >/dev/null || die "programs are missing: apt-get install ${pair#*:}"
	done
	[[ $MOUNTNS -eq 1 ]] || die "the hub needs mount namespaces, which are not possible here"
}

# The account is removed with the cluster, like the users' accounts.
hub_account_create() {
	getent passwd "$HUB" >/dev/null ||
		useradd --no-create-home --user-group --home-dir "$HUB_DIR" --shell /bin/bash \
			--comment "$USERS_COMMENT $INSTANCE" "$HUB"
}

# What the hub account may do, and nothing else: submit and end jobs as one of the users.
# batchspawner hands the server's environment, token and all, through sudo (SETENV).
hub_sudoers_print() {
	local commands sjupyter
	sjupyter=$(PATH=$(hub_path) && command -v sjupyter) || true
	commands="$(command -v sbatch), $(command -v salloc), $(command -v scancel), $(command -v squeue)"
	cat <<-END
	Defaults:$HUB !requiretty, !use_pty
	Defaults:$HUB secure_path="$(hub_path)"
	Defaults:$HUB env_keep += "SPANK_JUPYTER_SPAWN_ID SPANK_JUPYTER_HUB_UID JUPYTERHUB_API_URL"
	Defaults:$HUB env_keep += "SLURM_CONF MUNGE_SOCKET"
	$HUB ALL = ($ALICE, $BOB) NOPASSWD: SETENV: $commands
	END
	if [[ -x $sjupyter ]]; then
		echo "$HUB ALL = ($ALICE, $BOB) NOPASSWD: $sjupyter stop [0-9]*"
	fi
}

# The PATH of the hub, and of the jobs that it submits.
hub_path() {
	echo "${CLUSTER_PATH:+$CLUSTER_PATH:}/usr/local/bin:/usr/bin:/bin"
}

# What the processes read; all is the hub account's but for the sudo rule.
hub_files_write() {
	local name owner
	install -d -m 0755 "$HUB_DIR"
	# lib/enter puts it over /etc/sudoers.d, for the cluster's processes only.
	install -d -m 0750 "$STATE/sudoers.d"
	hub_sudoers_print | (umask 0337 && file_write "$STATE/sudoers.d/hub")
	if [[ ! -s $HUB_DIR/proxy-token ]]; then
		for name in proxy-token api-token; do
			(umask 0177 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$HUB_DIR/$name")
		done
	fi
	rm -rf "$HUB_DIR/python"
	mkdir "$HUB_DIR/python"
	cp -r "$(dirname "$(dirname "$LIB")")/jupyterhub/jupyterhub_spank_spawner" "$HUB_DIR/python/"
	install -m 0644 "$LIB/hub_config.py" "$HUB_DIR/jupyterhub_config.py"
	[[ -z ${CLUSTER_HUB_CONFIG-} ]] || install -m 0644 "$CLUSTER_HUB_CONFIG" "$HUB_DIR/more_config.py"
	owner=$HUB_AS:$(id -g "$HUB_AS")
	chown -R "$owner" "$HUB_DIR"
}

# hub_command CMD...: sets HUB_COMMAND, CMD as the hub's account.
hub_command() {
	local PREFIX setting env=()
	for setting in "${HUB_SETTINGS[@]}"; do
		[[ -z ${!setting-} ]] || env+=("$setting=${!setting}")
	done
	[[ -z ${CLUSTER_HUB_CONFIG-} ]] || env+=("CLUSTER_HUB_CONFIG=$HUB_DIR/more_config.py")
	host_prefix login
	HUB_COMMAND=("${PREFIX[@]}" env -i -C "$HUB_DIR" HOME="$HUB_DIR" PATH="$(hub_path)" LANG=C.UTF-8
		SLURM_CONF="$STATE/etc/slurm.conf" CLUSTER_HUB_DIR="$HUB_DIR" CLUSTER_HUB_IP="$HUB_IP"
		CLUSTER_HUB_PORT="$HUB_PORT" CLUSTER_HUB_USERS="$ALICE $BOB" "${env[@]}"
		"$(command -v setpriv)" --reuid="$HUB_AS" --regid="$(id -g "$HUB_AS")" --init-groups
		--inh-caps=-all -- "$@")
}

# hub_process NAME CMD...: CMD as the hub's account, unless it runs.
hub_process() {
	local name=$1 HUB_COMMAND
	shift
	! hub_runs "$name" || return 0
	hub_command "$@"
	umask 077
	setsid "${HUB_COMMAND[@]}" </dev/null >>"$STATE/log/$name.err" 2>&1 9>&- &
	echo $! >"$STATE/pid/$name"
	disown
	umask 022
}

hub_runs() {
	local pid
	pid=$(cat "$STATE/pid/$1" 2>/dev/null) || return 1
	[[ $pid && -e /proc/$pid/exe ]]
}

hub_process_stop() {
	local pid
	pid=$(cat "$STATE/pid/$1" 2>/dev/null) || return 0
	if hub_runs "$1"; then
		kill "$pid" 2>/dev/null || true
		until_true hub_ended "$1" || die "$1 does not end"
	fi
	rm -f "$STATE/pid/$1"
}

hub_ended() { ! hub_runs "$1"; }

# The keys of the hub and of the proxy, with which that is started.
hub_keys_make() {
	local HUB_COMMAND
	[[ ! -e $HUB_DIR/internal-ssl ]] || return 0
	hub_command "$HUB_VENV/bin/jupyterhub" --generate-certs --config jupyterhub_config.py
	(umask 077 && "${HUB_COMMAND[@]}" </dev/null >>"$STATE/log/jupyterhub.err" 2>&1 9>&-)
}

hub_is_ssl() { [[ ${CLUSTER_HUB_INTERNAL_SSL-} == 1 ]]; }

# As JupyterHub would start it.
hub_proxy_start() {
	local http=http side options=()
	if hub_is_ssl; then
		http=https
		for side in api client; do
			options+=("--$side-ssl-key=internal-ssl/proxy-$side/proxy-$side.key"
				"--$side-ssl-cert=internal-ssl/proxy-$side/proxy-$side.crt"
				"--$side-ssl-ca=internal-ssl/proxy-$side-ca_trust.crt"
				"--$side-ssl-request-cert" "--$side-ssl-reject-unauthorized")
		done
	fi
	# shellcheck disable=SC2016
	hub_process hub-proxy bash -c 'CONFIGPROXY_AUTH_TOKEN=$(<proxy-token) exec "$@"' proxy \
		node "$HUB_PROXY/node_modules/configurable-http-proxy/bin/configurable-http-proxy" \
		--ip "$HUB_IP" --port "$HUB_PORT" --api-ip 127.0.0.1 --api-port $((HUB_PORT + 1)) \
		--default-target "$http://$HUB_IP:$((HUB_PORT + 2))" \
		--error-target "$http://$HUB_IP:$((HUB_PORT + 2))/hub/error" "${options[@]}"
}

hub_start() {
	hub_process jupyterhub "$HUB_VENV/bin/jupyterhub" --config jupyterhub_config.py
	daemon_wait jupyterhub hub_answers
}

# Through the proxy, as a browser would.
hub_answers() {
	local line
	{
		exec {sock}<>"/dev/tcp/$HUB_IP/$HUB_PORT" &&
			printf 'GET /hub/api HTTP/1.0\r\n\r\n' >&"$sock" &&
			read -r -t 5 line <&"$sock"
	} 2>/dev/null && [[ $line == *" 200 "* ]]
}

hub_up() {
	hub_check
	step "account $HUB" hub_account_create
	hub_files_write
	! hub_is_ssl || step "keys of hub and proxy" hub_keys_make
	step "configurable-http-proxy" hub_proxy_start
	step "JupyterHub as $HUB_AS" hub_start
	echo "http://$HUB_IP:$HUB_PORT/hub/ (users $ALICE and $BOB, any password)"
}

hub_stop() { hub_process_stop jupyterhub; }

hub_down() {
	hub_process_stop jupyterhub
	hub_process_stop hub-proxy
	rm -rf --one-file-system "$HUB_DIR" "$STATE/sudoers.d"
}
