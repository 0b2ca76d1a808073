// SPDX-License-Identifier: BSD-3-Clause
// The extension blocks in the messages of an ntor-v3 handshake.
#include "crypto/circuit_params.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

int circuit_params_answer(const uint8_t *message, size_t length, const struct circuit_params *offer,
                          struct circuit_params *granted, uint8_t *reply, size_t capacity)
{
    struct reader r = reader_of(message, length);
    struct writer w = writer_of(reply, capacity);
    bool asked_cc = false, unknown_subproto = false;

    *granted = (struct circuit_params){0};
    unsigned count = read_u8(&r);
    for (unsigned i = 0; i < count && !r.failed; i++) {
        uint8_t type = read_u8(&r);
        uint8_t body_length = read_u8(&r);
        read_bytes(&r, body_length);
        if (type == CIRCUIT_EXT_CC_REQUEST)
            asked_cc = true; // its body, if any, is ignored
        else if (type == CIRCUIT_EXT_SUBPROTO && body_length > 0)
            unknown_subproto = true; // we speak none that may be asked for
    }
    // Bytes after the block are left to later versions, as C tor does.
    if (r.failed || unknown_subproto)
        return -EPROTO;

    granted->congestion_control = asked_cc && offer->congestion_control;
    write_u8(&w, granted->congestion_control ? 1 : 0);
    if (granted->congestion_control) {
        granted->sendme_inc_cells = offer->sendme_inc_cells;
        write_u8(&w, CIRCUIT_EXT_CC_RESPONSE);
        write_u8(&w, 1);
        write_u8(&w, granted->sendme_inc_cells);
    }
    return w.failed ? -EMSGSIZE : (int)writer_length(&w);
}

int circuit_params_request(bool congestion_control, uint8_t *out, size_t capacity)
{
    struct writer w = writer_of(out, capacity);

    write_u8(&w, congestion_control ? 1 : 0);
    if (congestion_control) {
        write_u8(&w, CIRCUIT_EXT_CC_REQUEST);
        write_u8(&w, 0);
    }
    return w.failed ? -EMSGSIZE : (int)writer_length(&w);
}

int circuit_params_accept(const uint8_t *message, size_t length, const struct circuit_params *asked,
                          struct circuit_params *granted)
{
    struct reader r = reader_of(message, length);

    *granted = (struct circuit_params){0};
    unsigned count = read_u8(&r);
    for (unsigned i = 0; i < count && !r.failed; i++) {
        uint8_t type = read_u8(&r);
        uint8_t body_length = read_u8(&r);
        struct reader body = read_sub(&r, body_length);
        if (type != CIRCUIT_EXT_CC_RESPONSE || granted->congestion_control)
            continue;
        int increment = read_u8(&body);
        int ours = asked->sendme_inc_cells;
        if (!asked->congestion_control || body.failed || increment == 0 || increment > ours + 1 ||
            increment < ours - 1)
            return -EPROTO;
        granted->congestion_control = true;
        granted->sendme_inc_cells = (uint8_t)increment;
    }
    if (r.failed) {
        *granted = (struct circuit_params){0};
        return -EPROTO;
    }
    return 0;
}
