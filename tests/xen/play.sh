#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Plays the scenarios of /scenarios/list in the emulated dom0, and switches it off. What they say goes to the console, their results
# to the second serial port (library.sh).
export PATH=/xen:/usr/lib/xen-4.17/bin:/usr/sbin:/usr/bin:/sbin:/bin
stty -F /dev/ttyS1 raw -echo
exec 3>/dev/ttyS1
[ ! -s /run/no-daemon ] || cat /run/no-daemon >&3
while read -r NAME TYPE; do
	export NAME TYPE
	sh /scenarios/run-scenario.sh </dev/null
done </scenarios/list
echo "finished" >&3
sync
poweroff -f
