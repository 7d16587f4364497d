# SPDX-License-Identifier: Apache-2.0
# Completion for bash, with bash-completion: freshet itself says what may stand next.

_freshet()
{
	local cur prev words cword candidate what cut question
	_init_completion -n =: || return
	if ((cword == 1)); then
		question=(--complete)
	else
		question=("${words[1]}" --complete "${words[@]:2:cword-1}")
	fi
	local typed=$cur found=()
	while IFS=$'\t' read -r candidate what; do
		case $candidate in
		:dirs | :files)
			compopt -o filenames
			cur=${typed#"$what"} COMPREPLY=()
			if [[ $candidate == :dirs ]]; then _filedir -d; else _filedir; fi
			found+=("${COMPREPLY[@]/#/$what}")
			;;
		"$typed"*)
			[[ $candidate != *= ]] || compopt -o nospace
			found+=("$candidate")
			;;
		esac
	done < <("$1" "${question[@]}" 2>/dev/null)
	# Readline replaces only what is behind the last of its word breaks, which freshet takes for parts of a word.
	cut=${typed%"${typed##*[=:]}"}
	COMPREPLY=("${found[@]#"$cut"}")
} && complete -F _freshet freshet
