#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The first program of the emulated dom0: makes the system ready, starts the daemon that /scenarios/daemon names, runs the
# scenarios of /scenarios/list, and switches the machine off. What they say goes to the console, their results to the second serial
# port (library.sh).
export PATH=/xen:/bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /dev/pts /run/xen /run/xenstored
mount -t devpts devpts /dev/pts
for module in /modules/*.ko; do
	insmod "$module"
done
mount -t xenfs xenfs /proc/xen
stty -F /dev/ttyS1 raw -echo
exec 3>/dev/ttyS1
# One daemon for as long as this dom0 runs: its kernel keeps the ring.
read -r daemon </scenarios/daemon
case $daemon in
stock) stock-xenstored --pid-file=/run/xenstore.pid ;;
lxenstored) # in the foreground, so that its messages are on the console
	lxenstored -N --pid-file=/run/xenstore.pid &
	for i in 1 2 3 4 5 6 7 8 9 10; do
		[ -s /run/xenstore.pid ] || sleep 1
	done
	[ -s /run/xenstore.pid ]
	;;
esac || echo "daemon $daemon: it does not start" >&3
xen-init-dom0
xenconsoled --pid-file=/run/xenconsoled.pid --log=guest --log-dir=/var/log/xen/console
while read -r NAME TYPE; do
	export NAME TYPE
	sh /scenarios/run-scenario.sh </dev/null
done </scenarios/list
echo "finished" >&3
sync
poweroff -f
