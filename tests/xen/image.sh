#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes what the emulated host boots from, in the folder $1: xen.elf, vmlinux (dom0's and the guests' kernel), dom0.cpio and
# guest.cpio. All of it is Debian's but for the guest's program, $2, which is linked statically. What is there is kept.
set -euo pipefail
out=$1 guest=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$out/packages

# The kernel package of this machine's Debian: linux-image-amd64 names it.
kernel_package() { apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*-amd64\)$/\1/p' | head -n 1; }

# A number in the header of the kernel image $1: at offset $2, of $3 bytes.
number_at() { od -An -tu"$3" -j"$2" -N"$3" "$1" | tr -d ' '; }

# The kernel inside the image $1 (Linux, Documentation/x86/boot.rst: setup_sects, payload_offset, payload_length), which saves
# seconds at each boot. Behind the compressed kernel come four bytes with its size.
unpack_kernel() {
	local start=$(((1 + $(number_at "$1" $((0x1f1)) 1)) * 512 + $(number_at "$1" $((0x248)) 4)))
	dd if="$1" bs=1M iflag=skip_bytes,count_bytes skip="$start" count=$(($(number_at "$1" $((0x24c)) 4) - 4)) status=none | xz -dc
}

archive() { (cd "$1" && find . | cpio -o -H newc --quiet); }

# Copies programs with the libraries that they need into the root folder $1.
install_programs() {
	local to=$1 library
	shift
	cp "$@" "$to/xen/"
	for library in $(for program; do ldd "$program" 2>/dev/null; done | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u); do
		cp -Lu "$library" "$to/lib/x86_64-linux-gnu/"
	done
}

# The guest without a kernel, for both types; into the folder of the images.
make_hostile_guests() {
	local flags=(-std=gnu17 -Wall -Wextra -O2 -ffreestanding -nostdlib -static -fno-pic -no-pie -mno-sse -mno-mmx -fno-stack-protector
		-fcf-protection=none -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -I"$here/../../src"
		-Wl,--build-id=none,-Ttext-segment=0x100000)
	gcc -m64 -mno-red-zone "${flags[@]}" "$here/hostile.c" -o "$out/hostile-pv"
	gcc -m32 "${flags[@]}" "$here/hostile.c" -o "$out/hostile-pvh"
}

make_guest_image() {
	local folder=$out/guest
	rm -rf "$folder"
	mkdir -p "$folder"/{dev,proc,sys,sbin,modules}
	cp "$guest" "$folder/init"
	ln -s ../init "$folder/sbin/poweroff"
	ln -s ../init "$folder/sbin/reboot"
	cp "$drivers"/block/{xen-blkfront,brd,xen-blkback/xen-blkback}.ko "$drivers"/net/{xen-netfront,xen-netback/xen-netback}.ko "$folder/modules/"
	archive "$folder" >"$out/guest.cpio"
}

make_dom0_image() {
	local folder=$out/dom0 programs=$root/usr/lib/xen-4.17/bin
	rm -rf "$folder"
	mkdir -p "$folder"/{bin,dev,etc/xen,lib/x86_64-linux-gnu,lib64,modules,proc,root,run,sys,tmp,usr/lib/xen-4.17/bin,var/lib/xen,var/log/xen/console,xen}
	ln -s ../run "$folder/var/run"
	cp -r "$root/etc/xen/scripts" "$folder/etc/xen/"
	cp "$root/bin/busybox" "$folder/bin/"
	"$root/bin/busybox" --list | while read -r applet; do
		[ -e "$folder/bin/$applet" ] || ln -s busybox "$folder/bin/$applet"
	done
	install_programs "$folder" "$programs"/{xl,xenconsoled,xenconsole,xen-init-dom0,xenctx,lsevtchn,xenstored,xenstore-control,libxl-save-helper} \
		"$root"/usr/bin/xenstore-{chmod,exists,list,ls,read,rm,watch,write} /usr/bin/flock
	# The scripts that connect devices want this shell.
	install_programs "$folder" /bin/bash && mv "$folder/xen/bash" "$folder/bin/"
	mv "$folder/xen/libxl-save-helper" "$folder/usr/lib/xen-4.17/bin/"
	mv "$folder/xen/xenstored" "$folder/xen/stock-xenstored"
	# xl ends itself where this one, which is loaded by the C library, is missing.
	cp -L /lib/x86_64-linux-gnu/libgcc_s.so.1 "$folder/lib/x86_64-linux-gnu/"
	cp -L /lib64/ld-linux-x86-64.so.2 "$folder/lib64/"
	cp "$drivers"/xen/{xen-privcmd,xen-evtchn,xen-gntdev,xen-gntalloc,xenfs/xenfs}.ko "$drivers"/block/{loop,xen-blkback/xen-blkback}.ko \
		"$drivers"/net/xen-netback/xen-netback.ko "$drivers"/../net/{llc/llc,802/stp,bridge/bridge}.ko "$folder/modules/"
	echo 'autoballoon="off"' >"$folder/etc/xen/xl.conf"
	cp "$out/vmlinux" "$folder/guest-kernel"
	cp "$out/guest.cpio" "$folder/guest.cpio"
	cp "$here/dom0-init.sh" "$folder/init"
	archive "$folder" >"$out/dom0.cpio.new"
	mv "$out/dom0.cpio.new" "$out/dom0.cpio"
}

mkdir -p "$out"
kernel=$(kernel_package)
[ -n "$kernel" ] || { echo "the package of the kernel is not known: apt-get update" >&2; exit 1; }
"$here/../support/fetch-packages.sh" "$root" "$kernel" xen-hypervisor-4.17-amd64 busybox-static xen-utils-4.17 xen-utils-common xenstore-utils
drivers=$root/lib/modules/${kernel#linux-image-}/kernel/drivers
[ -s "$out/xen.elf" ] || gunzip -c "$root/boot/xen-4.17-amd64.gz" >"$out/xen.elf"
[ -s "$out/vmlinux" ] || { unpack_kernel "$root/boot/vmlinuz-${kernel#linux-image-}" >"$out/vmlinux.new" && mv "$out/vmlinux.new" "$out/vmlinux"; }
# What is older than what it is made of is made again.
[ "$out/guest.cpio" -nt "$guest" ] && [ "$out/guest.cpio" -nt "$0" ] || make_guest_image
[ "$out/hostile-pvh" -nt "$here/hostile.c" ] && [ "$out/hostile-pvh" -nt "$0" ] || make_hostile_guests
[ "$out/dom0.cpio" -nt "$out/guest.cpio" ] && [ "$out/dom0.cpio" -nt "$here/dom0-init.sh" ] && [ "$out/dom0.cpio" -nt "$0" ] || make_dom0_image
