#!/bin/busybox sh
# The init script of the guest: mounts the standard file systems, runs the scenarios named on the kernel command line
# after `--`, or all, and powers off.
export PATH=/bin
busybox mount -t proc none /proc
busybox mount -t sysfs none /sys
busybox mount -t devtmpfs none /dev
busybox mount -t tmpfs none /run
busybox mount -t tmpfs none /tmp
ip link set lo up
# The firmware leaves the cursor in the middle of a line.
echo
# The scenarios refuse to run without this variable, which shows that they are in the guest.
WEIR_KERNEL_GUEST=1 weir-kernel-scenarios "$@"
busybox poweroff -f
