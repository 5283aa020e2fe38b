#!/usr/bin/env bash
# enter.sh ROOT COMMAND...: a command in a root folder, as root of namespaces of its own: processes, mounts. What it starts ends with it.
# enter.sh --boot ROOT: systemd as process 1 of such namespaces. READ_ONLY=1: the root cannot be written to, but for its /run, /tmp and
# /var/lib/sluice.
set -euo pipefail

boot=
[ "$1" != --boot ] || { boot=1 && shift; }
root=$(readlink -f "$1")
shift

inside() {
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    local name
    for name in null zero full random urandom tty; do
        cp -a "/dev/$name" "$root/dev/"
    done
    mkdir "$root/dev/shm" "$root/dev/pts"
    mount -t tmpfs tmpfs "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin" && ln -s fd/1 "$root/dev/stdout" && ln -s fd/2 "$root/dev/stderr"
    [ -n "$boot" ] || cp /etc/resolv.conf "$root/etc/resolv.conf"
    if [ -n "${READ_ONLY-}" ]; then
        mount -t tmpfs tmpfs "$root/var/lib/sluice"
        chmod 0777 "$root/var/lib/sluice"
        mount -o remount,bind,ro "$root"
    fi
    local environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive HOME=/root)
    if [ -z "$boot" ]; then
        exec chroot "$root" env -i "${environment[@]}" "$@"
    fi
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    cd "$root"
    pivot_root . mnt
    exec chroot . env -i "${environment[@]}" container=test /lib/systemd/systemd --system
}

if [ -n "${INSIDE-}" ]; then
    unset INSIDE
    inside "$@"
fi
export INSIDE=1

if [ -n "$boot" ]; then
    groups=/sys/fs/cgroup
    [ ! -d $groups/unified ] || groups=$groups/unified
    mkdir -p "$groups/sluice-packaging-$$"
    echo $$ >"$groups/sluice-packaging-$$/cgroup.procs"
    exec unshare --mount --pid --ipc --uts --cgroup --fork --kill-child "$0" --boot "$root"
fi
exec unshare --mount --pid --fork --kill-child "$0" "$root" "$@"
