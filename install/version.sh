# Makes a version: $share/$version, whole and tried, out of this tree. Nothing uses it yet.
#
# What a bare Debian lacks (python3-venv, libgomp1), root gets from apt-get; for anybody else it
# is unpacked into the version.
# shellcheck shell=sh

export PIP_USER=0 # a `user = true` in pip.conf would install elsewhere
DEBIANS=/usr/lib/python3/dist-packages # where Debian's python3-systemd is

look_for_python() {
    find_python || missing=' python3-venv'
    [ -n "$python" ] || [ -z "$old" ] || die "chatd needs Python 3.11 or newer; here is only $old"
    if [ -n "$destdir" ]; then
        [ -z "$missing" ] || die "to lay chatd out, python3-venv is needed"
        return
    fi
    ldconfig -p | grep -q 'libgomp\.so\.1 ' || missing="$missing libgomp1"
    if [ -n "$missing" ] && may_use_apt; then
        say "installing with apt-get, because they are missing (about 3 MB):$missing"
        # shellcheck disable=SC2086 # words
        get_from_debian $missing </dev/null || die "apt-get could not install$missing"
        [ -n "$dry" ] || missing=''
        find_python || :
    fi
    [ -n "$python" ] || die "python3 is missing; as root, run: apt-get install python3-venv"
    case $mode$missing$dry in system*venv | system*venv' '*)
        die "python3-venv is missing, and there is no apt-get: install it, then run it again" ;;
    esac
}

may_use_apt() {
    { [ "$(id -u)" = 0 ] || [ "$mode$dry" = systemyes ]; } && command -v apt-get >/dev/null
}

get_from_debian() { # PACKAGE...
    run apt-get -qq update || : # a broken source of somebody else's may not matter
    run env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"
}

# Sets python; false if it can make no environment with pip. Debian's own is preferred: it
# outlives a pyenv or conda that somebody tries out. The system's chatd takes no other: its user
# must be able to run it.
find_python() {
    python='' old='' said=''
    set -f
    IFS=:
    [ "$mode" = system ] && places=/usr/bin || places=/usr/bin:$PATH
    for directory in $places; do
        said=$("$directory/python3" -I -c '
import importlib.util, sys
new, venv = sys.version_info >= (3, 11), importlib.util.find_spec("ensurepip")
print("old" if not new else "fit" if venv else "bare", sys.version.split()[0])
' 2>/dev/null) || continue
        case $said in
            fit*) python=$directory/python3; break ;;
            bare*) python=${python:-$directory/python3} ;;
            *) old="Python ${said#* } ($directory/python3)" ;;
        esac
    done
    unset IFS
    set +f
    case $said in fit*) ;; *) return 1 ;; esac
}

# A version is named by all that it is made from, and so is the set of packages in it.
name_version() {
    release=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
    packages=$({ cat requirements/run.txt; "$python" -VV; echo "$python"; } | sha256sum | cut -c-16)
    files=$(find daemon/chatd daemon/chat_rpc cli/chat_cli ui/chat_ui systemd install docs/man \
        install.sh pyproject.toml -type f ! -name '*.pyc' -exec sha256sum {} + | LC_ALL=C sort)
    version=$release-$(echo "$mode $packages $files" | sha256sum | cut -c-8)
}

is_complete() {
    [ -e "$share/$version/complete" ] && "$share/$version/bin/chat" --version >/dev/null 2>&1
}

# Every step that may well fail comes before the switch, so that the old version stays in use.
make_version() {
    new=$share/$version log=$share/$version/install.log
    [ ! -e "$new" ] || run rm -rf "$new" # of a run that was killed, or damaged since
    [ -e "$share/$previous/complete" ] || previous=''
    [ -z "$previous" ] || [ "$(cat "$share/$previous/packages")" != "$packages" ] ||
        reusing=$previous
    say "chatd $version, with $("$python" -V), goes into $share"
    if [ -n "$reusing" ]; then
        say "nothing to download: its packages are those of $reusing"
    else
        say "it downloads about $DOWNLOAD_MB MB and takes about $DISK_MB MB of disk"
        [ "$mode" = system ] || [ -z "$missing" ] ||
            say "with Debian's$missing unpacked into it, for they are missing:" \
                "about 2 MB more, and 10 MB of package lists where apt-get has none"
    fi
    run mkdir "$new" && put "$log" </dev/null ||
        die "cannot write to $share: is it yours, or is the disk full?"
    step environment "make room on the disk${missing:+, or as root run: apt-get install$missing}" \
        make_environment
    step packages "make room on the disk, or give pip its package index" get_packages
    step "chatd itself" "clone it anew" get_chatd
    step "trying it" "allow programs in $share (is it mounted noexec?)" try
}

make_environment() {
    pip=''
    case $reusing$missing in [0-9]* | *venv*) pip=--without-pip ;; esac
    run "$python" -I -m venv ${pip:+"$pip"} "$new" || return
    [ -z "$reusing" ] || return 0 # the copy brings pip and all else
    [ "$mode" = user ] || { get_journal_module; return; }
    case $missing in *venv*)
        unpack python3-pip-whl && set -- "$new"/debian/usr/share/python-wheels/pip-*.whl &&
            run "$new/bin/python3" -I "$1/pip" install --no-index "$1" || return ;;
    esac
    case $missing in *libgomp1*) # the engine takes it from there; all else works without
        unpack libgomp1 && run cp "$new"/debian/usr/lib/*/libgomp.so.1 "$new/lib" || : ;;
    esac
    run rm -rf "$new/debian"
}

# systemd-python is only a source at pip's index, and a server needs no compiler: Debian's is used.
# Without it chatd logs to stderr, which systemd puts into the journal all the same.
get_journal_module() {
    [ -n "$destdir" ] || [ -d "$DEBIANS/systemd" ] || ! command -v apt-get >/dev/null ||
        get_from_debian python3-systemd || :
}

unpack() { # PACKAGE: of Debian's, into $new/debian; apt-get checks who signed it
    [ -z "$dry" ] || {
        show apt-get -qq download "$1"
        show dpkg-deb -x "$1*.deb" "$new/debian"
        return
    }
    (
        cd "$new" && mkdir -p debian/lists/partial || return
        apt-get -qq download "$1" || { # containers have no package lists, and a list may be old
            export APT_CONFIG="$new/debian/apt.conf"
            echo "Dir::State::lists \"$new/debian/lists\"; Dir::Cache \"$new/debian\";" >"$APT_CONFIG"
            apt-get -qq update && apt-get -qq download "$1" || return
        }
        dpkg-deb -x "$1"_*.deb debian && rm "$1"_*.deb
    )
}

get_packages() {
    if [ -n "$reusing" ]; then
        # hard links take no disk, and pip replaces files: it does not write into them
        run cp -al "$share/$reusing/lib/." "$new/lib" ||
            run cp -a "$share/$reusing/lib/." "$new/lib"
    else
        pip --require-hashes --only-binary :all: -r requirements/run.txt
    fi && echo "$packages" | put "$new/packages"
}

get_chatd() {
    pip --no-deps --no-build-isolation --force-reinstall . &&
        run cp -R systemd README.md "$new" && { [ "$mode" = system ] || ! is_plain "$home" ||
            run sed -i "s|/opt/chatd/|$home/|" "$new/systemd/user/chatd.service"; }
}

is_plain() { # a path that needs no quotes in a unit
    case $1 in *[!A-Za-z0-9_./-]*) return 1 ;; esac
}

pip() {
    # a cache that nobody uses would stay behind
    [ -d "${PIP_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME-}/.cache}/pip}" ] || set -- --no-cache-dir "$@"
    run "$new/bin/python3" -I -m pip install --disable-pip-version-check --no-input \
        --progress-bar off --no-compile "$@"
}

try() {
    # users cannot compile what root owns; and a few files are templates, no Python
    run "$new/bin/python3" -I -m compileall -q ${destdir:+-f -s "$destdir" -p /} "$new/lib" || :
    [ "$mode" = user ] || link_journal_module || return
    start=$(cat install/launcher.py)
    write_launcher chat -IS "-c $(quote "$start")" "$start" &&
        write_launcher chatd -I '-m chatd' 'from chatd.__main__ import main

main()' || return
    if [ -n "$destdir" ]; then
        forget_destdir && run "$new/bin/python3" -I -m chat_cli --version
    else
        run "$new/bin/chat" --version && run "$new/bin/chatd" --version
    fi && make_pages && put "$new/complete" </dev/null
}

link_journal_module() { # a link: Debian mends what it points to, and it may come later
    set -- "$new"/lib/python3*/site-packages
    run ln -sfn "$DEBIANS/systemd" "$1/systemd"
}

# A launcher names its version and not `current`: no daemon may load half of itself from the
# next one. A shebang holds no blank and not many bytes; where it cannot, a shell goes first.
write_launcher() { # NAME OPTIONS PROGRAM-AS-ARGUMENTS PROGRAM
    interpreter=${new#"$destdir"}/bin/python3
    case ${#interpreter}:$interpreter in
        *[[:space:]]* | 1[2-9]?:* | [2-9]??:* | ????:*)
            printf '#!/bin/sh\nexec %s %s %s "$@"\n' "$(quote "$interpreter")" "$2" "$3" ;;
        *) printf '#!%s %s\n%s\n' "$interpreter" "$2" "$4" ;;
    esac | put "$new/bin/$1" 755
}

# What nobody needs there and holds the path of the building: other scripts, notes of pip and venv.
forget_destdir() {
    for script in "$new"/bin/*; do
        case ${script##*/} in chat | chatd | python*) ;; *) run rm -rf "$script" ;; esac
    done
    run rm -f "$new"/lib/python3*/site-packages/chatd-*.dist-info/direct_url.json
    run sed -i '/^command = /d' "$new/pyvenv.cfg"
    put "$log" </dev/null
}

switch() { # to VERSION
    for name in $commands; do
        is_ours "$name" || run ln -sfn "$home/current/bin/$name" "$bin/$name" || return
    done
    link_pages && keep_made || return
    [ "$(readlink "$share/current" || :)" = "$1" ] || {
        changed=yes
        run ln -sfn "$1" "$share/current.new" && run mv -fT "$share/current.new" "$share/current"
    }
}

is_ours() { # NAME
    [ "$(readlink "$bin/$1" || :)" = "$home/current/bin/$1" ]
}

is_nobody_elses() {
    for name in $commands; do
        [ ! -e "$bin/$name" ] && [ ! -L "$bin/$name" ] || is_ours "$name" ||
            die "$bin/$name is not chatd's: move it away${1:+, or $1}"
    done
}

prune() { # the version before this one stays, and one that a daemon still runs from
    for log in "$share"/[0-9]*/install.log; do
        case $log in "$share/$version/"* | "$share/${previous:-none}/"*) continue ;; esac
        [ ! -f "$log" ] || [ -n "$(daemons "${log%/*}")" ] || run rm -rf "${log%/*}"
    done
}

daemons() { # DIRECTORY: the process id of every chatd that runs out of it
    grep -lsF -- "$1/" /proc/[0-9]*/cmdline | while IFS=/ read -r _ _ pid _; do
        ! is_run_from "$1" "$pid" || echo "$pid"
    done
}

is_run_from() { # DIRECTORY PID
    case $(2>/dev/null tr '\0' ' ' <"/proc/$2/cmdline") in
        "$1"/*bin/python3" -I -m chatd "* | "$1"/*bin/python3" -I "*/chatd" "*) ;;
        *) return 1 ;;
    esac
}
