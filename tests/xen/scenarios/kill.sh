# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon is killed, five times, while a guest counts and watches and dom0's programs and kernel hold connections: nobody notices.
daemon() { pidof lxenstored | tr ' ' '\n' | grep -vx "$(cat /run/xenstore.pid)"; }
is_another() { [ -n "$(daemon)" ] && [ "$(daemon)" != "$1" ]; }
told_kernel() { [ "$(dmesg | grep -c "sysrq: HELP")" -gt "$1" ]; }

create one
await 60 is_up one
is_well one
for i in 1 2 3 4 5; do
	killed=$(daemon)
	must kill -9 "$killed"
	await 10 is_another "$killed"
	tell one "hello$i"
	is_well one
	before=$(dmesg | grep -c "sysrq: HELP")
	must xenstore-write /local/domain/0/control/sysrq h
	await 20 told_kernel "$before"
	must xl list one
done
# While a guest is being created, too; its console shows that xenconsoled is not deaf.
(usleep 300000; kill -9 "$(daemon)") &
create two
await 60 is_up two
tell two hello
await 20 grep -q "guest: up" /var/log/xen/console/guest-two.log
is_well one
must lxenstore-dump --store /run/xenstored/store.mdb --check
