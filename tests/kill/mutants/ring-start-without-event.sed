# SPDX-License-Identifier: LGPL-2.1-or-later
# A daemon that starts does not tell guests to look.
/^\tring->notify_due = true;$/{
N
s/^\tring->notify_due = true;\n\(\tif (was_begun\)/\1/
}
