# SPDX-License-Identifier: LGPL-2.1-or-later
# What was not committed when the daemon died stays.
s/entry->tag > recovery->last_tag /entry->tag > recovery->last_tag + 1000 /
