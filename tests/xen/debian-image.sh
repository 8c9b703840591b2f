#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes debian.cpio in the folder $1: a dom0 with systemd, of Debian's packages, by debootstrap from the mirror that apt uses. What
# image.sh makes is there already. Made once; it takes some minutes.
set -euo pipefail
out=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$out/debian
packages=systemd-sysv,udev,kmod,iproute2,procps,xen-utils-4.17,xenstore-utils,libev4,liblmdb0,libsodium23,libjansson4
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-cache policy base-files | awk -v main="$suite/main" '$3 == main { print $2; exit }')
kernel=$(basename "$out"/packages/lib/modules/*)

make_root() {
	rm -rf "$root.new"
	debootstrap --variant=minbase --include="$packages" "$suite" "$root.new" "$mirror" >"$out/debootstrap.log" 2>&1 ||
		{ tail -n 20 "$out/debootstrap.log" >&2; exit 1; }
	mv "$root.new" "$root"
}

# What dom0 may have to load.
install_modules() {
	local from=$out/packages/lib/modules/$kernel/kernel to=$root/lib/modules/$kernel/kernel folder
	for folder in drivers/xen drivers/net/xen-netback drivers/block/xen-blkback net/llc net/802 net/bridge; do
		mkdir -p "$to/$folder"
		cp "$from/$folder"/*.ko "$to/$folder/"
	done
	cp "$from"/drivers/xen/xenfs/xenfs.ko "$to/drivers/xen/"
	cp "$from"/drivers/block/loop.ko "$to/drivers/block/"
	cp "$out/packages/lib/modules/$kernel"/modules.{builtin,order}* "$root/lib/modules/$kernel/"
	chroot "$root" depmod "$kernel"
}

# It starts as a host does; what plays the scenarios waits for that.
configure() {
	rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,locale,man}
	mkdir -p "$root/var/log/xen/console"
	ln -sf lib/systemd/systemd "$root/init"
	echo dom0 >"$root/etc/hostname"
	echo 'autoballoon="off"' >"$root/etc/xen/xl.conf"
	# What nobody needs here takes the emulator's time.
	for unit in getty.target serial-getty@hvc0.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		e2scrub_reap.service systemd-timesyncd.service systemd-pstore.service; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done
	cp "$here/scenarios.service" "$root/etc/systemd/system/"
	ln -sf ../scenarios.service "$root/etc/systemd/system/multi-user.target.wants/"
	ln -f "$out/vmlinux" "$root/guest-kernel" 2>/dev/null || cp "$out/vmlinux" "$root/guest-kernel"
	cp "$out/guest.cpio" "$root/guest.cpio"
}

[ -d "$root" ] || make_root
[ "$out/debian.cpio" -nt "$out/guest.cpio" ] && [ "$out/debian.cpio" -nt "$0" ] && [ "$out/debian.cpio" -nt "$here/scenarios.service" ] && exit
install_modules
configure
(cd "$root" && find . | cpio -o -H newc --quiet) >"$out/debian.cpio.new"
mv "$out/debian.cpio.new" "$out/debian.cpio"
