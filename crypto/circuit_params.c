// SPDX-License-Identifier: BSD-3-Clause
// The extension blocks in the messages of an ntor-v3 handshake.
#include "crypto/circuit_params.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

// Pairs of a protocol and a version, in ascending order, and nothing that we don't speak.
static bool take_subprotocols(struct reader pairs, struct circuit_params *asked)
{
    int before = -1;
    while (reader_left(&pairs)) {
        int pair = read_u16(&pairs); // of bytes that ascend in the same order
        if (pairs.failed || pair <= before || pair != (SUBPROTO_RELAY << 8 | SUBPROTO_RELAY_CGO))
            return false;
        asked->cgo = true;
        before = pair;
    }
    return true;
}

// Of extensions of one type only the first counts; types that are not known are passed over.
static bool parse_request(const uint8_t *message, size_t length, struct circuit_params *asked)
{
    struct reader r = reader_of(message, length);
    bool subprotocols_came = false, good = true;

    *asked = (struct circuit_params){0};
    unsigned count = read_u8(&r);
    for (unsigned i = 0; i < count && !r.failed; i++) {
        uint8_t type = read_u8(&r);
        uint8_t body_length = read_u8(&r);
        struct reader body = read_sub(&r, body_length);
        if (type == CIRCUIT_EXT_CC_REQUEST) {
            asked->congestion_control = true; // its body, if any, is ignored
        } else if (type == CIRCUIT_EXT_SUBPROTO && !subprotocols_came && !r.failed) {
            subprotocols_came = true;
            good = take_subprotocols(body, asked);
        }
    }
    return good && !r.failed; // bytes after the block are left to later versions, as C tor does
}

int circuit_params_answer(const uint8_t *message, size_t length, const struct circuit_params *offer,
                          struct circuit_params *granted, uint8_t *reply, size_t capacity)
{
    struct circuit_params asked;
    struct writer w = writer_of(reply, capacity);

    *granted = (struct circuit_params){0};
    if (!parse_request(message, length, &asked))
        return -EPROTO;
    bool congestion_control = asked.congestion_control && offer->congestion_control;
    // Format v1 cannot say what flow control without congestion control needs.
    if (asked.cgo && !(offer->cgo && congestion_control))
        return -EPROTO;

    granted->cgo = asked.cgo;
    granted->congestion_control = congestion_control;
    write_u8(&w, congestion_control ? 1 : 0);
    if (congestion_control) {
        granted->sendme_inc_cells = offer->sendme_inc_cells;
        write_u8(&w, CIRCUIT_EXT_CC_RESPONSE);
        write_u8(&w, 1);
        write_u8(&w, granted->sendme_inc_cells);
    }
    return w.failed ? -EMSGSIZE : (int)writer_length(&w);
}

int circuit_params_request(const struct circuit_params *ask, uint8_t *out, size_t capacity)
{
    struct writer w = writer_of(out, capacity);

    write_u8(&w, (uint8_t)(ask->congestion_control + ask->cgo));
    if (ask->congestion_control) {
        write_u8(&w, CIRCUIT_EXT_CC_REQUEST);
        write_u8(&w, 0);
    }
    if (ask->cgo) {
        write_u8(&w, CIRCUIT_EXT_SUBPROTO);
        write_u8(&w, 2);
        write_u8(&w, SUBPROTO_RELAY);
        write_u8(&w, SUBPROTO_RELAY_CGO);
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
    if (r.failed || (asked->cgo && !granted->congestion_control)) {
        *granted = (struct circuit_params){0};
        return -EPROTO;
    }
    granted->cgo = asked->cgo;
    return 0;
}
