// SPDX-License-Identifier: BSD-3-Clause
// Relay messages that are addressed to this relay.
#include <string.h>

#include "base/cursor.h"
#include "circuit/circuit_internal.h"

enum {
    RESOLVED_TRANSIENT_ERROR = 0xf0,
    RESOLVED_TTL_S = 60,
    SENDME_VERSION = 1,
};

static void drop(struct circuit *c)
{
    c->relay->counters.drop_relay_message++;
}

// We end no streams: every request for one is answered, and that is all there is to it.
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

// Tells the origin that the cell of `m`, and those before it, have come (4.09, 4.13).
static void send_sendme(struct circuit *c, const struct message *m)
{
    uint8_t body[3 + sizeof(m->relay.tag)];
    struct writer w = writer_of(body, sizeof(body));
    write_u8(&w, SENDME_VERSION);
    write_u16(&w, m->relay.tag_length);
    write_bytes(&w, m->relay.tag, m->relay.tag_length);
    circuit_originate(c, RELAY_SENDME, 0, body, (uint16_t)writer_length(&w));
}

// For no stream of ours. It counts all the same (4.06): the origin may have sent data right behind
// its BEGIN, and waits for it to be acknowledged.
static void take_data(struct circuit *c, const struct message *m)
{
    drop(c);
    if (++c->unacknowledged_cells < c->sendme_inc_cells)
        return;
    c->unacknowledged_cells = 0;
    send_sendme(c, m);
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
    switch (m->relay.command) {
    case RELAY_EXTEND2:
        if (m->command != CELL_RELAY_EARLY || m->relay.stream_id != 0)
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
        refuse_stream(c, m->relay.stream_id, END_NOTDIRECTORY);
        break;
    case RELAY_RESOLVE:
        refuse_resolve(c, m->relay.stream_id);
        break;
    case RELAY_DATA:
        take_data(c, m);
        break;
    case RELAY_SENDME: // for data that we never sent (4.10)
        circuit_close(c, DESTROY_PROTOCOL);
        break;
    case RELAY_END:
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
