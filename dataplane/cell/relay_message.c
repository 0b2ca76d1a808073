// SPDX-License-Identifier: BSD-3-Clause
// Packing and unpacking of relay messages in format v0.
#include "cell/relay_message.h"

#include <string.h>

#include "base/cursor.h"

enum { RELAY_ZEROS_AFTER_BODY = 4 }; // before the random tail (protocol 4.04)

bool relay_message_parse(const uint8_t cell_body[CELL_BODY_LEN], struct relay_message *out)
{
    struct reader r = reader_of(cell_body, CELL_BODY_LEN);
    out->command = read_u8(&r);
    read_u16(&r); // recognized
    out->stream_id = read_u16(&r);
    read_u32(&r); // digest
    out->length = read_u16(&r);
    out->body = read_bytes(&r, out->length);
    return !r.failed;
}

void relay_message_build(const struct relay_message *m, const uint8_t padding[CELL_BODY_LEN],
                         uint8_t cell_body[CELL_BODY_LEN])
{
    struct writer w = writer_of(cell_body, CELL_BODY_LEN);
    write_u8(&w, m->command);
    write_u16(&w, 0);
    write_u16(&w, m->stream_id);
    write_u32(&w, 0);
    write_u16(&w, m->length);
    write_bytes(&w, m->body, m->length);
    size_t left = CELL_BODY_LEN - writer_length(&w);
    size_t zeros = left < RELAY_ZEROS_AFTER_BODY ? left : RELAY_ZEROS_AFTER_BODY;
    write_zeros(&w, zeros);
    write_bytes(&w, padding, left - zeros);
}
