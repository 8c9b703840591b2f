#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The folders of src/ are in an order, that of the table in doc/architecture.md: a file may include its own folder and those
# above. Some libraries have one place. A header includes what it uses.
cd "$TOP_SRCDIR" || exit 1

# "FILE:HEADER" for each include in quotes below the folders named.
includes() {
	grep -r --include='*.[ch]' -H '^#include "' "$@" | sed 's/:#include "\([^"]*\)".*/:\1/'
}

# Reports what is on standard input as the mistakes of test $1, named by the rest.
result() {
	number=$1
	shift
	mistakes=$(cat)
	[ -z "$mistakes" ] || printf '%s\n' "$mistakes" | sed 's/^/# /'
	[ -z "$mistakes" ] && echo "ok $number - $*" || echo "not ok $number - $*"
}

# Fails on users of the headers $1, a pattern, other than $2, one too.
only() {
	grep -rE --include='*.[ch]' -l "^#include <($1)>" src tools | grep -vE "^($2)"
}

folders=$(sed -n 's/^| .src\/\([a-z]*\)\/. .*/\1/p' doc/architecture.md | tr '\n' ' ')
echo 1..6

for folder in $(find src -mindepth 1 -maxdepth 1 -type d | sed 's/src.//'); do
	case " $folders" in
	*" $folder "*) ;;
	*) echo "$folder" ;;
	esac
done | result 1 "each folder of src/ has its row in doc/architecture.md"

above=
for folder in $folders; do
	[ -d "src/$folder" ] || continue
	above="$above|$folder"
	includes "src/$folder" | grep -vE ":(${above#|}|lxenstored)/"
done | result 2 "no include goes up"

includes tools | grep -vE ':((base|wire|store|ledger|domain|lxenstored)/|handover/(export|import|state|state_record|stream|text_dump)\.h|[^/]*$)' | result 3 "tools include what they may"

includes include | grep -v ':lxenstored/' | result 4 "formats include no source"

{
	only 'lmdb\.h' src/store/
	only 'xen[a-z_/]*\.h' 'src/front/xen\.c'
	only 'sodium\.h' src/base/
	only 'ev\.h' 'src/(front/|handover/|server\.c)'
	only 'jansson\.h' tools/
} | result 5 "libraries are included only where doc/dependencies.md says"

for header in $(find include src tests -name '*.h'); do
	printf '#include "%s"\n' "${header#*/}" |
		${CC:-cc} -D_GNU_SOURCE $CPPFLAGS -Isrc -Iinclude -Itests -std=gnu17 -Wall -Werror -fsyntax-only -x c - >/dev/null 2>&1 ||
		echo "$header"
done | result 6 "each header compiles alone"
