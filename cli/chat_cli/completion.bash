# bash completion for chat; `chat completion bash` prints it
# shellcheck shell=bash

_chat_commands=' @COMMANDS@ '

_chat_flags() { # COMMAND: sets flags
    case $1 in
@FLAGS@
        *) flags='' ;;
    esac
}

_chat_kind() { # COMMAND FLAG-OR-NUMBER: sets kind, of the value that is expected there
    case "$1 $2" in
@KINDS@
        *) kind='' ;;
    esac
}

_chat() {
    local line=${COMP_LINE:0:COMP_POINT} command=ask first=1 number=1 expected='' flags kind i
    local -a words
    IFS=$' \t' read -ra words <<<"$line"
    [[ $line != *[[:space:]] ]] || words+=('')
    local last=$((${#words[@]} - 1))
    local cur=${words[last]}
    if ((last > 1)) && [[ $_chat_commands == *" ${words[1]} "* ]]; then
        command=${words[1]} first=2
        _chat_kind "$command" "${words[2]}"
        if ((last > 2)) && [[ $kind == group ]]; then
            command+=" ${words[2]}" first=3
        fi
    fi
    for ((i = first; i < last; i++)); do
        if [[ -n $expected ]]; then
            expected=''
        elif [[ ${words[i]} == -* ]]; then
            _chat_kind "$command" "${words[i]}"
            expected=$kind
        else
            ((number++))
        fi
    done
    if [[ -z $expected && $cur == --*=* ]]; then
        _chat_kind "$command" "${cur%%=*}"
        expected=$kind cur=${cur#*=}
    elif [[ -z $expected && $cur == -* ]]; then
        _chat_flags "$command"
        expected=":$flags"
    elif [[ -z $expected && $first == 1 && $last == 1 ]]; then
        expected=":$_chat_commands"
    elif [[ -z $expected ]]; then
        _chat_kind "$command" "$number"
        expected=$kind
    fi
    _chat_offer "$expected" "$cur" "${words[0]/#\~/$HOME}"
}

_chat_offer() { # KIND CURRENT-WORD CHAT: sets COMPREPLY
    local kind=$1 cur=${2//\\/} typed=${COMP_WORDS[COMP_CWORD]} value
    local -a found=() lines=()
    case $kind in
        files) compopt -o default; return ;;
        :*) IFS=' ' read -ra lines <<<"${kind#:}" ;;
        '' | any | group) return ;;
        *) mapfile -t lines < <("$3" --complete "$kind" 2>/dev/null) ;;
    esac
    for value in "${lines[@]}"; do
        [[ $value != "$cur"* ]] || found+=("$value")
    done
    # bash takes what is after a colon or the like for a word of its own
    [[ $typed != [:=@]* ]] || typed=''
    local before=${cur%"$typed"}
    COMPREPLY=()
    for value in "${found[@]}"; do
        if ((${#found[@]} == 1 || COMP_TYPE == 37 || COMP_TYPE == 42)); then
            value=${value%%$'\t'*}
        elif [[ $value == *$'\t'?* ]]; then
            value="${value%%$'\t'*}  (${value#*$'\t'})"
        fi
        value=${value%$'\t'}
        COMPREPLY+=("${value#"$before"}")
    done
    [[ ${COMPREPLY[0]-} != *: ]] || compopt -o nospace
}

complete -F _chat chat
