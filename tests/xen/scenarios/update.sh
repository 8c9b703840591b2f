# SPDX-License-Identifier: LGPL-2.1-or-later
# Live update of lxenstored into itself while a guest counts: it misses no number, its watch and dom0's connections stay. What is no
# daemon is refused, and the one that serves goes on.
create one
await 60 is_up one
is_well one
for i in 1 2 3; do
	must xenstore-control live-update /xen/lxenstored
	tell one "hello$i"
	is_well one
	told=$(told_kernel)
	must xenstore-write /local/domain/0/control/sysrq h
	await 20 was_told_kernel "$told"
	must xl list one
done
for wrong in /bin/busybox /etc/passwd /nowhere; do
	! xenstore-control live-update $wrong || fail "updated into $wrong"
	tell one "hello after $wrong"
	is_well one
done
create two
await 60 is_up two
tell two hello
await 20 grep -q "guest: up" /var/log/xen/console/guest-two.log
must lxenstore-dump --store /run/xenstored/store.mdb --check
