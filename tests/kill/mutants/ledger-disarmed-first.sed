# SPDX-License-Identifier: LGPL-2.1-or-later
# The call counts no more before its bytes are counted.
s/^\tif (len)$/\tdisarm(connection);\n&/
