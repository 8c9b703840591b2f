# SPDX-License-Identifier: LGPL-2.1-or-later
# A queue begins with a block that is not written yet.
/^static int append_first/,/^}/{
/^\tpublish_u32(&connection->slot->out_head, number);$/d
s/^\tblock->base = connection->slot->out_pos;$/\tpublish_u32(\&connection->slot->out_head, number);\n&/
}
