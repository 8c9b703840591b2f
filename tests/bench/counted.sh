#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What READ and WRITE cost in instructions and system calls: no more with 100,000 nodes than with 1,000, but for a little, and
# no more than tests/bench/ceilings.txt records. Both are counted, so load on the machine changes nothing.
skip() {
	echo "1..0 # SKIP $1"
	exit 0
}
command -v valgrind >/dev/null || skip "valgrind is not there"
valgrind --tool=none "$LXENSTORED" --version >/dev/null 2>&1 || skip "valgrind cannot run what this compiler makes"
case " $BUILD_CFLAGS " in
*-fsanitize*) skip "sanitizers add instructions of their own" ;;
*" -O2 "* | *" -O3 "*) ;;
*) skip "the ceilings are for optimized code: $BUILD_CFLAGS" ;;
esac

parent=/dev/shm
[ -w "$parent" ] || parent=${TMPDIR:-/tmp}
directory=$(mktemp -d "$parent/lxenstored-counted.XXXXXX") || exit 1
output=$directory/output
trap 'rm -r "$directory"' EXIT
trap 'exit 1' HUP INT TERM
ECHO="$TOP_BUILDDIR/tests/bench/echo" "$TOP_BUILDDIR/tests/bench/bench" --dir "$directory" \
	--ceilings "${CEILINGS:-$TOP_SRCDIR/tests/bench/ceilings.txt}" >"$output" 2>&1
status=$?
sed 's/^/# /' "$output"

# $1: number of the test, $2: what it is, $3: the mark of a line that fails it
result() {
	if [ "$status" -le 1 ] && ! grep -q "$3\$" "$output"; then
		echo "ok $1 - $2"
	else
		echo "not ok $1 - $2"
	fi
}

echo 1..3
result 1 "READ and WRITE cost the same in a store of a hundred times the nodes, within a factor 1.3" "GROWS"
result 2 "READ and WRITE cost no more than is recorded in tests/bench/ceilings.txt" "TOO MANY"
# That the two marks above cannot have been missed.
if grep -qx "counted: PASS" "$output" && [ "$status" = 0 ]; then
	echo "ok 3 - the benchmark counts and finds nothing wrong"
else
	echo "not ok 3 - the benchmark counts and finds nothing wrong"
fi
