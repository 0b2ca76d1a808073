// SPDX-License-Identifier: BSD-3-Clause
// Relay messages that are addressed to this relay.
#include <string.h>

#include "base/cursor.h"
#include "circuit/circuit_internal.h"
#include "dir/parameters.h"
#include "onion/relay/onion.h"
#include "stream/circuit_streams.h"

enum {
    RESOLVED_TRANSIENT_ERROR = 0xf0,
    RESOLVED_TTL_S = 60,
};

static void drop(struct circuit *c)
{
    c->relay->counters.drop_relay_message++;
}

// We are no exit: every request for a stream to elsewhere is answered, and that is all there is to
// it.
static void refuse_stream(struct circuit *c, uint16_t stream_id, uint8_t end_reason)
{
    if (stream_id == 0)
        drop(c);
    else
        circuit_originate(c, RELAY_END, stream_id, &end_reason, 1);
}

static void refuse_resolve(struct circuit *c, uint16_t stream_id)
{
    uint8_t body[8];
    struct writer w = writer_of(body, sizeof(body));
    write_u8(&w, RESOLVED_TRANSIENT_ERROR);
    write_u8(&w, 0);
    write_u32(&w, RESOLVED_TTL_S);
    if (stream_id == 0)
        drop(c);
    else
        circuit_originate(c, RELAY_RESOLVED, stream_id, body, (uint16_t)writer_length(&w));
}

static void take_truncate(struct circuit *c, const struct message *m)
{
    if (m->length == 0)
        circuit_close(c, DESTROY_PROTOCOL); // 13.19
    else
        circuit_truncate(c, m->payload[0] <= DESTROY_NOSUCHSERVICE
                                ? (enum destroy_reason)m->payload[0]
                                : DESTROY_NONE);
}

void circuit_take_relay_message(struct circuit *c, const struct message *m)
{
    if (c->own) {
        own_circuit_take_message(c, m);
        return;
    }
    if (onion_take_relay_message(c, m))
        return;
    switch (m->relay.command) {
    case RELAY_EXTEND2:
        if (m->relay.stream_id != 0 ||
            (m->command != CELL_RELAY_EARLY && !parameters_of(c->relay)->allow_nonearly_extend))
            drop(c); // 2.27, 2.30
        else
            circuit_extend(c, m->payload, m->length);
        break;
    case RELAY_TRUNCATE:
        take_truncate(c, m);
        break;
    case RELAY_BEGIN:
        refuse_stream(c, m->relay.stream_id, END_EXITPOLICY);
        break;
    case RELAY_BEGIN_DIR:
        circuit_take_begin_dir(c, m);
        break;
    case RELAY_RESOLVE:
        refuse_resolve(c, m->relay.stream_id);
        break;
    case RELAY_DATA:
    case RELAY_END:
    case RELAY_CONNECTED:
    case RELAY_SENDME:
    case RELAY_XOFF:
    case RELAY_XON:
        circuit_take_stream_message(c, m);
        break;
    case RELAY_TRUNCATED:
        drop(c);
        if (m->length == 0) // 13.19
            circuit_close(c, DESTROY_PROTOCOL);
        break;
    default:
        drop(c);
        break;
    }
}
