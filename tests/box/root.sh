#!/bin/sh
# Turns fresh namespaces into a machine and becomes its PID 1, a real systemd.
#
#   root.sh NAME HIERARCHIES [SOURCE TARGET]...
#
# Its file system is the host's own, with all that is written kept in RAM. HIERARCHIES are the
# cgroups of version 1, as DIRECTORY:OPTIONS; none where there is only version 2. Each SOURCE is
# bound to TARGET, read-only.
set -eu
name=$1 hierarchies=$2
shift 2

mount --make-rprivate /
work=/boot # any directory that is on every machine and that no test needs
mount -t tmpfs -o size=2g,mode=755 box "$work"
mkdir "$work/root" "$work/changed" "$work/scratch"
root=$work/root
mount -t overlay -o "lowerdir=/,upperdir=$work/changed,workdir=$work/scratch" box "$root"

mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
for part in sys sysrq-trigger irq bus fs acpi; do # the host's own settings
    [ -e "$root/proc/$part" ] || continue
    mount --bind "$root/proc/$part" "$root/proc/$part"
    mount -o remount,bind,ro "$root/proc/$part"
done
mount --bind /dev/null "$root/proc/kmsg"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"

mount -t tmpfs -o mode=755,nosuid,noexec,size=4m dev "$root/dev"
for node in null zero full random urandom tty; do cp -a "/dev/$node" "$root/dev/$node"; done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do
    ln -s "/proc/self/fd/${number%:*}" "$root/dev/${number#*:}"
done

if [ -z "$hierarchies" ]; then
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
else
    mount -t tmpfs -o mode=755,nosuid,nodev,noexec cgroup "$root/sys/fs/cgroup"
    for hierarchy in $hierarchies; do
        directory=$root/sys/fs/cgroup/${hierarchy%%:*}
        mkdir "$directory"
        case $hierarchy in
            *:) mount -t cgroup2 cgroup2 "$directory" ;;
            *) mount -t cgroup -o "${hierarchy#*:}" cgroup "$directory" ;;
        esac
    done
    mount -o remount,ro "$root/sys/fs/cgroup"
fi

mount -t tmpfs -o mode=755,nosuid,nodev run "$root/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmp "$root/tmp"
mkdir -m 700 "$root/run/box"
mount --bind "$work/changed" "$root/run/box" # so that a test can see what was written
while [ $# -gt 0 ]; do
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    mount -o remount,bind,ro "$root$2"
    shift 2
done

# nothing of what the host has set up, nor a chatd that it may have
rm -rf "$root"/etc/systemd/system/*.wants "$root/etc/systemd/system/chatd"* "$root/etc/fstab" \
    "$root/etc/chatd" "$root/opt/chatd" "$root/var/log/journal" "$root/etc/resolv.conf"
tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
echo "$name" >"$root/etc/hostname"
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' >"$root/etc/systemd/journald.conf.d/box.conf"

cd "$root"
mkdir .old
pivot_root . .old
umount -l /.old
rmdir /.old
mount --make-rshared / # systemd leaves it to a container's manager; credentials need it
# what could hurt the host's kernel
drop=-sys_module,-sys_time,-sys_rawio,-mac_admin,-mac_override,-syslog,-wake_alarm
drop=$drop,-block_suspend,-bpf,-perfmon
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=box LANG=C.UTF-8 \
    setpriv --bounding-set="$drop" --inh-caps="$drop" \
    /lib/systemd/systemd --unit=basic.target
