#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs the scenario $NAME for guests of $TYPE, and tells its result.
. /scenarios/library.sh

# For who has to find out why it failed; on the console.
show_state() {
	xl list
	tail -n 20 /var/log/xen/console/guest-*.log
	for domain in $(xl list | awk 'NR > 1 { print $2 }'); do
		echo "-- event channels of domain $domain"
		lsevtchn "$domain"
	done
	xenstore-ls -fp /local/domain
	[ ! -e /run/xenstored/store.mdb ] || lxenstore-dump --store /run/xenstored/store.mdb --domains
	xl dmesg | tail -n 5
}

begin=$(cut -d' ' -f1 /proc/uptime)
echo "scenario $NAME $TYPE" >&3
echo "==== $NAME $TYPE"
(. "/scenarios/$NAME.sh")
status=$?
end=$(cut -d' ' -f1 /proc/uptime)
[ $status = 0 ] || show_state
# Nothing of it may be left for the next one.
for domain in $(xl list | awk 'NR > 1 && $2 > 0 { print $2 }'); do
	xl destroy "$domain"
done
rm -f /var/log/xen/console/*
[ $status = 0 ] && echo "ok" >&3
echo "end $(awk "BEGIN { print $end - $begin }")" >&3
