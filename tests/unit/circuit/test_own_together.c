// SPDX-License-Identifier: BSD-3-Clause
// Circuits that begin here together with the workers that seal and open their cells, and with the
// relays of their paths, whose half of every handshake and layer is there:
//
//   streams ─ own circuits ══ channel ══ worker ──link── relay 1 ── … ── relay n, which echoes
//
// Many circuits at once over two links on two workers, whose turns come in random order. What must
// hold: all bytes come back, in order; each SENDME of either side carries the right tag; a relay
// that breaks the protocol ends its own circuit and no other; at the end nothing is left.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "base/cursor.h"
#include "chain.h"
#include "circuit/circuit_internal.h"
#include "circuit/onion_skin.h"
#include "circuit/own_circuit.h"
#include "connection.h"
#include "crypto/random.h"
#include "link/link.h"
#include "stream/circuit_streams.h"
#include "stream/stream.h"
#include "stream/stream_internal.h"

enum {
    ROUNDS = 20,
    TRIPS = 12,
    LINKS = 2, // one on each worker
    HOPS = 5,
    UPLOAD_MAX = 150 * 1000,
    TAGS_MAX = 16,
};

struct link {
    struct connection connection;
    struct peer_link *peer;
    uint8_t rsa_id[20];
    int circuits;
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

// A circuit and its relays.
struct trip {
    struct own_circuit_path path;
    struct onion_keys keys[HOPS];
    struct chain *chain; // the relays' side; n: the hops that stand
    unsigned link;
    bool at_relays; // CREATE2 has arrived
    uint32_t circid;
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
    bool by_network, destroyed;
};

static struct rig *rig;
static struct relay relay;
static struct config config;
static struct channel *channels[LINKS];
static struct link links[LINKS];
static struct trip trips[TRIPS];
static unsigned early_cells, n_done, n_cgo_hops, n_sendmes;

static unsigned choose(unsigned n)
{
    return (unsigned)rand() % n;
}

// ---- link/link.h

static struct link *link_by_conn(uint8_t worker, struct handle conn)
{
    for (unsigned i = 0; i < LINKS; i++)
        if (links[i].connection.worker == worker &&
            links[i].connection.handle.generation == conn.generation &&
            links[i].connection.handle.index == conn.index)
            return &links[i];
    return NULL;
}

struct link *link_find(struct relay *r, uint8_t worker, struct handle conn)
{
    (void)r;
    return link_by_conn(worker, conn);
}

void link_note_circuit(struct relay *r, uint8_t worker, struct handle conn, int change)
{
    (void)r;
    link_by_conn(worker, conn)->circuits += change;
}

void link_used_by_client(struct link *link)
{
    (void)link;
}

struct connection *link_connection(struct link *link)
{
    return &link->connection;
}

bool link_peer_is_relay(const struct link *link)
{
    (void)link;
    return true;
}

bool link_peer_is_known_relay(const struct link *link)
{
    (void)link;
    return true;
}

bool link_peer_is(const struct link *link, const uint8_t rsa_id[20], const uint8_t *ed_id)
{
    (void)ed_id;
    return memcmp(link->rsa_id, rsa_id, 20) == 0;
}

struct link_request *link_get(struct relay *r, const struct link_target *target,
                              link_ready_fn ready, void *user)
{
    (void)r;
    for (unsigned i = 0; i < LINKS; i++)
        if (link_peer_is(&links[i], target->rsa_id, NULL))
            ready(user, &links[i], DESTROY_NONE);
    return NULL;
}

void link_request_cancel(struct link_request *request)
{
    (void)request;
    fail();
}

// ---- the relays

static struct trip *trip_at(unsigned link, uint32_t circid)
{
    for (unsigned i = 0; i < TRIPS; i++)
        if (trips[i].at_relays && trips[i].link == link && trips[i].circid == circid)
            return &trips[i];
    return NULL;
}

// Whose CREATE2 it is: the onion key in it tells, which stands behind an identity in both kinds.
static struct trip *trip_of_skin(unsigned link, const struct onion_skin *skin)
{
    const uint8_t *key = skin->data + (skin->handshake == HANDSHAKE_NTOR ? 20 : 32);
    for (unsigned i = 0; i < TRIPS; i++)
        if (trips[i].link == link && memcmp(trips[i].path.hops[0].ntor_key, key, 32) == 0)
            return &trips[i];
    fail();
    return NULL;
}

static void stand(struct chain *c, const struct circuit_crypto *crypto)
{
    struct chain_hop *hop = &c->hops[c->n++];
    hop->kind = crypto->kind;
    if (crypto->kind == CIRCUIT_CRYPTO_CGO)
        cgo_relay_layers_init(c->cgo, &hop->forward.cgo, &hop->backward.cgo, crypto->material);
    else
        tor1_layers_init(c->cipher, &hop->forward.tor1, &hop->backward.tor1, crypto->material);
    n_cgo_hops += crypto->kind == CIRCUIT_CRYPTO_CGO;
}

static bool commits(struct trip *t, enum crime crime)
{
    if (t->crime != crime || t->committed)
        return false;
    t->committed = true;
    return true;
}

// The next relay's answer to its skin, by way of the ones that stand.
static void answer_skin(struct trip *t, const struct onion_skin *skin)
{
    struct onion_answer answer;
    struct chain *c = t->chain;
    unsigned hop = c->n;
    onion_skins_answer(NULL, &t->keys[hop], &onion_skin_default_offer, &skin, &answer, 1);
    assert_int_equal(answer.refused, DESTROY_NONE);
    if (hop + 1 == t->path.n_hops && commits(t, WRONG_AUTH))
        answer.body[2 + 40] ^= 1;
    if (hop == 0)
        peer_send_cell(c->link, t->circid, answer.command, answer.body, answer.body_length);
    else
        chain_send(c, hop, RELAY_EXTENDED2, 0, answer.body, answer.body_length);
    if (hop > 0 && commits(t, EXTENDED_TWICE))
        chain_send(c, hop, RELAY_EXTENDED2, 0, answer.body, answer.body_length);
    stand(c, &answer.crypto);
}

static void take_create(unsigned link, const struct peer_cell *cell)
{
    struct onion_skin skin;
    assert_int_equal(onion_skin_parse(cell->command, cell->body, &skin), DESTROY_NONE);
    struct trip *t = trip_of_skin(link, &skin);
    t->at_relays = true;
    t->circid = t->chain->circid = cell->circid;
    answer_skin(t, &skin);
}

static void take_extend(struct trip *t, const struct relay_message *m)
{
    struct extend_request request;
    struct onion_skin skin;
    uint8_t body[CELL_BODY_LEN] = {0};
    assert_true(extend_parse(m->body, m->length, &request));
    assert_memory_equal(request.target.rsa_id, t->keys[t->chain->n].rsa_id, 20);
    memcpy(body, request.create2, request.create2_length);
    assert_int_equal(onion_skin_parse(CELL_CREATE2, body, &skin), DESTROY_NONE);
    answer_skin(t, &skin);
}

static unsigned increment(const struct trip *t)
{
    return t->path.hops[t->path.n_hops - 1].congestion_control ? 31 : 100;
}

static void last_hop_sends(struct trip *t, const void *bytes, uint16_t length)
{
    struct chain *c = t->chain;
    chain_send(c, c->n, RELAY_DATA, 1, bytes, length);
    if (++t->data_sent % increment(t) != 0)
        return;
    assert_true(t->n_tags < TAGS_MAX);
    memcpy(t->tags[t->n_tags++], c->hops[c->n - 1].tag, LAYER_TAG_MAX);
}

static void last_hop_acknowledges(struct trip *t)
{
    struct chain *c = t->chain;
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
    struct chain *c = t->chain;
    uint8_t body[CELL_BODY_LEN];
    uint16_t length = m->length;
    memcpy(body, m->body, length);
    last_hop_acknowledges(t);
    if (c->n > 1 && choose(10) == 0)
        chain_send(c, 1 + choose(c->n), RELAY_DROP, 0, "", 0); // as padding comes
    if (c->n > 1 && commits(t, FROM_THE_MIDDLE)) {
        chain_send(c, c->n - 1, RELAY_DATA, 1, body, length);
    } else if (commits(t, BIT_FLIPPED)) {
        uint8_t cell[CELL_BODY_LEN];
        chain_answer(c, c->n, RELAY_DATA, 1, body, length, cell);
        cell[choose(CELL_BODY_LEN)] ^= 1;
        peer_send_cell(c->link, t->circid, CELL_RELAY, cell, CELL_BODY_LEN);
    } else if (commits(t, UNASKED_CONNECTED)) {
        chain_send(c, c->n, RELAY_CONNECTED, 1, "", 0);
    } else if (commits(t, DESTROYS)) {
        peer_send_cell(c->link, t->circid, CELL_DESTROY, "\5", 1);
    } else {
        last_hop_sends(t, body, length);
    }
}

static void take_sendme(struct trip *t, const struct relay_message *m)
{
    unsigned length = chain_tag_length(t->chain, t->chain->n);
    if (m->stream_id != 0)
        return;
    assert_true(t->tags_seen < t->n_tags);
    assert_int_equal(m->length, 3 + length);
    assert_memory_equal(m->body + 3, t->tags[t->tags_seen++], length);
    n_sendmes++;
}

static void take_relay(struct trip *t, struct peer_cell *cell)
{
    bool early = cell->command == CELL_RELAY_EARLY;
    unsigned hop = chain_take(t->chain, cell);
    early_cells += early;
    assert_int_not_equal(hop, 0);
    struct relay_message m = chain_parse(t->chain, hop, cell);
    assert_int_equal(hop, t->chain->n); // all that is said is for the last one
    switch (m.command) {
    case RELAY_EXTEND2:
        assert_true(early);
        take_extend(t, &m);
        break;
    case RELAY_BEGIN:
        chain_send(t->chain, hop, RELAY_CONNECTED, m.stream_id, "", 0);
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

static void peer_reads(unsigned link)
{
    struct peer_cell cell;
    if (links[link].peer->tcp->window < 1 << 19)
        fake_set_window(links[link].peer->tcp, 1 << 20);
    while (peer_receive_cell(links[link].peer, &cell)) {
        struct trip *t = trip_at(link, cell.circid);
        if (cell.command == CELL_CREATE2) {
            take_create(link, &cell);
        } else if (cell.command == CELL_DESTROY) {
            assert_int_equal(cell.body[0], DESTROY_NONE); // 2.37
            t->destroyed = true;
            t->at_relays = false;
        } else if (t) {
            take_relay(t, &cell);
        }
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
    if (n > 1 && choose(4) == 0)
        n = 1 + choose((unsigned)n);
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

static unsigned control_turn(unsigned worker, unsigned most)
{
    struct message *got[64];
    unsigned n = channel_receive_up(channels[worker], got, most);
    for (unsigned i = 0; i < n; i++) {
        circuit_handle_message(relay.circuits, got[i]);
        channel_free(got[i]);
    }
    uv_run(relay.loop, UV_RUN_NOWAIT);
    return n;
}

// ---- rounds

static void make_hop(struct trip *t, unsigned i)
{
    struct own_circuit_hop *hop = &t->path.hops[i];
    unsigned kind = choose(3);
    t->keys[i].key_count = 1;
    curve25519_generate(&t->keys[i].keys[0]);
    curve25519_generate(&t->keys[i].junk);
    random_bytes(t->keys[i].rsa_id, 20);
    random_bytes(t->keys[i].ed25519_id, 32);
    if (i == 0)
        memcpy(t->keys[i].rsa_id, links[t->link].rsa_id, 20);
    memcpy(hop->target.rsa_id, t->keys[i].rsa_id, 20);
    memcpy(hop->target.ed_id, t->keys[i].ed25519_id, 32);
    hop->target.has_ed_id = hop->has_ntor_key = true;
    hop->target.n_addresses = 1;
    hop->target.addresses[0] = address_ipv4(0x12f40001 + i, 9001);
    memcpy(hop->ntor_key, t->keys[i].keys[0].public_key, 32);
    hop->ntor_v3 = hop->congestion_control = kind > 0;
    hop->cgo = kind > 1;
}

static void make_trip(struct trip *t, bool honest)
{
    memset(t, 0, sizeof(*t));
    t->link = choose(LINKS);
    t->path.n_hops = 2 + choose(HOPS - 1);
    t->upload = 1 + choose(UPLOAD_MAX);
    t->crime = honest ? NONE : (enum crime)choose(CRIMES);
    if (t->crime == WRONG_TAG) // there must be one
        t->upload = UPLOAD_MAX;
    for (unsigned i = 0; i < t->path.n_hops; i++)
        make_hop(t, i);
    t->chain = aligned_alloc(64, (sizeof(*t->chain) + 63) / 64 * 64);
    memset(t->chain, 0, sizeof(*t->chain));
    t->chain->link = links[t->link].peer;
    t->chain->cipher = cell_cipher_create();
    t->chain->cgo = cgo_cipher_create();
    t->circuit = own_circuit_build(&relay, &t->path, &ops, t);
    assert_non_null(t->circuit);
}

static void world_open(void)
{
    rig = rig_create(LINKS);
    relay = (struct relay){
        .loop = uv_default_loop(), .config = &config, .channels = channels, .n_workers = LINKS};
    for (unsigned i = 0; i < LINKS; i++) {
        channels[i] = &rig->channels[i];
        links[i] = (struct link){.peer = peer_link_dialled(rig, i)};
        memset(links[i].rsa_id, 0x30 + (int)i, 20);
        links[i].connection.worker = (uint8_t)i;
        links[i].connection.handle = links[i].peer->conn;
    }
    relay.circuits = circuit_table_create(&relay);
    assert_non_null(relay.circuits);
}

static bool all_closed(void)
{
    for (unsigned i = 0; i < TRIPS; i++)
        if (!trips[i].closed || trips[i].stream)
            return false;
    return true;
}

static void step(void)
{
    switch (choose(4)) {
    case 0:
        worker_turn(&rig->workers[choose(LINKS)]);
        break;
    case 1:
        control_turn(choose(LINKS), choose(4) ? 1 + choose(8) : 64);
        break;
    case 2:
        peer_reads(choose(LINKS));
        break;
    default: { // in the end each gets its turn
        unsigned i = choose(LINKS);
        if (choose(10) == 0)
            fake_set_window(links[i].peer->tcp, choose(3000));
        break;
    }
    }
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

static void world_close(void)
{
    for (unsigned n = 0; n < 50; n++) { // what is under way arrives
        for (unsigned i = 0; i < LINKS; i++) {
            peer_reads(i);
            worker_turn(&rig->workers[i]);
            control_turn(i, 64);
        }
    }
    for (unsigned i = 0; i < TRIPS; i++) {
        check_trip(&trips[i]);
        assert_true(trips[i].destroyed || trips[i].crime == DESTROYS);
        chain_free(trips[i].chain);
    }
    assert_int_equal(circuit_table_count(relay.circuits), 0);
    assert_int_equal(relay.counters.circuits_open, 0);
    circuit_table_free(relay.circuits);
    uv_run(relay.loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < LINKS; i++) {
        assert_int_equal(links[i].circuits, 0);
        for (uint32_t k = 0; k < rig->workers[i].ends.capacity; k++)
            assert_int_equal(rig->workers[i].ends.ends[k].state, END_FREE);
        peer_link_free(links[i].peer);
    }
    rig_destroy(rig); // pools are full again
}

static void test_together(void **state)
{
    (void)state;
    unsigned committed = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        srand(round);
        world_open();
        for (unsigned i = 0; i < TRIPS; i++)
            make_trip(&trips[i], i % 2);
        for (unsigned n = 0; !all_closed(); n++) {
            assert_true(n < 4000000);
            step();
        }
        for (unsigned i = 0; i < TRIPS; i++)
            committed += trips[i].committed;
        world_close();
    }
    print_message("%u circuits carried all, %u were broken; %u hops by CGO, %u acknowledgements\n",
                  n_done, committed, n_cgo_hops, n_sendmes);
    assert_true(n_done >= ROUNDS * TRIPS / 2 && committed > ROUNDS && n_cgo_hops > ROUNDS &&
                n_sendmes > ROUNDS && early_cells > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_together)};
    rig_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
