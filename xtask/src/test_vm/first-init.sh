#!/bin/sh
# The first process: loads the modules, then hands over to the disk.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
while read -r module; do
    $b insmod "/modules/$module" || echo "cannot load $module"
done </modules/order
tries=0
until [ -b /dev/vda ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || { echo "no disk"; $b poweroff -f; }
    $b usleep 50000
done
$b mount -t ext4 /dev/vda /root || $b poweroff -f
$b umount /proc /sys
$b mount --move /dev /root/dev
exec $b switch_root /root /vm/init
