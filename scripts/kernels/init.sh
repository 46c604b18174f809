#!/bin/busybox sh
# The first process in a guest: the host's root, read-only, under a layer of memory.
set -e
bb=/bin/busybox
$bb mkdir -p /proc /sys /dev /host /layer /root
$bb mount -t devtmpfs dev /dev
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
for module in $($bb cat /modules.list); do $bb insmod "/modules/$module"; done
$bb mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host /host
$bb mount -t tmpfs -o size=75% layer /layer
$bb mkdir /layer/upper /layer/work
$bb mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work root /root
# /tmp and /run: what the host keeps in these, a guest doesn't have, unless it is what it is here for.
for name in $($bb cat /emptied.list); do $bb mount -t tmpfs "$name" "/root/$name"; done
$bb chmod 1777 /root/tmp
$bb cp /start.sh /command.sh /root/run
$bb umount /proc /sys
$bb mount -o move /dev /root/dev
exec $bb switch_root /root /bin/sh /run/start.sh
