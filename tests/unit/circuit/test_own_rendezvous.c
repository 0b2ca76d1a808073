// SPDX-License-Identifier: BSD-3-Clause
// Clients and onion services that talk over a rendezvous (protocol 8.39 to 8.41, 7.21 to 7.23),
// with the workers that seal and open their cells:
//
//   streams ─ client ══ worker ──link── relay … ── rendezvous point ── … relay ──link── worker ══
//   service ─ streams
//
// Many pairs at once over two links on two workers, whose turns come in random order; the relays
// are the test's. What must hold: all bytes of all streams arrive, in order, in both directions; a
// relay that meddles ends its own pair and no other; at the end nothing is left.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "own_world.h"
#include "stream/stream.h"
#include "stream/stream_internal.h"

enum {
    ROUNDS = 6,
    PAIRS = 8,
    STREAMS = 4,
    BYTES_MAX = 150 * 1000,
    LONG_BYTES_MAX = 700 * 1000,
    STEP_US = 100,
    MATERIAL_LEN = 128,
};

// Of the rendezvous point.
enum crime {
    NONE,
    BIT_FLIPPED,
    SENT_TWICE,
    DATA_OF_ITS_OWN,
    BEGIN_OF_ITS_OWN,
    END_OF_ITS_OWN,
    DESTROYS,
    CRIMES,
};

struct pair;

struct side {
    struct travel way;
    struct pair *pair;
    struct circuit *circuit;
    bool is_service;
    unsigned passed; // cells from here to the other
    unsigned closed;
    enum destroy_reason reason;
    bool by_network;
    bool told; // of the other's end
};

// One end of a stream.
struct end {
    struct talk *talk;
    struct stream *stream;
    unsigned to_send, sent, received;
    unsigned holds; // bytes
    unsigned closed;
    enum end_reason reason;
};

struct talk {
    struct pair *pair;
    struct end client, service;
    unsigned cut_at;          // bytes that have come when who got them closes it; 0: never
    bool refused, cut;        // by the service; by either
    bool connected, accepted; // as the client has heard; as the service has said
};

struct pair {
    struct side client, service;
    uint8_t material[MATERIAL_LEN];
    uint8_t increment; // 0: without congestion control
    unsigned n_opened;
    bool joined;
    enum crime crime;
    unsigned crime_at; // that cell
    bool committed;
    struct talk talks[STREAMS];
    unsigned n_talks, n_begun, n_accepted, n_over;
};

static struct own_world world;
static uint64_t now_us = 1000000;
static struct pair pairs[PAIRS];
static unsigned n_whole, n_cut, n_refused, n_xoffs;

static uint64_t clock_us(void)
{
    return now_us;
}

// ---- streams

static uint8_t byte_at(const struct end *e, unsigned offset)
{
    return (uint8_t)(offset * 7 + offset / 256 + (e == &e->talk->service));
}

static void finish_if_done(struct end *e)
{
    struct talk *t = e->talk;
    if (e == &t->service && e->sent == e->to_send && e->received == t->client.to_send)
        stream_wake(e->stream);
}

static int produce(struct stream *s, uint8_t *out, size_t capacity)
{
    struct end *e = stream_user(s);
    struct talk *t = e->talk;
    unsigned left = e->to_send - e->sent;
    size_t n = capacity < left ? capacity : left;
    assert_true(e == &t->client || t->accepted);
    if (n > 1 && world_choose(4) == 0)
        n = 1 + world_choose((unsigned)n);
    for (size_t i = 0; i < n; i++)
        out[i] = byte_at(e, e->sent++);
    if (n == 0 && e == &t->service && e->received == t->client.to_send)
        return STREAM_END;
    return (int)n;
}

static void data(struct stream *s, const uint8_t *bytes, size_t length)
{
    struct end *e = stream_user(s),
               *from = e == &e->talk->client ? &e->talk->service : &e->talk->client;
    for (size_t i = 0; i < length; i++)
        assert_int_equal(bytes[i], byte_at(from, e->received++));
    assert_true(e->received <= from->to_send);
    if (e->holds || world_choose(20) == 0) {
        e->holds += (unsigned)length;
        stream_set_held(s, e->holds);
    }
    if (!e->stream)
        return;
    if (e->talk->cut_at && e->received >= e->talk->cut_at && !e->talk->cut) {
        e->talk->cut = true;
        stream_close(s, END_MISC);
        return;
    }
    finish_if_done(e);
}

static void connected(struct stream *s, const uint8_t *body, size_t length)
{
    struct end *e = stream_user(s);
    (void)body;
    assert_int_equal(length, 0);
    assert_false(e->talk->connected);
    e->talk->connected = true;
}

static void end_closed(struct stream *s, enum end_reason reason)
{
    struct end *e = stream_user(s);
    struct pair *p = e->talk->pair;
    e->stream = NULL;
    e->closed++;
    e->reason = reason;
    if (e != &e->talk->client)
        return;
    p->n_over++;
    if (p->n_over == p->n_talks && !p->client.closed)
        own_circuit_close(p->client.circuit, DESTROY_FINISHED);
}

static const struct stream_ops stream_ops = {
    .connected = connected, .data = data, .produce = produce, .closed = end_closed};

static void begin(struct talk *t)
{
    struct pair *p = t->pair;
    char body[16];
    snprintf(body, sizeof(body), ":%u", p->n_begun++);
    t->client.stream = stream_begin(p->client.circuit, RELAY_BEGIN, body,
                                    (uint16_t)(strlen(body) + 1), &stream_ops, &t->client);
    assert_non_null(t->client.stream);
}

static void accept_stream(struct circuit *c, uint16_t stream_id, const uint8_t *body, size_t length)
{
    struct side *side = own_circuit_user(c);
    struct pair *p = side->pair;
    assert_true(side->is_service);
    assert_true(length > 2 && body[0] == ':' && body[length - 1] == 0);
    struct talk *t = &p->talks[atoi((const char *)body + 1)];
    if (t->refused) {
        stream_refuse(c, stream_id, END_CONNECTREFUSED);
        return;
    }
    t->service.stream = stream_accept(c, stream_id, &stream_ops, &t->service);
    assert_non_null(t->service.stream);
    stream_wake(t->service.stream); // too early to be asked for anything
}

// ---- circuits

static void opened(struct circuit *c)
{
    struct side *side = own_circuit_user(c);
    struct pair *p = side->pair;
    if (++p->n_opened < 2)
        return; // the service comes when the client is there
    side = &p->service;
    c = side->circuit;
    own_circuit_send(c, side->way.path.n_hops, RELAY_RENDEZVOUS1, "cookie and keys", 15);
    assert_true(own_circuit_add_onion_layer(c, p->material, true, p->increment, accept_stream));
    assert_false(own_circuit_add_onion_layer(c, p->material, true, p->increment, accept_stream));
    assert_int_equal(own_circuit_last_hop(c), side->way.path.n_hops + 1);
}

static bool message(struct circuit *c, const struct message *m)
{
    struct side *side = own_circuit_user(c);
    struct pair *p = side->pair;
    if (side->is_service || m->relay.command != RELAY_RENDEZVOUS2)
        return false;
    assert_int_equal(m->relay.hop, side->way.path.n_hops);
    assert_int_equal(m->length, 4);
    assert_true(own_circuit_add_onion_layer(c, p->material, false, p->increment, NULL));
    begin(&p->talks[0]);
    return true;
}

static void closed(struct circuit *c, enum destroy_reason reason, bool by_network)
{
    struct side *side = own_circuit_user(c);
    side->closed++;
    side->reason = reason;
    side->by_network = by_network;
}

static const struct own_circuit_ops ops = {.opened = opened, .message = message, .closed = closed};

// ---- the rendezvous point

static void pass(struct side *to, const uint8_t body[CELL_BODY_LEN])
{
    struct chain *c = to->way.chain;
    uint8_t cell[CELL_BODY_LEN];
    memcpy(cell, body, sizeof(cell));
    if (!to->way.at_relays)
        return;
    chain_cover(c, c->n, cell);
    peer_send_cell(c->link, to->way.circid, CELL_RELAY, cell, sizeof(cell));
}

static void say(struct side *to, uint8_t command, uint16_t stream_id)
{
    if (to->way.at_relays)
        chain_send(to->way.chain, to->way.chain->n, command, stream_id, "\6", 1);
}

static void commit(struct pair *p, struct side *to, uint8_t body[CELL_BODY_LEN])
{
    p->committed = true;
    switch (p->crime) {
    case BIT_FLIPPED:
        body[world_choose(CELL_BODY_LEN)] ^= 1;
        pass(to, body);
        break;
    case SENT_TWICE:
        pass(to, body);
        pass(to, body);
        break;
    case DATA_OF_ITS_OWN:
        say(to, RELAY_DATA, 1);
        break;
    case BEGIN_OF_ITS_OWN:
        say(to, RELAY_BEGIN, 9);
        break;
    case END_OF_ITS_OWN:
        say(to, RELAY_END, 1);
        break;
    default:
        peer_send_cell(to->way.chain->link, to->way.circid, CELL_DESTROY, "\5", 1);
        to->way.at_relays = false;
        break;
    }
}

static void take_cell(struct travel *way, unsigned hop, struct peer_cell *cell)
{
    struct side *from = way->user;
    struct pair *p = from->pair;
    struct side *to = from->is_service ? &p->client : &p->service;
    if (hop == way->path.n_hops) {
        struct relay_message m = chain_parse(way->chain, hop, cell);
        assert_int_equal(m.command, RELAY_RENDEZVOUS1);
        assert_true(from->is_service && !p->joined);
        p->joined = true;
        if (to->way.at_relays)
            chain_send(to->way.chain, to->way.path.n_hops, RELAY_RENDEZVOUS2, 0, "keys", 4);
        return;
    }
    assert_int_equal(hop, 0);
    assert_true(p->joined);
    if (++from->passed == p->crime_at && p->crime && !p->committed && to->way.at_relays)
        commit(p, to, cell->body);
    else
        pass(to, cell->body);
}

// Whose other side is gone.
static void destroy_other(struct side *gone, struct side *other)
{
    if (!gone->way.chain || gone->way.at_relays || !gone->closed || other->told ||
        !other->way.at_relays)
        return;
    other->told = true;
    other->way.at_relays = false;
    peer_send_cell(other->way.chain->link, other->way.circid, CELL_DESTROY, "\10", 1);
}

// ---- rounds

static void plan_side(struct side *side, struct pair *p, bool is_service)
{
    side->pair = p;
    side->is_service = is_service;
    side->way.user = side;
    side->way.relay = take_cell;
    travel_plan(&world, &side->way, 1 + world_choose(WORLD_HOPS));
    side->circuit = own_circuit_build(&world.relay, &side->way.path, &ops, side);
    assert_non_null(side->circuit);
}

static void plan_talk(struct pair *p, struct talk *t)
{
    t->pair = p;
    t->client.talk = t->service.talk = t;
    t->client.to_send = world_choose(world_choose(8) ? BYTES_MAX : LONG_BYTES_MAX);
    t->service.to_send = world_choose(world_choose(8) ? BYTES_MAX : LONG_BYTES_MAX);
    t->refused = world_choose(6) == 0;
    t->cut_at = world_choose(4) == 0 ? 1 + world_choose(BYTES_MAX / 2) : 0;
}

static void plan_pair(struct pair *p, bool honest)
{
    memset(p, 0, sizeof(*p));
    p->crime = honest ? NONE : (enum crime)world_choose(CRIMES);
    p->crime_at = 1 + world_choose(40);
    p->increment = world_choose(3) ? 31 : 0;
    p->n_talks = 1 + world_choose(STREAMS);
    for (unsigned i = 0; i < MATERIAL_LEN; i++)
        p->material[i] = (uint8_t)rand();
    for (unsigned i = 0; i < p->n_talks; i++)
        plan_talk(p, &p->talks[i]);
    plan_side(&p->client, p, false);
    plan_side(&p->service, p, true);
}

static void let_go(struct end *e)
{
    if (!e->stream || !e->holds)
        return;
    // Little is held for a short time, much for a long one.
    if (e->holds > BYTES_MAX ? world_choose(1000) : world_choose(50))
        return;
    e->holds = 0;
    stream_set_held(e->stream, 0);
}

static void user_step(struct pair *p)
{
    struct talk *t = &p->talks[world_choose(p->n_talks)];
    bool goes = p->client.circuit && !p->client.closed && !own_circuit_is_gone(p->client.circuit);
    if (goes && p->n_begun > 0 && p->n_begun < p->n_talks && world_choose(4) == 0)
        begin(&p->talks[p->n_begun]);
    if (t->service.stream && !t->accepted) {
        t->accepted = true;
        stream_accepted(t->service.stream, NULL, 0);
    }
    let_go(&t->client);
    let_go(&t->service);
    destroy_other(&p->client, &p->service);
    destroy_other(&p->service, &p->client);
}

static bool all_closed(void)
{
    for (unsigned i = 0; i < PAIRS; i++)
        if (!pairs[i].client.closed || !pairs[i].service.closed)
            return false;
    return true;
}

static void check_talk(const struct pair *p, const struct talk *t)
{
    assert_int_equal(t->client.closed, 1);
    if (p->committed || t->cut) {
        n_cut++;
    } else if (t->refused) {
        assert_int_equal(t->client.reason, END_CONNECTREFUSED);
        assert_false(t->connected);
        assert_int_equal(t->client.received, 0);
        n_refused++;
    } else {
        assert_int_equal(t->client.reason, END_DONE);
        assert_int_equal(t->service.closed, 1);
        assert_true(t->connected);
        assert_int_equal(t->client.received, t->service.to_send);
        assert_int_equal(t->service.received, t->client.to_send);
        n_whole++;
    }
}

static void check_pair(struct pair *p)
{
    const struct side *c = &p->client, *s = &p->service;
    assert_int_equal(c->closed, 1);
    assert_int_equal(s->closed, 1);
    if (p->committed && p->crime == DESTROYS && c->reason != DESTROY_FINISHED) {
        assert_true(c->by_network && s->by_network);
    } else if (p->committed && c->reason != DESTROY_FINISHED) { // who was cheated found out
        assert_true(c->by_network != s->by_network);
        assert_int_equal(c->by_network ? s->reason : c->reason, DESTROY_PROTOCOL);
    } else {
        assert_int_equal(c->reason, DESTROY_FINISHED);
        assert_true(s->by_network || p->committed);
        assert_int_equal(p->n_begun, p->n_talks);
    }
    for (unsigned i = 0; i < p->n_begun; i++)
        check_talk(p, &p->talks[i]);
    travel_free(&p->client.way);
    travel_free(&p->service.way);
}

static void test_rendezvous(void **state)
{
    (void)state;
    unsigned committed = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        srand(round);
        world_open(&world);
        world.relay.circuits->streams->now_us = clock_us;
        for (unsigned i = 0; i < PAIRS; i++)
            plan_pair(&pairs[i], i % 2);
        for (unsigned n = 0; !all_closed(); n++) {
            assert_true(n < 4000000);
            now_us += STEP_US;
            world_step(&world);
            if (world_choose(4) == 0)
                user_step(&pairs[world_choose(PAIRS)]);
        }
        world_settle(&world);
        n_xoffs += (unsigned)world.relay.counters.stream_xoffs_sent;
        for (unsigned i = 0; i < PAIRS; i++) {
            committed += pairs[i].committed;
            check_pair(&pairs[i]);
        }
        world_close(&world);
    }
    print_message(
        "%u streams whole, %u cut, %u refused; %u pairs broken; %u XOFFs, %u hops by CGO\n",
        n_whole, n_cut, n_refused, committed, n_xoffs, world.cgo_hops);
    assert_true(n_whole > ROUNDS * PAIRS / 2 && n_cut > ROUNDS && n_refused > ROUNDS / 2 &&
                committed > ROUNDS && world.cgo_hops > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rendezvous)};
    rig_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
