#!/bin/busybox sh
# The first process in a guest: mounts read-only folders of the host below writable layers in memory.
set -e
bb=/bin/busybox
$bb mkdir -p /proc /sys /dev /host /layer /root
$bb mount -t devtmpfs dev /dev
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
for module in $($bb cat /modules.list); do $bb insmod "/modules/$module"; done
$bb mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host /host
$bb mount -t tmpfs -o size=75% layer /layer
count=0
layer() {
  count=$((count + 1))
  $bb mkdir -p "/layer/$count/upper" "/layer/$count/work" "/root$1"
  $bb mount -t overlay -o "lowerdir=$2,upperdir=/layer/$count/upper,workdir=/layer/$count/work" root "/root$1"
}
empty() {
  $bb mount -t tmpfs "$1" "/root/$1"
}
. /layers.sh
$bb chmod 1777 /root/tmp
$bb cp /start.sh /command.sh /root/run
$bb umount /proc /sys
$bb mount -o move /dev /root/dev
exec $bb switch_root /root /bin/sh /run/start.sh
