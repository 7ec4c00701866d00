# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# bash completion for sjupyter: its commands, their options, and the jobs of
# your sessions.  Loaded by bash-completion on the first <Tab>, as the user.

# The jobs of this user's sessions, as `sjupyter list` calls them.
_sjupyter_jobs() {
	timeout 5 sjupyter list "$@" 2>/dev/null | awk 'NR > 1 { print $1 }'
}

# Fills COMPREPLY with the words that begin with what was typed.
_sjupyter_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
	# The value of an option that ends in "=" follows without a blank.
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
		compopt -o nospace
	fi
}

_sjupyter_files() {
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

# The values of --jupyter-...=; fails for an option that has none of its own.
_sjupyter_value() {
	local option=$1 current=$2
	case $option in
	--jupyter) _sjupyter_words 'lab notebook server kernel run:' "$current" ;;
	--jupyter-workers) _sjupyter_words 'ipyparallel mpi dask' "$current" ;;
	--jupyter-start) _sjupyter_words 'now manual' "$current" ;;
	--jupyter-hub) _sjupyter_words 'none' "$current" ;;
	--jupyter-init | --jupyter-output | --config | --socket) _sjupyter_files -f "$current" ;;
	--jupyter-dir) _sjupyter_files -d "$current" ;;
	*) return 1 ;;
	esac
}

_sjupyter() {
	local commands='run start wait list status workers env url log stop tunnel kernel
		kernelspec doctor'
	local options='--jupyter --jupyter= --jupyter-workers= --jupyter-hub= --jupyter-init=
		--jupyter-start= --jupyter-idle= --jupyter-warn= --jupyter-dir= --jupyter-param=
		--jupyter-output='
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' i

	COMPREPLY=()
	# readline breaks words at "=": --jupyter = lab.
	if [[ $current == '=' ]]; then
		_sjupyter_value "$previous" ''
		return
	fi
	if [[ $previous == '=' && $COMP_CWORD -ge 2 ]] &&
		_sjupyter_value "${COMP_WORDS[COMP_CWORD - 2]}" "$current"; then
		return
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-* | =) ;;
		*)
			# The file of --config FILE and --config=FILE is no command.
			if [[ ${COMP_WORDS[i - 1]} != '=' && ${COMP_WORDS[i - 1]} != --config ]]; then
				command=${COMP_WORDS[i]}
				break
			fi
			;;
		esac
	done
	case $command in
	'') _sjupyter_words "$commands --config= --help --version" "$current" ;;
	run)
		if [[ $current == -* ]]; then
			_sjupyter_words "--no-wait --json --help $options" "$current"
		else
			_sjupyter_files -f "$current"
		fi
		;;
	start) _sjupyter_words "--no-wait --help $options" "$current" ;;
	list) _sjupyter_words '--all --json --help' "$current" ;;
	doctor) _sjupyter_words '--no-job --json --help' "$current" ;;
	kernelspec)
		_sjupyter_words 'install --name= --display-name= --kernel= --language= --jobid= --prefix=
			--replace --help' "$current"
		;;
	wait | status | workers | env | url | log | stop | tunnel | kernel)
		if [[ $current != -* ]]; then
			local all=()
			if [[ $command == status || $command == log ]]; then
				all=(--all)
			fi
			_sjupyter_words "$(_sjupyter_jobs "${all[@]}")" "$current"
			return
		fi
		case $command in
		wait) options='--ready --timeout= --help' ;;
		status | env | url) options='--json --help' ;;
		workers) options='--wait --json --help' ;;
		log) options='--follow --lines= --help' ;;
		stop) options='--job --help' ;;
		tunnel) options='--port= --socket= --help' ;;
		kernel) options='--new= --number= --no-console --proxy --help' ;;
		esac
		_sjupyter_words "$options" "$current"
		;;
	esac
}

complete -F _sjupyter sjupyter
