#!/bin/sh
# Runs in the final root of the guest: mounts the usual file systems, runs the command, reports its status and powers
# off.
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t securityfs securityfs /sys/kernel/security
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
hostname guest
# Every installed Debian has this file, and tests open it.
hostname >/etc/hostname
# One port for the output of the command, one for its exit status.
output=$(echo /dev/vport*p1)
status=$(echo /dev/vport*p2)
. /run/command.sh >"$output" 2>&1 </dev/null
echo $? >"$status"
sync
echo o >/proc/sysrq-trigger
sleep 60
