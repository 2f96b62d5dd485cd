#!/bin/sh
# PID 1 of the guest. interop.n (which guest it is) and interop.mtu come from the kernel's command line.
export PATH=/usr/bin:/usr/sbin:/bin:/sbin HOME=/root
mount -t proc proc /proc || exit 1 # PID 1 leaving is a panic, and QEMU ends with it
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
# busybox's shell prefers its own, smaller ip.
ip() { /usr/bin/ip "$@"; }
arg() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"; }
N=$(arg interop.n)
host=$((N + 1))
for m in virtio_pci virtio_net virtio_rng; do modprobe $m; done
echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
# The control network has no IPv6: its link-local address would be one more GID.
echo 1 >/proc/sys/net/ipv6/conf/eth1/disable_ipv6
hostname guest$N
ip link set lo up
ip link set eth0 mtu "$(arg interop.mtu)" up
ip addr add 10.77.0.$host/24 dev eth0
ip addr add fd77::$host/64 dev eth0 nodad
ip link set eth1 up
ip addr add 10.78.0.$host/24 dev eth1
for m in rdma_rxe rdma_ucm ib_umad; do modprobe $m || echo "init: no $m"; done
rdma link add rxe0 type rxe netdev eth0 || echo "init: no rxe0"
ulimit -l unlimited
echo "init: ready"
agent 2323
echo "init: the agent has ended"
poweroff -f
