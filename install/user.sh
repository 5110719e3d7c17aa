# chatd for one person: no root. Where a user manager of systemd runs, it holds the socket;
# elsewhere `chat` starts chatd when it needs it.
# shellcheck shell=sh

STOP_S=15 # what a chatd that is told to stop may take: it lets running turns end

units=${HOME-}/.config/systemd/user
runtime=/run/user/$(id -u)
export XDG_RUNTIME_DIR="$runtime" # su and sudo lack it or carry another's
system_socket=/etc/systemd/system/sockets.target.wants/chatd.socket
steps=5 note=''

shipped() { # DIRECTORY
    [ ! -d "$1/user" ] || (cd "$1" && echo user/*)
}

target() { # NAME
    echo "$units/${1#user/}"
}

look_around() {
    is_nobody_elses "use --prefix DIR"
    ! wants_units || { steps=6; check_files; }
    look_for_python
}

look_whether_it_may() { :; }

# Where `chat` would use the system's chatd, or somebody else's home is installed to: no units.
wants_units() {
    is_own_home && is_plain "$home" && [ ! -L "$system_socket" ] && has_manager
}

is_own_home() {
    [ "$prefix" = "$(readlink -m -- "${HOME:-/}/.local")" ]
}

has_manager() { # one that knows this home
    case $(systemctl --user is-system-running 2>/dev/null) in
        running | degraded | starting) ;;
        *) return 1 ;;
    esac
    systemctl --user show-environment 2>/dev/null | grep -qxF "HOME=$HOME"
}

settle() {
    step "switching to it" "make $share and $bin writable" switch "$version"
    new='' # it stays
    [ "$steps" = 5 ] || step "user units" "" settle_units
    [ -z "$note" ] || say "$note"
}

settle_units() { # without them chatd works too
    make_directory "$units"
    keep_made
    copy_files "$version" "$previous" && start && return
    note="no user units, for systemctl --user failed: chat starts chatd by itself"
    forget_units
}

start() {
    [ -z "$reload" ] || run systemctl --user daemon-reload || return
    if ! is_active chatd.socket; then
        changed=yes
        stop_daemons || return # one that `chat` has started
        run systemctl --user enable --now chatd.socket || return
    fi
    pid=$(systemctl --user show -p MainPID --value chatd.service)
    [ "$pid" = 0 ] || is_run_from "$share/$version" "$pid" ||
        run systemctl --user restart chatd.service
}

is_active() { # UNIT
    systemctl --user --quiet is-active "$1" 2>/dev/null
}

forget_units() {
    [ -e "$units/chatd.socket" ] || return 0
    run systemctl --user disable --now chatd.socket chatd.service 2>/dev/null || :
    remove_files
    [ -e "$units/chatd.socket" ] || run rm -f "$units/sockets.target.wants/chatd.socket"
    run systemctl --user daemon-reload 2>/dev/null || :
}

say_what_next() {
    for pid in $(daemons "$share"); do
        is_run_from "$share/$version" "$pid" || say "chatd (pid $pid) still runs an older version;" \
            "kill $pid ends it, and the next chat starts this one"
    done
    case $missing in *libgomp1*)
        [ -e "$share/$version/lib/libgomp.so.1" ] ||
            say "for the built-in demo model, as root run: apt-get install libgomp1" ;;
    esac
    name=$(command -v chat || :)
    if [ "$(readlink -f "$name")" = "$(readlink -f "$bin/chat")" ]; then
        say 'now try:  chat "What is tmpfs?"'
        return
    fi
    [ -z "$name" ] || say "another chat, $name, comes first on your PATH"
    say "$bin should be on your PATH: run this, and put it into ~/.profile:" \
        "    export PATH=\"$bin:\$PATH\"" "now try:  $bin/chat \"What is tmpfs?\""
}

stop() {
    ! is_own_home || forget_units
    stop_daemons || die "chatd (pid $pid) did not stop; nothing was removed"
}

stop_daemons() { # one's own; false if one does not stop
    for pid in $(daemons "$share"); do
        uid=$(awk '$1 == "Uid:" { print $2 }' "/proc/$pid/status" 2>/dev/null || :)
        [ "$uid" = "$(id -u)" ] || continue
        run kill "$pid" && [ -z "$dry" ] || continue
        say "stopping chatd (pid $pid)"
        end=$(($(date +%s) + STOP_S))
        while is_run_from "$share" "$pid"; do
            [ "$(date +%s)" -le "$end" ] || return
            sleep 0.2
        done
    done
}

remove_settled() { :; }

say_what_stays() {
    say "chatd is removed from $prefix"
    for directory in "$runtime/chatd" "/dev/shm/chatd-$(id -u)"; do
        [ ! -d "$directory" ] || say "conversations stay in RAM until you log out or restart;" \
            "to end them now:  rm -r $directory"
    done
}
