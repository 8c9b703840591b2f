/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Five bytes of a caller (domid, target, privileged), then the strings of SET_PERMS. */
#include <string.h>

#include "base/status.h"
#include "fuzz/fuzz.h"
#include "wire/permissions.h"

enum { MAX = 16 };

static void check_rights(const struct permission *list, size_t n, const struct caller *caller)
{
	unsigned rights = permissions_for(list, n, caller);

	must(!(rights & ~(unsigned)(PERMISSION_READ | PERMISSION_WRITE | PERMISSION_OWNER)));
	if (caller->privileged || list[0].domid == caller->domid)
		must(rights == (PERMISSION_READ | PERMISSION_WRITE | PERMISSION_OWNER));
	if (rights & PERMISSION_OWNER)
		must(caller->privileged || list[0].domid == caller->domid || list[0].domid == caller->target);
}

/* What is written is read as the same. */
static void check_text(const struct permission *list, size_t n)
{
	struct permission again[MAX];
	struct buffer text;
	size_t n_again;

	buffer_init(&text);
	permissions_format(list, n, &text);
	must(!text.failed && text.len >= 3 * n);
	must(!permissions_parse(text.bytes, text.len, again, MAX, &n_again));
	must(n_again == n && !memcmp(again, list, n * sizeof(*list)));
	buffer_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct permission list[MAX];
	size_t n = 0;

	if (size < 5)
		return 0;
	struct caller caller = {(uint16_t)(data[0] | data[1] << 8), (uint16_t)(data[2] | data[3] << 8), data[4] & 1};
	int result = permissions_parse((const char *)data + 5, size - 5, list, MAX, &n);

	must(result == 0 || result == STATUS_EINVAL || result == STATUS_ENOSPC);
	must(n <= MAX && (result || n));
	if (result)
		return 0;
	check_text(list, n);
	check_rights(list, n, &caller);
	return 0;
}
