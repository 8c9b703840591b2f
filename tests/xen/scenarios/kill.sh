# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon is killed, five times, while a guest counts and watches and dom0's programs and kernel hold connections: nobody notices.
create one
await 60 is_up one
is_well one
for i in 1 2 3 4 5; do
	killed=$(daemon)
	must kill -9 "$killed"
	await 10 is_another "$killed"
	tell one "hello$i"
	is_well one
	before=$(told_kernel)
	must xenstore-write /local/domain/0/control/sysrq h
	await 20 was_told_kernel "$before"
	must xl list one
done
# While a guest is being created, too; its console shows that xenconsoled is not deaf.
(sleep 0.3; kill -9 "$(daemon)") &
create two
await 60 is_up two
tell two hello
await 20 grep -q "guest: up" /var/log/xen/console/guest-two.log
is_well one
must lxenstore-dump --store /run/xenstored/store.mdb --check
