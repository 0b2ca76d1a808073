// SPDX-License-Identifier: BSD-3-Clause
// Cell framing and dispatch (protocol 1.10–1.17, 1.33, 2.27, 2.36).
#include "cell/framing.h"

#include <string.h>

#include "base/cursor.h"
#include "worker.h"

enum { DESTROY_CELL_LEN = 1 };

// Closes the link for cells that make no sense.
static void framing_fail(struct worker *w, struct conn *c)
{
    batch_run(w);
    w->counters.drop_link_framing++;
    conn_close(w, c, CONN_CLOSE_PROTOCOL, 0);
}

// Sends a cell, or a piece of a variable one, to the control plane.
static void send_link_cell(struct worker *w, struct conn *c, const struct link_cell_info *info,
                           const uint8_t *bytes, size_t length)
{
    struct message *m = tell_new(w, MSG_LINK_CELL, c, NULL);
    if (m) {
        m->conn = c->self;
        m->cookie = c->cookie;
        m->link_cell = *info;
        m->length = (uint16_t)length;
        memcpy(m->payload, bytes, length);
        if (channel_send_up(w->channel, m))
            return;
        channel_free(m);
    }
    // A handshake with a hole can't go on.
    w->counters.drop_message_ring_full++;
    batch_run(w);
    conn_close(w, c, CONN_CLOSE_LIMIT, 0);
}

static bool send_circuit_cell(struct worker *w, const struct conn *c, enum message_type type,
                              const struct circuit_end *end, uint8_t command, const uint8_t *body)
{
    struct message *m = tell_new(w, type, c, NULL);
    if (m) {
        m->conn = c->self;
        m->circuit = end->self;
        m->cookie = end->cookie;
        m->command = command;
        m->length = CELL_BODY_LEN;
        memcpy(m->payload, body, CELL_BODY_LEN);
        if (channel_send_up(w->channel, m))
            return true;
        channel_free(m);
    }
    w->counters.drop_message_ring_full++;
    return false;
}

static void take_create(struct worker *w, struct conn *c, uint32_t circid, uint8_t command,
                        const uint8_t *body)
{
    bool peer_is_initiator = !c->dialled;
    bool has_initiator_bit = (circid & CIRCID_INITIATOR_BIT) != 0;
    if (circid == 0 || has_initiator_bit != peer_is_initiator) {
        w->counters.drop_create_bad_id++;
        conn_queue_destroy(w, c, circid, DESTROY_PROTOCOL);
        return;
    }
    if (end_lookup(w, c, circid)) {
        w->counters.drop_create_bad_id++;
        return;
    }
    struct circuit_end *end = end_new(w, END_PENDING);
    if (!end) {
        conn_queue_destroy(w, c, circid, DESTROY_RESOURCELIMIT);
        return;
    }
    end->origin_side = true;
    end_bind(w, end, c, circid);
    if (!send_circuit_cell(w, c, MSG_CIRCUIT_CREATE, end, command, body))
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY);
}

static void take_created(struct worker *w, struct conn *c, uint32_t circid, uint8_t command,
                         const uint8_t *body)
{
    struct circuit_end *end = end_lookup(w, c, circid);
    if (!end) {
        w->counters.drop_cell_unknown_circuit++;
        return;
    }
    if (end->state != END_DIALLED) { // from the wrong side, or a second one
        batch_run(w);
        w->counters.drop_cell_protocol++;
        end_close(w, end, DESTROY_PROTOCOL, END_CLOSE_DESTROY | END_CLOSE_REPORT);
        return;
    }
    end->state = END_OPEN;
    if (!send_circuit_cell(w, c, MSG_CIRCUIT_CREATED, end, command, body))
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
}

static void take_destroy(struct worker *w, struct conn *c, uint32_t circid, const uint8_t *body)
{
    struct circuit_end *end = end_lookup(w, c, circid);
    if (!end) {
        w->counters.drop_cell_unknown_circuit++;
        return;
    }
    batch_run(w); // cells that came before it go first
    if (end_lookup(w, c, circid) != end)
        return; // one of them closed it
    uint8_t reason = body[0] <= DESTROY_NOSUCHSERVICE ? body[0] : DESTROY_NONE;
    end_close(w, end, (enum destroy_reason)reason, END_CLOSE_REPORT | END_CLOSE_BY_PEER);
}

static void take_relay(struct worker *w, struct conn *c, uint32_t circid, uint8_t command,
                       const uint8_t *body)
{
    struct circuit_end *end = w->likely_end; // unless a cell before this one has closed it
    if (!end || end->conn != c || end->circid != circid)
        end = end_lookup(w, c, circid);
    if (!end) {
        w->counters.drop_cell_unknown_circuit++;
        return;
    }
    bool early = command == CELL_RELAY_EARLY;
    if (end->state != END_OPEN) { // the onion skin is not answered yet (2.39)
        batch_run(w);
        w->counters.drop_cell_protocol++;
        end_close(w, end, DESTROY_PROTOCOL, END_CLOSE_DESTROY | END_CLOSE_REPORT);
        return;
    }
    if (early && (!end->origin_side || end->relay_early_left == 0)) {
        batch_run(w);
        if (end_lookup(w, c, circid) != end)
            return;
        w->counters.drop_cell_relay_early++;
        end_close(w, end, DESTROY_PROTOCOL, END_CLOSE_DESTROY | END_CLOSE_REPORT);
        return;
    }
    end->relay_early_left -= early;
    if (!end->layer_kind) { // created, but not spliced: nobody has asked for a cell yet
        w->counters.drop_cell_protocol++;
        return;
    }
    batch_add(w, end, command, body);
}

static void take_fixed_open(struct worker *w, struct conn *c, uint32_t circid, uint8_t command,
                            const uint8_t *body)
{
    switch (command) {
    case CELL_RELAY:
    case CELL_RELAY_EARLY:
        take_relay(w, c, circid, command, body);
        break;
    case CELL_DESTROY:
        take_destroy(w, c, circid, body);
        break;
    case CELL_CREATE:
    case CELL_CREATE_FAST:
    case CELL_CREATE2:
        take_create(w, c, circid, command, body);
        break;
    case CELL_CREATED:
    case CELL_CREATED_FAST:
    case CELL_CREATED2:
        take_created(w, c, circid, command, body);
        break;
    case CELL_PADDING:
        w->counters.cells_padding++;
        break;
    case CELL_PADDING_NEGOTIATE: {
        struct link_cell_info info = {circid, command, CELL_CIRCID_LEN, CELL_BODY_LEN, 0};
        send_link_cell(w, c, &info, body, CELL_BODY_LEN);
        break;
    }
    default:
        w->counters.drop_cell_unknown_command++;
        break;
    }
}

static void take_fixed(struct worker *w, struct conn *c, uint32_t circid, uint8_t command,
                       const uint8_t *body)
{
    w->counters.cells_in++;
    if (c->state == CONN_OPEN) {
        take_fixed_open(w, c, circid, command, body);
        return;
    }
    struct link_cell_info info = {circid, command, c->circid_length, CELL_BODY_LEN, 0};
    send_link_cell(w, c, &info, body, CELL_BODY_LEN);
    if (command == CELL_NETINFO && c->state == CONN_RECORDS)
        c->state = CONN_OPEN;
}

// The next piece of the variable cell under way. Returns how many bytes were taken.
static size_t take_variable(struct worker *w, struct conn *c, const uint8_t *bytes, size_t left)
{
    struct link_cell_info *info = &c->variable.info;
    size_t piece = info->total_length - info->offset;
    if (piece > left)
        piece = left;
    if (piece > MESSAGE_PAYLOAD_MAX)
        piece = MESSAGE_PAYLOAD_MAX;
    if (c->state == CONN_RECORDS)
        send_link_cell(w, c, info, bytes, piece);
    info->offset += (uint32_t)piece;
    if (info->offset == info->total_length) {
        c->variable.active = false;
        w->counters.cells_in++;
        if (info->command == CELL_VERSIONS)
            c->circid_length = CELL_CIRCID_LEN;
        else if (c->state == CONN_OPEN && info->command == CELL_VPADDING)
            w->counters.cells_padding++;
        else if (c->state == CONN_OPEN)
            w->counters.drop_cell_unknown_command++;
    }
    return piece;
}

// A cell that begins at `bytes`. Returns how many bytes were taken; 0 when more are needed.
static size_t take_cell(struct worker *w, struct conn *c, const uint8_t *bytes, size_t left)
{
    struct reader r = reader_of(bytes, left);
    uint32_t circid = c->circid_length == 2 ? read_u16(&r) : read_u32(&r);
    uint8_t command = read_u8(&r);
    if (r.failed)
        return 0;
    if (cell_command_is_variable(command)) {
        uint16_t length = read_u16(&r);
        if (r.failed)
            return 0;
        c->variable.active = true;
        c->variable.info = (struct link_cell_info){circid, command, c->circid_length, length, 0};
        size_t header = (size_t)(r.at - bytes);
        // An empty cell has no piece to wait for.
        return header + (length == 0 ? take_variable(w, c, r.at, 0) : 0);
    }
    if (c->circid_length == 2) { // before VERSIONS only variable cells are known (1.14)
        framing_fail(w, c);
        return left;
    }
    const uint8_t *body = read_bytes(&r, CELL_BODY_LEN);
    if (!body)
        return 0;
    take_fixed(w, c, circid, command, body);
    return CELL_LEN;
}

// The ends of the circuits of the fixed cells that follow one another from `bytes` on.
static unsigned look_ahead(struct worker *w, const struct conn *c, const uint8_t *bytes,
                           size_t length, struct circuit_end **ends)
{
    uint32_t circids[END_LOOKUP_MAX];
    unsigned n = 0;
    struct reader r = reader_of(bytes, length);
    while (n < END_LOOKUP_MAX && reader_left(&r) >= CELL_LEN) {
        circids[n] = read_u32(&r);
        if (cell_command_is_variable(read_u8(&r)))
            break;
        read_bytes(&r, CELL_BODY_LEN);
        n++;
    }
    end_lookup_many(w, c, circids, n, ends);
    return n;
}

void framing_take(struct worker *w, struct conn *c, const uint8_t *bytes, size_t length)
{
    struct circuit_end *ends[END_LOOKUP_MAX];
    const uint8_t *at = bytes;
    size_t left = length;
    unsigned ahead = 0, next = 0;
    while (left > 0 && !c->closing) {
        if (next == ahead && c->state == CONN_OPEN && !c->variable.active) {
            ahead = look_ahead(w, c, at, left, ends);
            next = 0;
        }
        w->likely_end = next < ahead ? ends[next++] : NULL;
        size_t taken =
            c->variable.active ? take_variable(w, c, at, left) : take_cell(w, c, at, left);
        if (taken == 0)
            break;
        at += taken;
        left -= taken;
    }
    if (c->closing)
        left = 0;
    memcpy(c->partial, at, left); // less than a cell, or its header would have led on
    c->partial_length = (uint16_t)left;
}
