#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints the folder that has the programs of Debian's package xen-utils-4.17 (xenstore-control, test-xenstore), which is
# unpacked under the folder $1 unless it is there already. It is not installed: its scripts belong on a Xen host.
package=xen-utils-4.17
cache=$1/$package
programs=$cache/usr/lib/xen-4.17/bin

fail() {
	echo "$package cannot be had: $1" >&2
	exit 1
}

"$(dirname "$0")/fetch-packages.sh" "$cache" "$package" || exit 1
[ -x "$programs/test-xenstore" ] && [ -x "$programs/xenstore-control" ] || fail "it has no $programs/test-xenstore"
missing=$(ldd "$programs/test-xenstore" "$programs/xenstore-control" | grep 'not found')
[ -z "$missing" ] || fail "it needs libraries that are not there (install libxen-dev):$missing"
echo "$programs"
