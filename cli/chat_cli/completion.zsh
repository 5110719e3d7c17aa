#compdef chat
# zsh completion for chat; `chat completion zsh` prints it

_chat_flags() { # COMMAND: sets flags
    case $1 in
@FLAGS@
        (*) flags=() ;;
    esac
}

_chat_kind() { # COMMAND FLAG-OR-NUMBER: sets kind, of the value that is expected there
    case "$1 $2" in
@KINDS@
        (*) kind='' ;;
    esac
}

_chat_commands=(
@COMMANDS@
)

_chat() {
    local command=ask expected='' kind cur="$PREFIX"
    local -a flags
    integer first=2 number=1 i
    if ((CURRENT > 2)) && [[ -n ${(M)_chat_commands:#${words[2]}:*} ]]; then
        command=${words[2]} first=3
        _chat_kind "$command" "${words[3]}"
        if ((CURRENT > 3)) && [[ $kind == group ]]; then
            command+=" ${words[3]}" first=4
        fi
    fi
    for ((i = first; i < CURRENT; i++)); do
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
        expected=$kind
        compset -P '*='
    elif [[ -z $expected && $cur == -* ]]; then
        _chat_flags "$command"
        _describe -o flag flags
        return
    elif [[ -z $expected && $CURRENT == 2 ]]; then
        _describe command _chat_commands
        return
    elif [[ -z $expected ]]; then
        _chat_kind "$command" "$number"
        expected=$kind
    fi
    _chat_offer "$expected"
}

_chat_offer() { # KIND
    local line
    local -a found
    case $1 in
        (files) _files; return ;;
        (:*) found=(${=1#:}) ;;
        ('' | any | group) return 1 ;;
        (*)
            for line in "${(@f)$(${(Q)words[1]/#\~/$HOME} --complete "$1" 2>/dev/null)}"; do
                [[ -z $line ]] || found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
            done ;;
    esac
    ((${#found})) && _describe "$1" found
}

if [[ $funcstack[1] == _chat ]]; then
    _chat "$@"
else
    compdef _chat chat
fi
