// SPDX-License-Identifier: BSD-3-Clause
// Circuits that begin here together with the workers that seal and open their cells, and with the
// relays of their paths, the last of which echoes.
//
// Many circuits at once over two links on two workers, whose turns come in random order. What must
// hold: all bytes come back, in order; each SENDME of either side carries the right tag; a relay
// that breaks the protocol ends its own circuit and no other; at the end nothing is left.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "own_world.h"
#include "stream/stream.h"

enum {
    ROUNDS = 20,
    TRIPS = 12,
    UPLOAD_MAX = 150 * 1000,
    TAGS_MAX = 16,
};

enum crime {
    NONE,
    WRONG_AUTH,
    EXTENDED_TWICE,
    FROM_THE_MIDDLE, // DATA
    BIT_FLIPPED,
    WRONG_TAG,
    UNASKED_CONNECTED,
    DESTROYS,
    CRIMES,
};

struct trip {
    struct travel way;
    enum crime crime;
    bool committed;
    // the last relay's
    unsigned data_taken, data_sent;
    uint8_t tags[TAGS_MAX][LAYER_TAG_MAX]; // that our SENDMEs must carry
    unsigned n_tags, tags_seen;
    // ours
    struct circuit *circuit;
    struct stream *stream;
    unsigned sent, received, upload;
    bool opened, connected;
    unsigned closed;
    enum destroy_reason reason;
    bool by_network;
};

static struct own_world world;
static struct trip trips[TRIPS];
static unsigned n_done, n_sendmes;

static bool commits(struct trip *t, enum crime crime)
{
    if (t->crime != crime || t->committed)
        return false;
    t->committed = true;
    return true;
}

static bool is_last_hop(const struct travel *way)
{
    return way->chain->n + 1 == way->path.n_hops;
}

static void relay_answers(struct travel *way, struct onion_answer *answer)
{
    if (is_last_hop(way) && commits(way->user, WRONG_AUTH))
        answer->body[2 + 40] ^= 1;
}

static void relay_answered(struct travel *way, const struct onion_answer *answer)
{
    struct chain *c = way->chain;
    if (c->n > 0 && commits(way->user, EXTENDED_TWICE))
        chain_send(c, c->n, RELAY_EXTENDED2, 0, answer->body, answer->body_length);
}

static unsigned increment(const struct trip *t)
{
    return travel_last(&t->way)->congestion_control ? 31 : 100;
}

static void last_hop_sends(struct trip *t, const void *bytes, uint16_t length)
{
    struct chain *c = t->way.chain;
    chain_send(c, c->n, RELAY_DATA, 1, bytes, length);
    if (++t->data_sent % increment(t) != 0)
        return;
    assert_true(t->n_tags < TAGS_MAX);
    memcpy(t->tags[t->n_tags++], c->hops[c->n - 1].tag, LAYER_TAG_MAX);
}

static void last_hop_acknowledges(struct trip *t)
{
    struct chain *c = t->way.chain;
    uint8_t body[3 + LAYER_TAG_MAX] = {1, 0, (uint8_t)chain_tag_length(c, c->n)};
    memcpy(body + 3, c->hops[c->n - 1].tag, body[2]); // before it sends anything itself
    t->data_taken++;
    if (increment(t) != 31 && t->data_taken % 50 == 0)
        chain_send(c, c->n, RELAY_SENDME, 1, "", 0);
    if (t->data_taken % increment(t) != 0)
        return;
    body[3] ^= commits(t, WRONG_TAG);
    chain_send(c, c->n, RELAY_SENDME, 0, body, 3 + (uint16_t)body[2]);
}

static void take_data(struct trip *t, const struct relay_message *m)
{
    struct chain *c = t->way.chain;
    uint8_t body[CELL_BODY_LEN];
    uint16_t length = m->length;
    memcpy(body, m->body, length);
    last_hop_acknowledges(t);
    if (c->n > 1 && world_choose(10) == 0)
        chain_send(c, 1 + world_choose(c->n), RELAY_DROP, 0, "", 0); // as padding comes
    if (c->n > 1 && commits(t, FROM_THE_MIDDLE)) {
        chain_send(c, c->n - 1, RELAY_DATA, 1, body, length);
    } else if (commits(t, BIT_FLIPPED)) {
        uint8_t cell[CELL_BODY_LEN];
        chain_answer(c, c->n, RELAY_DATA, 1, body, length, cell);
        cell[world_choose(CELL_BODY_LEN)] ^= 1;
        peer_send_cell(c->link, t->way.circid, CELL_RELAY, cell, CELL_BODY_LEN);
    } else if (commits(t, UNASKED_CONNECTED)) {
        chain_send(c, c->n, RELAY_CONNECTED, 1, "", 0);
    } else if (commits(t, DESTROYS)) {
        peer_send_cell(c->link, t->way.circid, CELL_DESTROY, "\5", 1);
    } else {
        last_hop_sends(t, body, length);
    }
}

static void take_sendme(struct trip *t, const struct relay_message *m)
{
    unsigned length = chain_tag_length(t->way.chain, t->way.chain->n);
    if (m->stream_id != 0)
        return;
    assert_true(t->tags_seen < t->n_tags);
    assert_int_equal(m->length, 3 + length);
    assert_memory_equal(m->body + 3, t->tags[t->tags_seen++], length);
    n_sendmes++;
}

static void take_relay(struct travel *way, unsigned hop, struct peer_cell *cell)
{
    struct trip *t = way->user;
    assert_int_not_equal(hop, 0);
    struct relay_message m = chain_parse(way->chain, hop, cell);
    assert_int_equal(hop, way->chain->n); // all that is said is for the last one
    switch (m.command) {
    case RELAY_BEGIN:
        chain_send(way->chain, hop, RELAY_CONNECTED, m.stream_id, "", 0);
        break;
    case RELAY_DATA:
        take_data(t, &m);
        break;
    case RELAY_SENDME:
        take_sendme(t, &m);
        break;
    case RELAY_END:
        break;
    default:
        fail_msg("a relay got a message of command %u", m.command);
    }
}

// ---- our side

static uint8_t byte_at(unsigned offset)
{
    return (uint8_t)(offset * 7 + offset / 256);
}

static int produce(struct stream *s, uint8_t *out, size_t capacity)
{
    struct trip *t = stream_user(s);
    unsigned left = t->upload - t->sent;
    size_t n = capacity < left ? capacity : left;
    if (n > 1 && world_choose(4) == 0)
        n = 1 + world_choose((unsigned)n);
    for (size_t i = 0; i < n; i++)
        out[i] = byte_at(t->sent++);
    return (int)n;
}

static void stream_data(struct stream *s, const uint8_t *bytes, size_t length)
{
    struct trip *t = stream_user(s);
    for (size_t i = 0; i < length; i++)
        assert_int_equal(bytes[i], byte_at(t->received++));
    assert_true(t->received <= t->sent);
    if (t->received == t->upload)
        own_circuit_close(t->circuit, DESTROY_FINISHED);
}

static void stream_connected(struct stream *s, const uint8_t *body, size_t length)
{
    (void)body, (void)length;
    ((struct trip *)stream_user(s))->connected = true;
}

static void stream_closed(struct stream *s, enum end_reason reason)
{
    struct trip *t = stream_user(s);
    (void)reason;
    t->stream = NULL;
}

static const struct stream_ops stream_ops = {.connected = stream_connected,
                                             .data = stream_data,
                                             .produce = produce,
                                             .closed = stream_closed};

static void opened(struct circuit *c)
{
    struct trip *t = own_circuit_user(c);
    t->opened = true;
    t->stream = stream_begin(c, RELAY_BEGIN, "echo:7", 7, &stream_ops, t);
    assert_non_null(t->stream);
}

static void closed(struct circuit *c, enum destroy_reason reason, bool by_network)
{
    struct trip *t = own_circuit_user(c);
    t->closed++;
    t->reason = reason;
    t->by_network = by_network;
}

static const struct own_circuit_ops ops = {.opened = opened, .closed = closed};

// ---- rounds

static void make_trip(struct trip *t, bool honest)
{
    memset(t, 0, sizeof(*t));
    t->way.user = t;
    t->way.answers = relay_answers;
    t->way.answered = relay_answered;
    t->way.relay = take_relay;
    t->upload = 1 + world_choose(UPLOAD_MAX);
    t->crime = honest ? NONE : (enum crime)world_choose(CRIMES);
    if (t->crime == WRONG_TAG) // there must be one
        t->upload = UPLOAD_MAX;
    travel_plan(&world, &t->way, 2 + world_choose(WORLD_HOPS - 1));
    t->circuit = own_circuit_build(&world.relay, &t->way.path, &ops, t);
    assert_non_null(t->circuit);
}

static bool all_closed(void)
{
    for (unsigned i = 0; i < TRIPS; i++)
        if (!trips[i].closed || trips[i].stream)
            return false;
    return true;
}

static void check_trip(struct trip *t)
{
    assert_int_equal(t->closed, 1);
    if (t->committed) {
        bool destroyed = t->crime == DESTROYS;
        assert_int_equal(t->by_network, destroyed);
        assert_int_equal(t->reason, destroyed ? DESTROY_RESOURCELIMIT : DESTROY_PROTOCOL);
        assert_false(t->crime == WRONG_AUTH && t->opened);
    } else {
        assert_int_equal(t->reason, DESTROY_FINISHED);
        assert_true(t->connected);
        assert_int_equal(t->received, t->upload);
        n_done++;
    }
}

static void end_round(void)
{
    world_settle(&world);
    for (unsigned i = 0; i < TRIPS; i++) {
        check_trip(&trips[i]);
        assert_true(trips[i].way.destroyed || trips[i].crime == DESTROYS);
        travel_free(&trips[i].way);
    }
    world_close(&world);
}

static void test_together(void **state)
{
    (void)state;
    unsigned committed = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        srand(round);
        world_open(&world);
        for (unsigned i = 0; i < TRIPS; i++)
            make_trip(&trips[i], i % 2);
        for (unsigned n = 0; !all_closed(); n++) {
            assert_true(n < 4000000);
            world_step(&world);
        }
        for (unsigned i = 0; i < TRIPS; i++)
            committed += trips[i].committed;
        end_round();
    }
    print_message("%u circuits carried all, %u were broken; %u hops by CGO, %u acknowledgements\n",
                  n_done, committed, world.cgo_hops, n_sendmes);
    assert_true(n_done >= ROUNDS * TRIPS / 2 && committed > ROUNDS && world.cgo_hops > ROUNDS &&
                n_sendmes > ROUNDS && world.early_cells > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_together)};
    rig_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
