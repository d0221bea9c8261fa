#!/bin/sh
# The machine's only program: makes what an init system makes of a host, and has the
# tests run.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/vm/bin
export HOME=/root TERM=linux CI=true
. /vm/environment

mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=000 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
mount -t mqueue -o nosuid,nodev,noexec mqueue /dev/mqueue
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
# With these options systemd mounts it.
mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
mount -t bpf -o nosuid,nodev,noexec,mode=700 bpf /sys/fs/bpf
mount --make-rshared /
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
[ "$(stat -c %u /vm/init)" = 0 ] || chown -R -h 0:0 /vm /usr /etc /root
chmod 1777 /tmp /var/tmp

# As a service stands on such a host: in a group of its own, not at the root.
for dir in /sys/fs/cgroup /sys/fs/cgroup/system.slice; do
    mkdir -p "$dir"
    for controller in $(cat "$dir/cgroup.controllers"); do
        echo "+$controller" >"$dir/cgroup.subtree_control"
    done
done
mkdir /sys/fs/cgroup/system.slice/tests.service
echo $$ >/sys/fs/cgroup/system.slice/tests.service/cgroup.procs

hostname gantry-vm
ip link set lo up
# The way out that every host has, though nobody is there.
ip link add outside type veth peer name beyond
ip address add 192.0.2.1/24 dev outside
ip link set outside up
ip link set beyond up
ip route add default via 192.0.2.2
sysctl -q -w kernel.printk="4 4 1 7" net.ipv4.ip_forward=1 2>/dev/null

. /vm/run
