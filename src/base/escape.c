/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What clients have sent, shown without doing anything to whoever looks at it. */
#include "base/escape.h"

#include <stdio.h>

void escape(const void *bytes, size_t len, char *out)
{
	const unsigned char *from = bytes;

	for (size_t i = 0; i < len; i++) {
		if (!from[i])
			out += sprintf(out, "\\0");
		else if (from[i] < ' ' || from[i] >= 127)
			out += sprintf(out, "\\x%02x", from[i]);
		else if (from[i] == '"' || from[i] == '\\')
			out += sprintf(out, "\\%c", from[i]);
		else
			*out++ = (char)from[i];
	}
	*out = 0;
}
