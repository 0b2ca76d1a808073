// SPDX-License-Identifier: BSD-3-Clause
// Flow control of a circuit: the SENDMEs that we send for the DATA that came, and those that come
// for ours, each with the tag of the cell that it acknowledges (protocol 4.08–4.13).
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/cursor.h"
#include "crypto/cgo_message.h"
#include "stream/stream_internal.h"

enum { EXIT_PATH_HOPS = 3 };
enum { SENDME_VERSION = 1, CGO_TAG_LEN = 16, TOR1_TAG_LEN = 20 };

// ---- for what came

static void send_sendme(struct circuit *c, const struct message *m)
{
    uint8_t body[3 + sizeof(m->relay.tag)];
    if (streams_of(c)->parameters.sendme_emit_min_version == 0) {
        circuit_originate(c, RELAY_SENDME, 0, NULL, 0);
        return;
    }
    struct writer w = writer_of(body, sizeof(body));
    write_u8(&w, SENDME_VERSION);
    write_u16(&w, m->relay.tag_length);
    write_bytes(&w, m->relay.tag, m->relay.tag_length);
    circuit_originate(c, RELAY_SENDME, 0, body, (uint16_t)writer_length(&w));
}

void flow_data_came(struct circuit *c, const struct message *m)
{
    if (++c->unacknowledged_cells < c->sendme_inc_cells)
        return;
    c->unacknowledged_cells = 0;
    send_sendme(c, m);
}

// ---- for what we send

void flow_begin(struct circuit_streams *of)
{
    struct flow *f = &of->flow;
    const struct circuit *c = of->circuit;
    const struct stream_parameters *p = &of->all->parameters;
    STAILQ_INIT(&f->expected);
    f->window = p->circuit_window_cells;
    if (c->congestion_control)
        vegas_begin(&f->vegas, &p->vegas[CIRCUIT_PATH_EXIT], c->sendme_inc_cells);
    flow_set_path_kind(of);
    window_randomness_begin(&f->randomness);
}

// Nothing but thresholds differs.
void flow_set_path_kind(struct circuit_streams *of)
{
    struct circuit *c = of->circuit;
    if (!c->path_kind_is_set)
        c->path_kind = c->own && of->hop < EXIT_PATH_HOPS ? CIRCUIT_PATH_SHORT : CIRCUIT_PATH_EXIT;
    of->flow.vegas.parameters = &of->all->parameters.vegas[c->path_kind];
}

void flow_end(struct flow *f)
{
    while (!STAILQ_EMPTY(&f->expected)) {
        struct expected_sendme *e = STAILQ_FIRST(&f->expected);
        STAILQ_REMOVE_HEAD(&f->expected, entry);
        free(e);
    }
    free(f->spare);
    f->spare = NULL;
}

static bool same_place(const struct circuit_place *a, const struct circuit_place *b)
{
    return a->worker == b->worker && a->end.index == b->end.index &&
           a->end.generation == b->end.generation;
}

bool flow_open(struct circuit_streams *of)
{
    struct flow *f = &of->flow;
    const struct circuit *c = of->circuit;
    if (c->congestion_control ? vegas_room(&f->vegas) == 0 : f->window == 0)
        return false;
    // Two workers' words on tags would have no order among them.
    if (f->untold > 0 && !same_place(&f->holder, circuit_holder(c)))
        return false;
    if (!f->spare)
        f->spare = malloc(sizeof(*f->spare));
    return f->spare != NULL;
}

static unsigned body_max(const struct circuit *c)
{
    return c->crypto_kind == CIRCUIT_CRYPTO_CGO ? CGO_MESSAGE_STREAM_BODY_MAX : RELAY_BODY_MAX;
}

unsigned flow_room(const struct circuit_streams *of)
{
    return window_randomness_room(&of->flow.randomness, body_max(of->circuit));
}

static void expect_sendme(struct circuit_streams *of, struct message *m)
{
    struct flow *f = &of->flow;
    struct expected_sendme *e = f->spare;
    f->spare = NULL;
    *e = (struct expected_sendme){.sent_us = of->all->now_us()};
    STAILQ_INSERT_TAIL(&f->expected, e, entry);
    f->holder = *circuit_holder(of->circuit);
    f->untold++;
    m->relay.tell |= ORIGINATE_TELL_TAG;
}

void flow_sent(struct circuit_streams *of, struct message *m)
{
    struct flow *f = &of->flow;
    struct circuit *c = of->circuit;
    window_randomness_sent(&f->randomness, m->length, body_max(c));
    if (c->congestion_control)
        vegas_sent(&f->vegas);
    else
        f->window--;
    if (++f->data_cells % c->sendme_inc_cells == 0)
        expect_sendme(of, m);
}

static bool refuse(struct circuit *c)
{
    c->relay->counters.drop_sendme_bad++;
    circuit_close(c, DESTROY_PROTOCOL);
    return false;
}

// The first of the expected has come, and its tag is known. False: the circuit was closed.
static bool settle_first(struct circuit_streams *of)
{
    struct flow *f = &of->flow;
    struct circuit *c = of->circuit;
    struct expected_sendme *e = STAILQ_FIRST(&f->expected);
    bool right = e->claimed_length == 0 || (e->claimed_length == e->tag_length &&
                                            sodium_memcmp(e->claimed, e->tag, e->tag_length) == 0);
    uint64_t sent_us = e->sent_us;
    STAILQ_REMOVE_HEAD(&f->expected, entry);
    free(e);
    if (!right)
        return refuse(c);
    if (c->congestion_control)
        // What we send waits with us, not in the circuit's queue (pump.c): it is never blocked.
        vegas_acknowledged(&f->vegas, sent_us, of->all->now_us(), false, 0);
    else if (!window_open(&f->window, c->sendme_inc_cells, WINDOW_CIRCUIT_CELLS))
        return refuse(c);
    return true;
}

// In their order; one whose tag is not known yet waits for it.
static bool settle(struct circuit_streams *of)
{
    struct expected_sendme *e;
    while ((e = STAILQ_FIRST(&of->flow.expected)) && e->came && e->told)
        if (!settle_first(of))
            return false;
    pump_circuit(of);
    return true;
}

// False if it is malformed, or of a version that can't be had. `*length` is 0 for version 0, which
// proves nothing.
static bool read_sendme(const struct circuit *c, unsigned accept_min_version,
                        const struct message *m, const uint8_t **tag, uint8_t *length)
{
    struct reader r = reader_of(m->payload, m->length);
    uint8_t version = 0;
    uint16_t data_length = 0;
    if (m->length > 0) {
        version = read_u8(&r);
        data_length = read_u16(&r);
    }
    *tag = read_bytes(&r, data_length); // later versions may add to it
    *length = 0;
    if (r.failed)
        return false;
    if (version == 0) // clients that are very old, on the only handshake that they have (2.05)
        return (c->created_fast && !c->own) || accept_min_version == 0;
    *length = (uint8_t)data_length;
    return version == SENDME_VERSION && (data_length == CGO_TAG_LEN || data_length == TOR1_TAG_LEN);
}

bool flow_take_sendme(struct circuit *c, const struct message *m)
{
    struct circuit_streams *of = c->streams;
    const uint8_t *tag;
    uint8_t length;
    if (!of || !read_sendme(c, of->all->parameters.sendme_accept_min_version, m, &tag, &length))
        return refuse(c);
    struct expected_sendme *e = STAILQ_FIRST(&of->flow.expected);
    while (e && e->came)
        e = STAILQ_NEXT(e, entry);
    if (!e)
        return refuse(c);
    e->came = true;
    e->claimed_length = length;
    if (length)
        memcpy(e->claimed, tag, length);
    return settle(of);
}

bool flow_take_tag(struct circuit *c, const struct message *m)
{
    struct circuit_streams *of = c->streams;
    struct expected_sendme *e = of ? STAILQ_FIRST(&of->flow.expected) : NULL;
    while (e && e->told)
        e = STAILQ_NEXT(e, entry);
    if (!e || m->relay.tag_length > sizeof(e->tag))
        return true; // no answer to anything that was asked
    e->told = true;
    e->tag_length = m->relay.tag_length;
    memcpy(e->tag, m->relay.tag, m->relay.tag_length);
    of->flow.untold--;
    return settle(of);
}
