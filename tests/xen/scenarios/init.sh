# SPDX-License-Identifier: LGPL-2.1-or-later
# The init script for hosts without systemd has started the daemon. Stopped and started again, the guest and dom0's kernel go on.
script=/etc/init.d/lxenstored
must $script status
create one
await 60 is_up one
is_well one
must $script start # does nothing
is_well one
before=$(daemon)
must $script restart
must is_another "$before"
tell one hello
is_well one
told=$(told_kernel)
must xenstore-write /local/domain/0/control/sysrq h
await 20 was_told_kernel "$told"
must $script stop
$script status
is $? 3
sleep 2
must $script start
is_well one
must lxenstore-dump --store /run/xenstored/store.mdb --check
