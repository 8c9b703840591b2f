#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs the scenario $NAME for guests of $TYPE, and tells its result.
. /scenarios/library.sh
begin=$(cut -d' ' -f1 /proc/uptime)
echo "scenario $NAME $TYPE" >&3
echo "==== $NAME $TYPE"
(. "/scenarios/$NAME.sh")
status=$?
end=$(cut -d' ' -f1 /proc/uptime)
# Nothing of it may be left for the next one.
for domain in $(xl list | awk 'NR > 1 && $2 > 0 { print $2 }'); do
	xl destroy "$domain"
done
[ $status = 0 ] && echo "ok" >&3
echo "end $(awk "BEGIN { print $end - $begin }")" >&3
