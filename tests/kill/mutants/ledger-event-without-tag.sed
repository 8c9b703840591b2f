# SPDX-License-Identifier: LGPL-2.1-or-later
# An event is valid before the change that it tells of is committed.
/^int ledger_append_event/,/^}/s/^\tint result;$/&\n\n\tmessage.tag = tag = 0;/
