#!/bin/sh
# Runs as the first process of new namespaces: makes a root of its own out of ROOT, into which nothing is
# written, and becomes systemd there. Every mount goes with the namespace; the machine's own root is left behind.
#   boot.sh ROOT SCRATCH [FOLDER...]    each FOLDER of the machine is shown at the same place, read-only
set -eu
lower=$1 scratch=$2
shift 2

mount --make-rprivate /
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
root=$scratch/root
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$scratch/upper,workdir=$scratch/work" "$root"

mount -t proc proc "$root/proc"
# Read-only, so that systemd-sysctl and udev know that this is not theirs to set: it is the machine's.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"

for folder in "$@"; do
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
    mount -o remount,bind,ro "$root$folder"
done
# The interpreter may lie in the home of root, which the service's user has to pass.
chmod 755 "$root/root"

hostname studio
cd "$root"
mkdir -p machine
pivot_root . machine
umount -l machine
# What reaches beyond namespaces is given up: clock, modules, ports.
exec env -i container=namespaces PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-sys_boot \
    /lib/systemd/systemd --unit=multi-user.target --show-status=no
