// SPDX-License-Identifier: BSD-3-Clause
// Packing and unpacking of relay messages in format v1.
#include "crypto/cgo_message.h"

#include <errno.h>

#include "base/cell.h"
#include "base/cursor.h"
#include "crypto/cgo.h"

enum {
    ZEROS_AFTER_BODY = 4, // before the random tail
};

#define BIT(n) (UINT64_C(1) << (n))

// Of commands below 64, which all are.
static const uint64_t with_stream = BIT(1) | BIT(2) | BIT(3) | BIT(4) // BEGIN DATA END CONNECTED
                                    | BIT(11) | BIT(12) | BIT(13)     // RESOLVE(D) BEGIN_DIR
                                    | BIT(43) | BIT(44);              // XOFF XON
static const uint64_t without_stream = BIT(5) | BIT(6) | BIT(7)       // SENDME EXTEND(ED)
                                       | BIT(8) | BIT(9) | BIT(10)    // TRUNCATE(D) DROP
                                       | BIT(14) | BIT(15)            // EXTEND(ED)2
                                       | UINT64_C(0xf) << 19          // CONFLUX_*
                                       | UINT64_C(0x1ff) << 32        // onion services
                                       | BIT(41) | BIT(42);           // PADDING_NEGOTIATE(D)

static bool is_in(uint64_t set, uint8_t command)
{
    return command < 64 && (set & BIT(command)) != 0;
}

bool cgo_message_has_stream(uint8_t command)
{
    return is_in(with_stream, command);
}

uint16_t cgo_message_body_max(uint8_t command)
{
    return cgo_message_has_stream(command) ? CGO_MESSAGE_STREAM_BODY_MAX : CGO_MESSAGE_BODY_MAX;
}

bool cgo_message_parse(const uint8_t cell_body[CELL_BODY_LEN], struct cgo_message *out)
{
    struct reader r = reader_of(cell_body, CELL_BODY_LEN);
    read_bytes(&r, CGO_TAG_LEN);
    out->command = read_u8(&r);
    out->length = read_u16(&r);
    out->stream_id = cgo_message_has_stream(out->command) ? read_u16(&r) : 0;
    out->body = read_bytes(&r, out->length);
    return !r.failed && is_in(with_stream | without_stream, out->command);
}

int cgo_message_build(const struct cgo_message *m, const uint8_t padding[CELL_BODY_LEN],
                      uint8_t cell_body[CELL_BODY_LEN])
{
    bool has_stream = cgo_message_has_stream(m->command);
    if (!is_in(with_stream | without_stream, m->command) || has_stream != (m->stream_id != 0) ||
        m->length > cgo_message_body_max(m->command))
        return -EINVAL;
    struct writer w = writer_of(cell_body, CELL_BODY_LEN);
    write_zeros(&w, CGO_TAG_LEN);
    write_u8(&w, m->command);
    write_u16(&w, m->length);
    if (has_stream)
        write_u16(&w, m->stream_id);
    write_bytes(&w, m->body, m->length);
    size_t left = CELL_BODY_LEN - writer_length(&w);
    size_t zeros = left < ZEROS_AFTER_BODY ? left : ZEROS_AFTER_BODY;
    write_zeros(&w, zeros);
    write_bytes(&w, padding, left - zeros);
    return w.failed ? -EINVAL : 0;
}
