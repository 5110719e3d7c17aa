#!/bin/sh
# Install chatd: a Python environment of its own, and the commands `chat` and `chatd`.
#
#   PREFIX/share/chatd/VERSION-HASH/    one version, whole; HASH is of what it was made from
#   PREFIX/share/chatd/current          a link to the version in use: one rename switches
#   PREFIX/bin/chat, PREFIX/bin/chatd   links into `current`
#
# What a bare Debian lacks (python3-venv, libgomp1), root gets from apt-get; for anybody else it
# is unpacked into the version. Nothing else outside PREFIX is touched.
#
# shellcheck disable=SC2015,SC2329 # `A && B || die` is meant; step calls functions by their name
set -eu
umask 022 # whatever the caller's is: others must be able to run what root installs
unset PYTHONPATH PYTHONHOME CDPATH
export PIP_USER=0 # a `user = true` in pip.conf would install elsewhere

DOWNLOAD_MB=47 # tests/system/test_install.py holds both to what they really are
DISK_MB=210
STOP_S=15 # what a chatd that is told to stop may take: it lets running turns end

prefix='' action=install quiet='' missing='' reusing='' previous='' made='' new='' number=0

main() {
    parse "$@"
    [ "$(uname -s)" = Linux ] || die "chatd needs Linux; this is $(uname -s)"
    choose_place
    cd -P -- "$(dirname -- "$0")"
    [ -f requirements/run.txt ] || die "run it from a clone of chatd: ./install.sh"
    "$action"
}

usage() {
    cat <<'END'
usage: ./install.sh [--prefix DIR] [--quiet] [--uninstall]

Installs chatd for you: the commands chat and chatd in ~/.local/bin, all else in
~/.local/share/chatd. It needs Linux, Python 3.11 or newer and pip's package index.
Run again, it does nothing; run from a newer tree, it switches to that.

  --prefix DIR   use DIR/bin and DIR/share/chatd instead
  --quiet        say nothing but errors
  --uninstall    remove what it made (give the same --prefix)
  --help         show this
END
}

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
            --prefix) [ -n "${2-}" ] || refuse "--prefix needs a directory"; prefix=$2; shift ;;
            --prefix=?*) prefix=${1#*=} ;;
            --quiet) quiet=yes ;;
            --uninstall) action=uninstall ;;
            -h | --help) usage; exit 0 ;;
            *) refuse "unknown option: $1" ;;
        esac
        shift
    done
}

choose_place() {
    if [ -z "$prefix" ]; then
        [ -n "${HOME-}" ] || die "HOME is not set: say where with --prefix DIR"
        # sudo may leave HOME as it was; what root made there, its owner could not change
        [ ! -e "$HOME" ] || [ "$(stat -Lc %u "$HOME")" = "$(id -u)" ] ||
            die "$HOME is not your own: run it as its owner, or say where with --prefix DIR"
        prefix=$HOME/.local
    fi
    prefix=$(readlink -m -- "$prefix") # one spelling: running daemons are known by their path
    share=${prefix%/}/share/chatd bin=${prefix%/}/bin
}

install() {
    began=$(date +%s)
    look_around
    name_version
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    make_directory "$share"
    make_directory "$bin"
    lock
    previous=$(readlink "$share/current" || :)
    if [ -e "$share/$version/complete" ] && "$share/$version/bin/chat" --version >/dev/null 2>&1
    then
        switch || die "cannot write to $share or $bin"
        say "chatd $version is installed already, in $share"
    else
        make_version
        prune
        say "chatd $version is installed, in $(($(date +%s) - began)) s"
    fi
    say_what_next
}

# Every step that may well fail comes before the switch, so that the old version stays in use.
make_version() {
    new=$share/$version log=$share/$version/install.log
    rm -rf "$new" # of a run that was killed, or damaged since
    [ -e "$share/$previous/complete" ] || previous=''
    [ -z "$previous" ] || [ "$(cat "$share/$previous/packages")" != "$packages" ] ||
        reusing=$previous
    say "chatd $version, with $("$python" -V), goes into $share"
    if [ -n "$reusing" ]; then
        say "nothing to download: its packages are those of $reusing"
    else
        say "it downloads about $DOWNLOAD_MB MB and takes about $DISK_MB MB of disk"
        [ -z "$missing" ] || say "with Debian's$missing unpacked into it, for they are missing:" \
            "about 2 MB more, and 10 MB of package lists where apt-get has none"
    fi
    mkdir "$new" && : >"$log" || die "cannot write to $share: is it yours, or is the disk full?"
    step environment "make room on the disk${missing:+, or as root run: apt-get install$missing}" \
        make_environment
    step packages "make room on the disk, or give pip its package index" get_packages
    step "chatd itself" "clone it anew" pip --no-deps --no-build-isolation --force-reinstall .
    step "trying it" "allow programs in $share (is it mounted noexec?)" try
    step "switching to it" "make $share and $bin writable" switch
    new='' # it stays
}

make_environment() {
    pip=''
    case $reusing$missing in [0-9]* | *venv*) pip=--without-pip ;; esac
    "$python" -I -m venv ${pip:+"$pip"} "$new" || return
    [ -z "$reusing" ] || return 0 # the copy brings pip and all else
    case $missing in *venv*)
        unpack python3-pip-whl && set -- "$new"/debian/usr/share/python-wheels/pip-*.whl &&
            "$new/bin/python3" -I "$1/pip" install --no-index "$1" || return ;;
    esac
    case $missing in *libgomp1*) # the engine takes it from there; all else works without
        unpack libgomp1 && cp "$new"/debian/usr/lib/*/libgomp.so.1 "$new/lib" || : ;;
    esac
    rm -rf "$new/debian"
}

unpack() { # PACKAGE: of Debian's, into $new/debian; apt-get checks who signed it
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
        cp -al "$share/$reusing/lib/." "$new/lib" || cp -a "$share/$reusing/lib/." "$new/lib"
    else
        pip --require-hashes --only-binary :all: -r requirements/run.txt
    fi && echo "$packages" >"$new/packages"
}

try() {
    # users cannot compile what root owns; and a few files are templates, no Python
    "$new/bin/python3" -I -m compileall -q "$new/lib" || :
    write_launcher chat chat_cli && write_launcher chatd chatd &&
        "$new/bin/chat" --version && "$new/bin/chatd" --version && : >"$new/complete"
}

switch() {
    for name in chat chatd; do
        is_ours "$name" || ln -sfn "$share/current/bin/$name" "$bin/$name" || return
    done
    [ -z "$made" ] || printf '%s\n' "$made" >>"$share/made" && made='' || return
    [ "$(readlink "$share/current" || :)" = "$version" ] ||
        { ln -sfn "$version" "$share/current.new" && mv -fT "$share/current.new" "$share/current"; }
}

look_around() {
    for name in chat chatd; do
        [ ! -e "$bin/$name" ] && [ ! -L "$bin/$name" ] || is_ours "$name" ||
            die "$bin/$name is not chatd's: move it away, or use --prefix DIR"
    done
    find_python || missing=' python3-venv'
    [ -n "$python" ] || [ -z "$old" ] || die "chatd needs Python 3.11 or newer; here is only $old"
    PATH=$PATH:/sbin ldconfig -p | grep -q 'libgomp\.so\.1 ' || missing="$missing libgomp1"
    if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing with apt-get, because they are missing (about 3 MB):$missing"
        apt-get -qq update </dev/null || : # a broken source of somebody else's may not matter
        # shellcheck disable=SC2086 # words
        DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $missing \
            </dev/null >/dev/null || die "apt-get could not install$missing"
        missing=''
        find_python || :
    fi
    [ -n "$python" ] || die "python3 is missing; as root, run: apt-get install python3-venv"
}

# Sets python; false if it can make no environment with pip. Debian's own is preferred: it
# outlives a pyenv or conda that somebody tries out.
find_python() {
    python='' old=''
    set -f
    IFS=:
    for directory in /usr/bin $PATH; do
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
    case ${said-} in fit*) ;; *) return 1 ;; esac
}

# A version is named by all that it is made from, and so is the set of packages in it.
name_version() {
    release=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
    packages=$({ cat requirements/run.txt; "$python" -VV; echo "$python"; } | sha256sum | cut -c-16)
    files=$(find daemon/chatd daemon/chat_rpc cli/chat_cli ui/chat_ui pyproject.toml install.sh \
        -type f ! -name '*.pyc' -exec sha256sum {} + | LC_ALL=C sort)
    version=$release-$(echo "$packages $files" | sha256sum | cut -c-8)
}

is_ours() { # NAME
    [ "$(readlink "$bin/$1" || :)" = "$share/current/bin/$1" ]
}

make_directory() { # like mkdir -p, but what it made is remembered: --uninstall takes it away
    [ -d "$1" ] || {
        make_directory "$(dirname -- "$1")"
        mkdir -- "$1" 2>/dev/null || die "cannot make $1: use --prefix DIR"
        made=$(printf '%s\n%s' "$1" "$made")
    }
}

lock() {
    exec 9<"$share"
    flock -n 9 || die "another install.sh is at work in $share"
}

pip() {
    # a cache that nobody uses would stay behind
    [ -d "${PIP_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME-}/.cache}/pip}" ] || set -- --no-cache-dir "$@"
    "$new/bin/python3" -I -m pip install --disable-pip-version-check --no-input \
        --progress-bar off "$@"
}

# The launcher names its version and not `current`: no daemon may load half of itself from the
# next one. A shebang holds no blank and not many bytes; where it cannot, a shell goes first.
write_launcher() { # NAME MODULE
    interpreter=$new/bin/python3
    case ${#interpreter}:$interpreter in
        *[[:space:]]* | 1[2-9]?:* | [2-9]??:* | ????:*)
            quoted=$(printf '%s' "$interpreter" | sed "s/'/'\\\\''/g")
            printf "#!/bin/sh\\nexec '%s' -I -m %s \"\$@\"\\n" "$quoted" "$2" ;;
        *) printf '#!%s -I\nfrom %s.__main__ import main\n\nmain()\n' "$interpreter" "$2" ;;
    esac >"$new/bin/$1" && chmod 755 "$new/bin/$1"
}

prune() { # the version before this one stays, and one that a daemon still runs from
    for log in "$share"/[0-9]*/install.log; do
        case $log in "$share/$version/"* | "$share/${previous:-none}/"*) continue ;; esac
        [ -n "$(daemons "${log%/*}")" ] || rm -rf "${log%/*}"
    done
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

uninstall() {
    [ -d "$share" ] || { say "there is no chatd in $prefix"; return; }
    lock
    stop_daemons
    for name in chat chatd; do
        ! is_ours "$name" || rm -f "$bin/$name"
    done
    made=$(sort -ru "$share/made" 2>/dev/null || :) # children before parents
    for log in "$share"/[0-9]*/install.log; do
        [ ! -f "$log" ] || rm -rf "${log%/*}"
    done
    rm -f "$share/current" "$share/current.new" "$share/made"
    clean_up
    say "chatd is removed from $prefix"
    for directory in "/run/user/$(id -u)/chatd" "/dev/shm/chatd-$(id -u)"; do
        [ ! -d "$directory" ] || say "conversations stay in RAM until you log out or restart;" \
            "to end them now:  rm -r $directory"
    done
}

stop_daemons() {
    for pid in $(daemons "$share"); do
        uid=$(awk '$1 == "Uid:" { print $2 }' "/proc/$pid/status" 2>/dev/null || :)
        [ "$uid" = "$(id -u)" ] && kill "$pid" || continue # not another user's
        say "stopping chatd (pid $pid)"
        end=$(($(date +%s) + STOP_S))
        while is_run_from "$share" "$pid"; do
            [ "$(date +%s)" -le "$end" ] || die "chatd (pid $pid) did not stop; nothing was removed"
            sleep 0.2
        done
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

clean_up() {
    [ -z "$new" ] || rm -rf "$new"
    printf '%s\n' "$made" | while IFS= read -r directory; do
        [ -z "$directory" ] || rmdir -- "$directory" 2>/dev/null || : # one in use stays
    done
}

step() { # NAME HINT COMMAND...
    number=$((number + 1))
    doing="$number/5 $1" hint=$2
    say "$doing"
    shift 2
    "$@" >>"$log" 2>&1 </dev/null || {
        tail -n 15 "$log" >&2
        die "step $doing failed: $hint, then run it again${previous:+; $previous is still in use}"
    }
}

say() { [ -n "$quiet" ] || printf '%s\n' "$@"; }
refuse() { printf 'install.sh: %s; see ./install.sh --help\n' "$1" >&2; exit 2; }
die() { printf 'install.sh: %s\n' "$1" >&2; exit 1; }

main "$@"
exit # a shell reads its script as it goes, and this one may be replaced meanwhile
