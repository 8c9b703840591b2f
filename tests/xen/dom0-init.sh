#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The first program of the small emulated dom0: makes the system ready, starts the daemon that /scenarios/daemon names, and has the
# scenarios played.
export PATH=/xen:/bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /dev/pts /run/lock /run/xen /run/xenstored
mount -t devpts devpts /dev/pts
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin # the scripts that connect devices look at it
for module in xen-privcmd xenfs xen-evtchn xen-gntdev xen-gntalloc; do
	insmod "/modules/$module.ko"
done
mount -t xenfs xenfs /proc/xen
# One daemon for as long as this dom0 runs: its kernel keeps the ring.
read -r daemon </scenarios/daemon
case $daemon in
stock) stock-xenstored --pid-file=/run/xenstore.pid ;;
lxenstored) # in the foreground, so that its messages are on the console
	lxenstored -N --watchdog=120 --pid-file=/run/xenstore.pid & # an emulated processor may be without a real one for seconds
	for i in 1 2 3 4 5 6 7 8 9 10; do
		[ -s /run/xenstore.pid ] || sleep 1
	done
	[ -s /run/xenstore.pid ]
	;;
init) /etc/init.d/lxenstored start ;;
esac || echo "failed daemon $daemon: it does not start" >/run/no-daemon
xen-init-dom0
xenconsoled --pid-file=/run/xenconsoled.pid --log=guest --log-dir=/var/log/xen/console
exec sh /scenarios/play.sh
