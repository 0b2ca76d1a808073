// SPDX-License-Identifier: BSD-3-Clause
// Relay messages that come to the origin of a circuit: which hop may say what, and when.
#include "circuit/own_internal.h"
#include "stream/circuit_streams.h"

static void refuse(struct circuit *c)
{
    c->relay->counters.drop_relay_message++;
    circuit_close(c, DESTROY_PROTOCOL);
}

// Only from the hop that was asked, and only once: its answer is the end of its being asked.
static void take_extended(struct circuit *c, const struct message *m)
{
    struct own_circuit *own = c->own;
    struct reader r = reader_of(m->payload, m->length);
    uint16_t length = read_u16(&r);
    const uint8_t *reply = read_bytes(&r, length);
    if (own->stage != OWN_EXTENDING || m->relay.hop != own->hops_built || m->relay.stream_id != 0 ||
        !reply)
        refuse(c);
    else
        own_circuit_hop_answered(c, reply, length);
}

static void take_truncated(struct circuit *c, const struct message *m)
{
    if (m->length == 0)
        refuse(c); // 13.19
    else
        own_circuit_ended(c, m->payload[0]); // 2.37
}

// Of streams, and their flow control: the last hop's, once there may be some.
static void take_stream_message(struct circuit *c, const struct message *m)
{
    struct own_circuit *own = c->own;
    if (own->stage == OWN_OPEN && m->relay.hop == own_circuit_last_hop(c))
        circuit_take_stream_message(c, m);
    else
        refuse(c);
}

// Only a service is asked for streams, by who came to the rendezvous (8.41, 10.02).
static void take_stream_request(struct circuit *c, const struct message *m)
{
    struct own_circuit *own = c->own;
    if (own->stage == OWN_OPEN && own->accept && m->relay.hop == own_circuit_last_hop(c))
        circuit_take_request(c, m, own->accept);
    else
        refuse(c);
}

static void take_other(struct circuit *c, const struct message *m)
{
    const struct own_circuit_ops *ops = c->own->ops;
    bool expected = ops && ops->message && ops->message(c, m);
    // Padding may come from any hop, at any time (4.07).
    if (!expected && m->relay.command != RELAY_DROP && c->own->stage != OWN_GONE)
        refuse(c);
}

void own_circuit_take_message(struct circuit *c, const struct message *m)
{
    c->own->all->heard = true;
    if (m->relay.hop == 0 || m->relay.hop > own_circuit_last_hop(c) ||
        m->command == CELL_RELAY_EARLY) {
        refuse(c);
        return;
    }
    switch (m->relay.command) {
    case RELAY_DATA:
    case RELAY_END:
    case RELAY_CONNECTED:
    case RELAY_RESOLVED:
    case RELAY_SENDME:
    case RELAY_XOFF:
    case RELAY_XON:
        take_stream_message(c, m);
        break;
    case RELAY_BEGIN:
    case RELAY_BEGIN_DIR:
    case RELAY_RESOLVE:
        take_stream_request(c, m);
        break;
    case RELAY_EXTENDED2:
        take_extended(c, m);
        break;
    case RELAY_TRUNCATED:
        take_truncated(c, m);
        break;
    default:
        take_other(c, m);
        break;
    }
}
