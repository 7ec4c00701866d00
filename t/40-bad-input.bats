#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Bad input: a clear error where the user looks, and never a hang, a crash, or a job
# that fails because of us.

load lib/common
load lib/session

setup() {
	jobs_cancel
}

teardown() {
	config_restore
	jobs_cancel
	nothing_left
}

# The session of a job has failed, its reason and the job's stderr say $2, and the
# job itself goes on to its end.
failed_with() {
	wait_until 60 session_is "$1" failed
	run session_reason "$1"
	assert_has "$2"
	wait_until 60 job_log_has "$1" "$2"
	wait_until 60 job_log_has "$1" "the job has gone on"
}

GOES_ON='until grep -q "failed\|no session" job-$SLURM_JOB_ID.log; do sleep 0.2; done; echo "the job has gone on"'

@test "an unknown app stops sbatch with a line that lists the known ones" {
	submit_refused --jupyter=labb
	assert_has labb
	assert_has lab
	assert_has notebook
	assert_has server
}

@test "an unknown kind of workers stops sbatch with a line, before and behind --jupyter" {
	submit_refused --jupyter --jupyter-workers=desk:2
	assert_has 'no kind of workers "desk"'
	submit_refused --jupyter-workers=desk:2 --jupyter
	assert_has 'no kind of workers "desk"'
	run as_alice timeout 30 salloc --jupyter --jupyter-workers=desk true
	[[ $status -ne 0 ]]
	assert_has 'no kind of workers "desk"'
}

@test "malformed values stop sbatch, salloc and srun with a line that says what is allowed" {
	local option
	for option in --jupyter= --jupyter=a/b --jupyter=.. --jupyter=$'a\nb' --jupyter-idle=-1 --jupyter-idle=1:2:3:4 \
		--jupyter-idle=soon --jupyter-warn=9999999999 --jupyter-start=later --jupyter-hub=ftp://x \
		--jupyter-hub=http://u:p@h --jupyter-workers=dask:0 --jupyter-workers=dask:-1 '--jupyter-workers=,' \
		--jupyter-workers=dask:99999999999 --jupyter-init= --jupyter-dir= $'--jupyter-dir=/a\nb'; do
		[[ $option == --jupyter= ]] && continue
		submit_refused --jupyter "$option"
		assert_has "${option%%=*}"
	done
	run as_alice timeout 30 salloc --jupyter=labb true
	[[ $status -ne 0 ]]
	run as_alice timeout 30 srun --jupyter=labb true
	[[ $status -ne 0 ]]
	assert_equal "$("$CLUSTER" run -- squeue -h)" ""
}

@test "a secret in a hub's URL is refused and not repeated" {
	submit_refused --jupyter --jupyter-hub=http://me:hunter2@hub/api
	# The second line is Slurm's own, which repeats what was typed, on the terminal only.
	run grep -v 'Invalid --jupyter-hub argument' <<<"$output"
	assert_has "--jupyter-hub"
	assert_has_not hunter2
}

@test "values of 100 kB give one short line" {
	local value option
	value=$(head -c 100000 /dev/zero | tr '\0' x)
	for option in --jupyter --jupyter-workers --jupyter-hub --jupyter-init --jupyter-start --jupyter-idle \
		--jupyter-warn --jupyter-dir; do
		submit_refused --jupyter "$option=$value"
		# The other line is Slurm's own, with the whole value.
		output=$(grep -v '^sbatch: error: Invalid' <<<"$output")
		assert_has "$option"
		[[ ${#output} -lt 600 ]] || fail "${#output} bytes"
	done
}

@test "a directory with spaces, quotes and UTF-8 is the server's root" {
	local dir
	dir="$(home_of "$ALICE")/a dir with 'quotes\" and ümläute"
	as_alice mkdir -p "$dir"
	local job
	job=$(submit "--jupyter=$APP" --jupyter-dir="$dir" --wrap 'sjupyter wait')
	wait_serving "$job"
	run client "$job" exec 'import os; print(os.getcwd())'
	assert_has "$dir"
}

@test "a directory that is not there" {
	local job
	job=$(submit "--jupyter=$APP" --jupyter-dir=/no/such/dir --wrap "$GOES_ON")
	failed_with "$job" "--jupyter-dir=/no/such/dir"
}

# The session's step has gone and its lock with it, while the job goes on.
step_has_gone() { [[ $(steps_of "$1") != *jupyter* ]]; }

@test "a session that fails at once leaves no step, and another one can be started" {
	local job
	job=$(submit -N2 "--jupyter=$APP" --jupyter-dir=/no/such/dir --wrap "$GOES_ON; sleep 600")
	failed_with "$job" "--jupyter-dir=/no/such/dir"
	wait_until 20 step_has_gone "$job"
	as_alice sjupyter start "$job" "--jupyter=$APP" --jupyter-dir=/tmp
	wait_serving "$job"
}

@test "an init file may leave a process in the background" {
	as_alice bash -c 'echo "sleep 600 & export FROM_INIT=yes" >background.sh'
	local job
	job=$(submit "--jupyter=$APP" --jupyter-init=background.sh --wrap 'sjupyter wait')
	wait_serving "$job"
	run client "$job" exec 'import os; print(os.environ["FROM_INIT"])'
	assert_has yes
}

@test "an init file's environment reaches server and kernels" {
	as_alice bash -c 'printf "%s\n" "export FROM_INIT=\"two words\"" "echo noise; echo noise >&2" >init.sh'
	local job
	job=$(submit "--jupyter=$APP" --jupyter-init=init.sh --wrap 'sjupyter wait')
	wait_serving "$job"
	run client "$job" exec 'import os; print(os.environ["FROM_INIT"])'
	assert_has "two words"
}

@test "an init file that is missing, unreadable, fails, or ends the shell" {
	local job
	job=$(submit "--jupyter=$APP" --jupyter-init=/no/init.sh --wrap "$GOES_ON")
	failed_with "$job" "--jupyter-init=/no/init.sh: No such file"
	as_alice bash -c 'echo true >closed.sh; chmod 0 closed.sh; echo "false" >fails.sh; echo "exit 0" >exits.sh'
	job=$(submit "--jupyter=$APP" --jupyter-init=closed.sh --wrap "$GOES_ON")
	failed_with "$job" "Permission denied"
	job=$(submit "--jupyter=$APP" --jupyter-init=fails.sh --wrap "$GOES_ON")
	failed_with "$job" "exit status 1"
	job=$(submit "--jupyter=$APP" --jupyter-init=exits.sh --wrap "$GOES_ON")
	failed_with "$job" "ended the shell"
}

@test "an init file that hangs" {
	config_write <<<$'[site]\ninit_timeout = 0:02'
	as_alice bash -c 'echo "sleep 1000" >hangs.sh'
	local job
	job=$(submit "--jupyter=$APP" --jupyter-init=hangs.sh --wrap "$GOES_ON")
	failed_with "$job" "not done in time"
}

@test "a program that is missing is named, with where it was looked for and what to do" {
	local job
	job=$(submit "--jupyter=$APP" --export=NONE --wrap "export PATH=/usr/bin:/bin; $GOES_ON")
	if [[ $STACK == debian ]]; then
		skip "Debian's program is in /usr/bin"
	fi
	wait_until 60 session_is "$job" failed
	run session_reason "$job"
	assert_has jupyter-lab
	assert_has --jupyter-init
	run as_alice "$PREFIX/bin/sjupyter" status "$job"
	assert_has jupyter-lab
}

@test "an environment of 2 MB" {
	local job
	job=$(as_alice bash -c "for i in {1..18}; do export BIG\$i=\$(head -c 100000 /dev/zero | tr '\\0' x); done
		exec sbatch --parsable --output=job-%j.log '--jupyter=$APP' --wrap 'sleep 60'")
	wait_until 60 session_is "$job" 'serving|ready|failed'
	if session_is "$job" failed; then
		run session_reason "$job"
		assert_has "environment"
	else
		run client "$job" exec 'import os; print(len(os.environ["BIG18"]))'
		assert_has 100000
	fi
	assert_equal "$(job_state "$job")" RUNNING
}

@test "HOME unset" {
	local job
	job=$(submit "--jupyter=$APP" --jupyter-start=manual --wrap 'env -u HOME sjupyter start --no-wait; sjupyter wait')
	wait_serving "$job"
}

@test "a state directory that cannot be made: the session runs and says where its record is" {
	local job
	job=$(submit "--jupyter=$APP" --export=ALL,XDG_STATE_HOME=/proc/nowhere --wrap 'sleep 60')
	wait_until 60 job_log_has "$job" "jupyter: ready after"
	run job_log "$job"
	assert_has /proc/nowhere
	assert_has "/tmp/spank-jupyter-"
}

# In the mount namespace of a node's slurmd, which its jobs have too.
in_slurmd() {
	nsenter -t "$(<"$CLUSTER_STATE_DIR/pid/slurmd-$1")" -m "${@:2}"
}

@test "a full disk: the session runs" {
	local full=/mnt
	in_slurmd n1 mount -t tmpfs -o size=4k,nr_inodes=8,mode=1777 tmpfs "$full"
	in_slurmd n1 bash -c "head -c 1M /dev/zero >$full/filler || true"
	local job
	job=$(submit -w n1 "--jupyter=$APP" --export=ALL,XDG_STATE_HOME=$full --wrap 'sleep 60')
	wait_until 60 job_log_has "$job" "jupyter: ready after"
	"$CLUSTER" run -- scancel "$job"
	wait_until 60 job_has_ended "$job"
	wait_until 30 in_slurmd n1 umount "$full"
}

@test "errors in the site's settings name file and line, and the job goes on" {
	local job
	config_write <<<$'[site]\n\nports = many'
	job=$(submit --jupyter=lab --wrap "$GOES_ON" || true)
	if [[ -z $job ]]; then
		# The submit host reads the same file, so that sbatch can say it at once.
		submit_refused --jupyter=lab
	else
		wait_until 60 session_is "$job" failed
		run session_reason "$job"
	fi
	assert_has "$CONFIG:3"
	assert_has many
}

@test "an app that ends at once, and one that never answers" {
	config_write <<-'END'
		[app broken]
		command = sh -c "echo first words; echo last words >&2; exit 7"
		[app silent]
		command = sleep 600
		ready_timeout = 0:02
	END
	local job
	job=$(submit --jupyter=broken --wrap "$GOES_ON")
	failed_with "$job" "exit status 7"
	run session_reason "$job"
	assert_has "last words"
	job=$(submit --jupyter=silent --wrap "$GOES_ON")
	failed_with "$job" "no answer"
}

@test "an app that answers everybody is not offered to a network" {
	as_alice bash -c 'cat >open.py' <<-'END'
		import socketserver, sys
		class Answer(socketserver.StreamRequestHandler):
		    def handle(self):
		        self.rfile.readline()
		        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
		socketserver.UnixStreamServer(sys.argv[1], Answer).serve_forever()
	END
	config_write <<-END
		[app open]
		command = /usr/bin/python3 $(home_of "$ALICE")/open.py \${socket}
		guarded = /private
	END
	local job
	job=$(submit --jupyter=open --wrap "$GOES_ON")
	failed_with "$job" "/private to everybody"
}

@test "an empty token in the user's own configuration does not open the session" {
	as_alice mkdir -p .jupyter
	as_alice bash -c 'printf "c.%s.token = \"\"\n" ServerApp NotebookApp IdentityProvider >.jupyter/jupyter_server_config.py
		cp .jupyter/jupyter_server_config.py .jupyter/jupyter_notebook_config.py'
	local job status_of_stranger
	job=$(submit "--jupyter=$APP" --wrap 'sjupyter wait')
	wait_until 120 session_is "$job" 'ready|failed'
	status_of_stranger=$(as_bob curl -sS --noproxy '*' -o /dev/null -w '%{http_code}' \
		"$(session_get "$job" '"http://%s:%d" % (r["endpoint"]["ip"], r["endpoint"]["port"])')/api/kernels")
	as_alice rm -r .jupyter
	assert_equal "$status_of_stranger" 403
}

@test "garbage, slow and half-open clients at both ports do not hurt the session" {
	local job ip ports
	job=$(submit "--jupyter=$APP" --wrap 'sjupyter wait')
	wait_serving "$job"
	ip=$(session_get "$job" 'r["endpoint"]["ip"]')
	mapfile -t ports < <(on_node n1 ss -Hltnp |
		grep "pid=$(session_get "$job" 'r["head"]["pid"]')," | grep -o ":[0-9]* " | tr -d ': ')
	[[ ${#ports[@]} -eq 2 ]] || fail "the head listens on: ${ports[*]}"
	as_bob "$PYTHON" - "$ip" "${ports[@]}" <<-'END'
		import os, socket, sys
		held = []
		for port in map(int, sys.argv[2:]):
		    for i in range(200):
		        s = socket.create_connection((sys.argv[1], port), 5)
		        if i % 2:
		            s.sendall(b"G" if i % 4 == 1 else os.urandom(4096))
		        held.append(s)
	END
	run session_curl "$job" /api/status
	assert_status 0
	session_is "$job" 'serving|ready'
}

@test "a session record that is hostile, cut, or from the future is told as that" {
	local dir
	dir=$(session_dir 4000000000)
	as_alice mkdir -p -m 700 "$dir"
	as_alice bash -c "echo '{\"version\":2}' >'$dir/session.json'"
	run as_alice sjupyter status 4000000000
	[[ $status -ne 0 ]]
	assert_has newer
	as_alice bash -c "echo '{\"version\":1,\"state\"' >'$dir/session.json'"
	run as_alice sjupyter status 4000000000
	[[ $status -ne 0 ]]
	as_alice bash -c "rm '$dir/session.json'; mkfifo '$dir/session.json'"
	run as_alice timeout 10 sjupyter status 4000000000
	[[ $status -ne 0 && $status -ne 124 ]]
	run as_alice timeout 10 sjupyter list
	assert_status 0
	as_alice rm -r "$dir"
}
