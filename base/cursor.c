// SPDX-License-Identifier: BSD-3-Clause
// Checked writing of byte strings of any length.
#include "base/cursor.h"

void write_bytes(struct writer *w, const void *bytes, size_t length)
{
    uint8_t *room = write_room(w, length);
    if (room && length)
        memcpy(room, bytes, length);
}

void write_zeros(struct writer *w, size_t length)
{
    uint8_t *room = write_room(w, length);
    if (room && length)
        memset(room, 0, length);
}
