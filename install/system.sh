# chatd for all users of the machine: accounts, units, settings, the mount; and all of it undone.
# With DESTDIR only the files.
# shellcheck shell=sh

etc=$destdir/etc units=/etc/systemd/system
conf=/etc # where sysusers.d and tmpfiles.d are
mount=/mnt/ai_tmpfs
noswap=$units/mnt-ai_tmpfs.mount.d/50-noswap.conf
settings=$etc/chatd/chatd.toml
steps=9
if [ -n "$destdir" ]; then units=$destdir/usr/lib/systemd/system conf=$destdir/usr/lib steps=6; fi

FIRST_PERSON=1000 # uids below are of the system
ANSWER_S=120 # what the first answer may take: a model may have to be loaded

shipped() { # DIRECTORY
    [ ! -d "$1" ] || (
        cd "$1" && for name in *.socket *.service *.mount sysusers.d/*.conf tmpfiles.d/*.conf; do
            [ ! -e "$name" ] || echo "$name"
        done
    )
}

target() { # NAME
    case $1 in */*) echo "$conf/$1" ;; *) echo "$units/$1" ;; esac
}

look_around() {
    look_whether_it_may
    is_nobody_elses
    [ -n "$destdir" ] || check_files
    uid=$(getent passwd chatd | cut -d : -f 3)
    [ "${uid:-0}" -lt "$FIRST_PERSON" ] || [ -n "$destdir" ] ||
        die "chatd is a person's name here (uid $uid), and the system's chatd needs it"
    look_for_python
}

look_whether_it_may() {
    [ -z "$dry$destdir" ] || return 0
    [ "$(id -u)" = 0 ] || die "--system needs root: sudo ./install.sh --system"
    [ "$action" = uninstall ] || is_booted ||
        die "systemd does not run here; without --system, chatd is installed for yourself"
}

settle() {
    make_places
    if [ -n "$destdir" ]; then
        step "units and settings" "make room on the disk" lay_out
        step "switching to it" "make $share and $bin writable" switch "$version"
        new='' made=''
        return
    fi
    keep_made
    undo=roll_back
    step "user and groups" "look at what it says above" make_accounts
    step "units and settings" "make room on the disk" lay_out
    step "switching to it" "make $share and $bin writable" switch "$version"
    step "starting it" "journalctl -u chatd tells why" start "$version"
    answer
    undo='' new=''
}

make_places() {
    for directory in "$units" "$conf/sysusers.d" "$conf/tmpfiles.d" "$etc/chatd"; do
        make_directory "$directory"
    done
    [ -n "$destdir" ] || make_directory "$mount"
    ! wants_noswap || make_directory "${noswap%/*}"
}

make_accounts() {
    made_accounts=$(
        getent passwd chatd >/dev/null || echo user chatd
        for group in chatd chatd-admin; do
            getent group "$group" >/dev/null || echo group "$group"
        done
    )
    [ -n "$made_accounts" ] || return 0
    changed=yes
    [ -n "$dry" ] || printf '%s\n' "$made_accounts" >>"$share/accounts" # for --uninstall
    if command -v systemd-sysusers >/dev/null; then
        run systemd-sysusers "$PWD/systemd/sysusers.d/chatd.conf"
        return
    fi
    for group in chatd chatd-admin; do
        getent group "$group" >/dev/null || run groupadd --system "$group" || return
    done
    getent passwd chatd >/dev/null || run useradd --system --gid chatd --no-create-home \
        --home-dir / --shell /usr/sbin/nologin --comment "chatd" chatd
}

lay_out() {
    copy_files "$version" "$previous" || return
    if wants_noswap; then
        copy_file systemd/examples/noswap.conf "$noswap" || return
    elif [ -z "$destdir" ]; then
        remove_file "$noswap" || return
    fi
    [ -e "$settings" ] || {
        copy_file install/chatd.toml "$settings" || return
        [ -n "$dry$destdir" ] || sha256sum "$settings" >"$share/settings" # is it edited later?
    }
}

wants_noswap() { # an older kernel does not know it, and would not mount it at all
    [ -z "$destdir" ] && kernel_is_at_least 6 4
}

kernel_is_at_least() { # MAJOR MINOR
    kernel=$(uname -r)
    minor=${kernel#*.}
    [ "${kernel%%.*}" -gt "$1" ] ||
        { [ "${kernel%%.*}" = "$1" ] && [ "${minor%%[!0-9]*}" -ge "$2" ]; }
}

# The socket stays open all the time: who connects while the service restarts, waits.
start() { # VERSION
    [ -z "$reload" ] || {
        run systemctl daemon-reload && run systemd-tmpfiles --create "$conf/tmpfiles.d/chatd.conf"
    } || return
    ! systemctl --quiet is-failed chatd.service 2>/dev/null ||
        run systemctl reset-failed chatd.service chatd.socket || : # it may try again at once
    ensure is-enabled enable chatd.service && ensure is-enabled enable chatd.socket &&
        ensure is-active start mnt-ai_tmpfs.mount && ensure is-active start chatd.socket || return
    pid=$(systemctl show -p MainPID --value chatd.service 2>/dev/null || echo 0)
    is_run_from "$share/$1" "$pid" || {
        changed=yes
        run systemctl restart chatd.service
    } || {
        journalctl --quiet --no-pager --output cat --lines 8 --unit chatd.service
        return 1
    }
}

is_active() { # UNIT
    systemctl --quiet is-active "$1" 2>/dev/null
}

ensure() { # QUESTION VERB UNIT
    systemctl --quiet "$1" "$3" 2>/dev/null || {
        changed=yes
        run systemctl "$2" "$3"
    }
}

# Not with `step`: what is asked and answered belongs into no log.
answer() {
    [ -n "$changed" ] || return 0
    doing="$steps/$steps a first answer"
    say "$doing:  chat -0 \"What is tmpfs?\""
    [ -z "$dry" ] || { show chat -0 "What is tmpfs?"; return; }
    status=0
    unset CHATD_SOCKET # the system's is asked
    said=$(timeout "$ANSWER_S" "$bin/chat" -0 "What is tmpfs?" 2>&1 </dev/null) || status=$?
    case $status in
        0) say "$said" ;;
        3 | 4 | 69 | 75 | 124) say "$said" "chatd runs, but no model answered: see  chat models" ;;
        *) printf '%s\n' "$said" >&2; fail "journalctl -u chatd tells why" ;;
    esac
}

# The old version is whole, and what it shipped lies in its folder.
roll_back() {
    undo=''
    [ -n "$previous" ] && [ "$previous" != "$version" ] || { new=''; return; }
    say "going back to $previous"
    {
        copy_files "$previous" "$version" && switch "$previous" && start "$previous"
    } >>"$log" 2>&1 </dev/null || {
        printf 'install.sh: cannot go back to %s; see %s\n' "$previous" "$log" >&2
        new=''
    }
}

say_what_next() {
    [ -z "$destdir" ] || {
        say "it lies in $destdir; docs/systemd.md tells what is left to the package"
        return
    }
    case $missing in *libgomp1*) say "for the built-in demo model, install libgomp1" ;; esac
    [ -n "$previous" ] || say "the members of the group chatd may use it, from their next login on:" \
        "    usermod -aG chatd ${SUDO_USER:-NAME}"
}

stop() {
    say "this ends all conversations, for they are in RAM only"
    ! is_booted || run systemctl stop chatd.socket chatd.service 'chatd-ui@*.service' \
        mnt-ai_tmpfs.mount 2>/dev/null || : # it complains of those that are not there
    [ -n "$dry" ] || { ! mountpoint -q "$mount" && [ -z "$(daemons "$share")" ]; } ||
        die "chatd does not end, or $mount is in use (fuser -vm $mount); nothing was removed"
    run systemctl --quiet disable chatd.service chatd.socket 2>/dev/null || :
}

is_booted() {
    [ -d /run/systemd/system ] || [ -n "$dry" ]
}

remove_settled() {
    remove_files
    run rm -f "$noswap"
    [ -z "$purge" ] || run rm -rf "$etc/chatd" "$units/chatd.service.d" "$units/chatd.socket.d" \
        "$units/chatd-ui@.service.d" "$units/mnt-ai_tmpfs.mount.d"
    ! sha256sum --check --status "$share/settings" 2>/dev/null || run rm -f "$settings"
    run rm -rf /run/chatd
    ! is_booted || {
        run systemctl daemon-reload
        run systemctl reset-failed chatd.socket chatd.service mnt-ai_tmpfs.mount 2>/dev/null || :
    }
    remove_accounts
    run rm -f "$share/settings" "$share/accounts"
}

remove_accounts() { # those that it made; a user goes before its group
    [ -f "$share/accounts" ] || return 0
    while read -r kind name; do
        case $kind in
            user) ! getent passwd "$name" >/dev/null || run userdel "$name" 2>/dev/null ;;
            group) ! getent group "$name" >/dev/null || run groupdel "$name" ;;
        esac || say "the $kind $name stays, for it cannot be removed now"
    done <"$share/accounts"
}

say_what_stays() {
    say "chatd is removed"
    for path in "$etc/chatd" "$units"/chatd*.d "$units"/mnt-ai_tmpfs.mount.d; do
        [ ! -e "$path" ] || say "$path stays, for it is yours; to remove it:  rm -r $path"
    done
}
