/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

enum { BOOT_ID_SIZE = 40 /* with NUL */ };

/* The id that Linux has given to the running boot of this machine; "" if it tells none. */
void boot_id_read(char out[BOOT_ID_SIZE]);
