#!/bin/sh
# Install chatd: for yourself, or with --system for all users of the machine.
#
#   SHARE/VERSION-HASH/    one version, whole; HASH is of what it was made from
#   SHARE/current          a link to the version in use: one rename switches
#   BIN/chat               a link into `current`; for yourself BIN/chatd too
#   BIN/../share/man ...   links into `current`: man pages, and completions for shells
#
# SHARE and BIN are ~/.local/share/chatd and ~/.local/bin, or /opt/chatd and /usr/local/bin. This
# file has the options and the order of things; install/version.sh makes a version,
# install/user.sh and install/system.sh settle it where it is used, install/pages.sh its man pages.
#
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2015,SC2329 # `A && B || die` is meant; step calls functions by their name
set -eu
umask 022 # whatever the caller's is: others must be able to run what root installs
unset PYTHONPATH PYTHONHOME CDPATH
PATH=$PATH:/usr/sbin:/sbin

DOWNLOAD_MB=77 # tests/system/test_install.py holds both to what they really are
DISK_MB=330

prefix='' action=install mode=user quiet='' dry='' upgrade='' purge='' destdir=${DESTDIR-}
number=0 made='' new='' undo='' previous='' changed='' silent='' missing='' reusing=''

main() {
    parse "$@"
    [ "$(uname -s)" = Linux ] || die "chatd needs Linux; this is $(uname -s)"
    choose_place
    cd -P -- "$(dirname -- "$0")"
    [ -f requirements/run.txt ] || die "run it from a clone of chatd: ./install.sh"
    . install/version.sh
    . install/units.sh
    . install/pages.sh
    case $mode in system) . install/system.sh ;; *) . install/user.sh ;; esac
    "$action"
}

usage() {
    cat <<'END'
usage: ./install.sh [--prefix DIR] [--quiet] [--dry-run] [--upgrade | --uninstall]
       ./install.sh --system [--quiet] [--dry-run] [--upgrade | --uninstall [--purge]]

Installs chatd for you: the commands chat and chatd in ~/.local/bin, all else in
~/.local/share/chatd. It needs Linux, Python 3.11 or newer and pip's package index.
Run again, it does nothing; run from a newer tree, it switches to that.

With --system, as root, it installs chatd for all users of the machine: the program
in /opt/chatd, the command chat in /usr/local/bin, systemd's units and a tmpfs at
/mnt/ai_tmpfs, the user chatd, and the group chatd of those who may use it.

  --prefix DIR   use DIR/bin and DIR/share/chatd instead
  --system       install for all users; needs root and systemd
  --upgrade      the same as without it, but only where chatd is installed already
  --uninstall    remove what it made (give the same --prefix or --system)
  --purge        with --system --uninstall: your settings and drop-ins too
  --dry-run      print the steps and their commands, and change nothing
  --quiet        say nothing but errors
  --help         show this

A step that fails leaves the old version in use. An upgrade refuses no connection.
For packagers, DESTDIR=DIR ./install.sh --system lays the files out below DIR,
units in DIR/usr/lib/systemd/system, and makes no user and starts nothing.
pip takes its own variables: PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR needs no network.
END
}

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
            --prefix) [ -n "${2-}" ] || refuse "--prefix needs a directory"; prefix=$2; shift ;;
            --prefix=?*) prefix=${1#*=} ;;
            --system) mode=system ;;
            --quiet) quiet=yes ;;
            --dry-run) dry=yes ;;
            --upgrade) upgrade=yes ;;
            --uninstall) action=uninstall ;;
            --purge) purge=yes ;;
            -h | --help) usage; exit 0 ;;
            *) refuse "unknown option: $1" ;;
        esac
        shift
    done
    case $mode$prefix in system?*) refuse "--system and --prefix do not go together" ;; esac
    case $mode:$destdir in user:?*) refuse "DESTDIR needs --system" ;; esac
    case $action$upgrade in
        uninstallyes) refuse "--upgrade and --uninstall do not go together" ;;
    esac
    case $action$destdir in uninstall?*) refuse "--uninstall takes no DESTDIR" ;; esac
    case $mode$action$purge in systemuninstallyes | *install) ;;
        *) refuse "--purge needs --system --uninstall" ;;
    esac
}

# `share` and `bin` are where files are written; `home` is where share will be found later.
choose_place() {
    if [ "$mode" = system ]; then
        home=/opt/chatd bin=/usr/local/bin commands=chat
        [ -z "$destdir" ] || { destdir=$(readlink -m -- "$destdir"); bin=$destdir/usr/bin; }
        share=$destdir$home
        return
    fi
    if [ -z "$prefix" ]; then
        [ -n "${HOME-}" ] || die "HOME is not set: say where with --prefix DIR"
        # sudo may leave HOME as it was; what root made there, its owner could not change
        [ ! -e "$HOME" ] || [ "$(stat -Lc %u "$HOME")" = "$(id -u)" ] ||
            die "$HOME is not your own: run it as its owner, or say where with --prefix DIR"
        prefix=$HOME/.local
    fi
    prefix=$(readlink -m -- "$prefix") # one spelling: running daemons are known by their path
    share=${prefix%/}/share/chatd bin=${prefix%/}/bin
    home=$share commands='chat chatd'
}

install() {
    began=$(date +%s)
    look_around
    name_version
    previous=$(readlink "$share/current" || :)
    [ -z "$upgrade" ] || [ -n "$previous" ] ||
        die "there is no chatd in $home to upgrade; install it without --upgrade"
    begin
    make_directory "$share"
    make_directory "$bin"
    if is_complete; then
        silent=yes number=4 log=$share/$version/install.log
        settle
        silent=''
        say "chatd $version is installed already, in $home${changed:+; now it is in use}"
    else
        make_version
        settle
        [ -n "$destdir" ] || prune
        [ -n "$dry" ] ||
            say "chatd $version is installed, in $(($(date +%s) - began)) s"
    fi
    [ -z "$later" ] || say "changed, and used after the next start of the machine:$later"
    [ -n "$dry" ] || say_what_next
}

uninstall() {
    look_whether_it_may
    [ -d "$share" ] || { say "there is no chatd in ${prefix:-$home}"; return; }
    begin
    stop
    for name in $commands; do
        ! is_ours "$name" || run rm -f "$bin/$name"
    done
    unlink_pages
    remove_settled
    made=$(sort -ru "$share/made" 2>/dev/null || :) # children before parents
    for log in "$share"/[0-9]*/install.log; do
        [ ! -f "$log" ] || run rm -rf "${log%/*}"
    done
    run rm -f "$share/current" "$share/current.new" "$share/made"
    remove_made
    [ -n "$dry" ] || say_what_stays
}

begin() { # to change something; with --dry-run nothing is
    [ -z "$dry" ] || { say "this is what would be done:"; return; }
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    [ "$action" = uninstall ] || make_directory "$share"
    exec 9<"$share"
    flock -n 9 || die "another install.sh is at work in $share"
}

make_directory() { # like mkdir -p, but what it made is remembered: --uninstall takes it away
    [ -d "$1" ] || {
        [ -z "$dry" ] || { show mkdir -p -- "$1"; return; }
        make_directory "$(dirname -- "$1")"
        mkdir -- "$1" 2>/dev/null || die "cannot make $1: use --prefix DIR"
        made=$(printf '%s\n%s' "$1" "$made")
    }
}

keep_made() { # so that --uninstall knows what was made
    [ -n "$dry$destdir" ] || [ -z "$made" ] || printf '%s\n' "$made" >>"$share/made" && made=''
}

remove_made() {
    printf '%s\n' "$made" | while IFS= read -r directory; do
        [ ! -d "$directory" ] || run rmdir -- "$directory" 2>/dev/null || : # one in use stays
    done
}

clean_up() { # whatever ends it
    [ -z "$undo" ] || "$undo"
    [ -z "$new" ] || rm -rf "$new"
    remove_made
}

step() { # NAME HINT COMMAND...
    number=$((number + 1))
    doing="$number/$steps $1" hint=$2
    [ -n "$silent" ] || say "$doing"
    shift 2
    [ -z "$dry" ] || { "$@"; return; }
    before=$(wc -l <"$log")
    "$@" >>"$log" 2>&1 </dev/null || {
        tail -n +$((before + 1)) "$log" | tail -n 15 >&2
        fail "$hint, then run it again"
    }
}

fail() { # HINT: the step did; what is in use stays so
    [ "$previous" != "$version" ] || previous=''
    die "step $doing failed: $1${previous:+; $previous is still in use}"
}

run() { # COMMAND...: with --dry-run it is only shown
    if [ -n "$dry" ]; then show "$@"; else "$@"; fi
}

put() { # FILE [MODE]: write stdin there, in one step
    [ -z "$dry" ] || { cat >/dev/null; show write "$1"; return; }
    cat >"$1.new" && chmod "${2:-644}" "$1.new" && mv -f "$1.new" "$1"
}

show() {
    line='   '
    for word in "$@"; do
        case $word in *[!A-Za-z0-9_./:=,@%+-]* | '') # so that it can be pasted
            word=$(quote "$word") ;;
        esac
        line="$line $word"
    done
    printf '%s\n' "$line"
}

quote() { # WORD: for a shell
    printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

say() { [ -n "$quiet" ] || printf '%s\n' "$@"; }
refuse() { printf 'install.sh: %s; see ./install.sh --help\n' "$1" >&2; exit 2; }
die() { printf 'install.sh: %s\n' "$1" >&2; exit 1; }

main "$@"
exit # a shell reads its script as it goes, and this one may be replaced meanwhile
