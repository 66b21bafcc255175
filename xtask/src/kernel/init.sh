#!/bin/busybox sh
# The guest's first process: mounts what every Linux has, runs the scenarios named to the kernel after `--`, or all, and
# switches the machine off.
export PATH=/bin
busybox mount -t proc none /proc
busybox mount -t sysfs none /sys
busybox mount -t devtmpfs none /dev
busybox mount -t tmpfs none /run
busybox mount -t tmpfs none /tmp
ip link set lo up
# The firmware has left the cursor in the middle of a line.
echo
# By this the scenarios know that the machine is theirs.
WEIR_KERNEL_GUEST=1 weir-kernel-scenarios "$@"
busybox poweroff -f
