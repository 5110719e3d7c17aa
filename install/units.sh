# systemd's files: what a version ships in its folder systemd/, copied to where systemd looks.
# install/system.sh and install/user.sh say which (`shipped`) and to where (`target`).
# shellcheck shell=sh

reload='' # systemd has to read them again
later=''  # those that were changed, and that a running system goes on with

check_files() { # somebody's own, or edited by hand: nothing is done until it is moved away
    for name in $(shipped systemd); do
        to=$(target "$name")
        [ ! -e "$to" ] || is_as_made "$name" "$to" ||
            die "$to was edited: move it away; changes belong into a drop-in (systemctl edit)"
    done
}

is_as_made() { # NAME FILE
    for made_from in "systemd/$1" "$share"/[0-9]*/systemd/"$1"; do
        ! cmp -s "$made_from" "$2" || return 0
    done
    return 1
}

copy_files() { # TO-VERSION FROM-VERSION
    from=$share/$1/systemd
    [ -d "$from" ] || [ -z "$dry" ] || from=systemd
    for name in $(shipped "$from"); do
        copy_file "$from/$name" "$(target "$name")" || return
    done
    [ -n "$2" ] && [ -d "$share/$2/systemd" ] || return 0
    for name in $(shipped "$share/$2/systemd"); do
        [ -e "$from/$name" ] || remove_file "$(target "$name")" || return
    done
}

copy_file() { # FROM TO
    ! cmp -s "$1" "$2" || return 0
    case $1 in *.socket | *.mount) ! is_active "${2##*/}" || later="$later ${2##*/}" ;; esac
    changed=yes reload=yes
    run cp "$1" "$2.new" && run mv -f "$2.new" "$2"
}

remove_file() { # FILE
    [ -e "$1" ] || return 0
    changed=yes reload=yes
    run rm -f "$1"
}

remove_files() { # of all versions
    for name in $(for from in "$share"/[0-9]*/systemd; do shipped "$from"; done | sort -u); do
        to=$(target "$name")
        [ ! -e "$to" ] || ! is_as_made "$name" "$to" || run rm -f "$to"
    done
}
