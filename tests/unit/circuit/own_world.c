// SPDX-License-Identifier: BSD-3-Clause
// The relays of circuits of ours, and the links to the first of them.
#include "own_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "crypto/random.h"

static struct own_world *the_world;

unsigned world_choose(unsigned n)
{
    return (unsigned)rand() % n;
}

// ---- link/link.h

static struct link *link_by_conn(uint8_t worker, struct handle conn)
{
    for (unsigned i = 0; i < WORLD_LINKS; i++) {
        struct link *link = &the_world->links[i];
        if (link->connection.worker == worker &&
            link->connection.handle.generation == conn.generation &&
            link->connection.handle.index == conn.index)
            return link;
    }
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
    for (unsigned i = 0; i < WORLD_LINKS; i++)
        if (link_peer_is(&the_world->links[i], target->rsa_id, NULL))
            ready(user, &the_world->links[i], DESTROY_NONE);
    return NULL;
}

void link_request_cancel(struct link_request *request)
{
    (void)request;
    fail();
}

// ---- the relays

static struct travel *travel_at(struct own_world *world, unsigned link, uint32_t circid)
{
    for (unsigned i = 0; i < world->n_travels; i++) {
        struct travel *t = world->travels[i];
        if (t->at_relays && t->link == link && t->circid == circid)
            return t;
    }
    return NULL;
}

// Whose CREATE2 it is: the onion key in it tells, which stands behind an identity in both kinds.
static struct travel *travel_of_skin(struct own_world *world, unsigned link,
                                     const struct onion_skin *skin)
{
    const uint8_t *key = skin->data + (skin->handshake == HANDSHAKE_NTOR ? 20 : 32);
    for (unsigned i = 0; i < world->n_travels; i++) {
        struct travel *t = world->travels[i];
        if (t->link == link && memcmp(t->path.hops[0].ntor_key, key, 32) == 0)
            return t;
    }
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
    the_world->cgo_hops += crypto->kind == CIRCUIT_CRYPTO_CGO;
}

// By way of the relays that stand.
static void answer_skin(struct travel *t, const struct onion_skin *skin)
{
    struct onion_answer answer;
    struct chain *c = t->chain;
    unsigned hop = c->n;
    onion_skins_answer(NULL, &t->keys[hop], &onion_skin_default_offer, &skin, &answer, 1);
    assert_int_equal(answer.refused, DESTROY_NONE);
    if (t->answers)
        t->answers(t, &answer);
    if (hop == 0)
        peer_send_cell(c->link, t->circid, answer.command, answer.body, answer.body_length);
    else
        chain_send(c, hop, RELAY_EXTENDED2, 0, answer.body, answer.body_length);
    if (t->answered)
        t->answered(t, &answer);
    stand(c, &answer.crypto);
}

static void take_create(struct own_world *world, unsigned link, const struct peer_cell *cell)
{
    struct onion_skin skin;
    assert_int_equal(onion_skin_parse(cell->command, cell->body, &skin), DESTROY_NONE);
    struct travel *t = travel_of_skin(world, link, &skin);
    t->at_relays = true;
    t->circid = t->chain->circid = cell->circid;
    answer_skin(t, &skin);
}

static void take_extend(struct travel *t, const struct relay_message *m)
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

static void take_relay(struct own_world *world, struct travel *t, struct peer_cell *cell)
{
    bool early = cell->command == CELL_RELAY_EARLY;
    unsigned hop = chain_take(t->chain, cell);
    world->early_cells += early;
    if (hop == t->chain->n) {
        struct relay_message m = chain_parse(t->chain, hop, cell);
        if (m.command == RELAY_EXTEND2) {
            assert_true(early);
            take_extend(t, &m);
            return;
        }
    }
    t->relay(t, hop, cell);
}

static void peer_reads(struct own_world *world, unsigned link)
{
    struct peer_cell cell;
    struct peer_link *peer = world->links[link].peer;
    if (peer->tcp->window < 1 << 19)
        fake_set_window(peer->tcp, 1 << 20);
    while (peer_receive_cell(peer, &cell)) {
        struct travel *t = travel_at(world, link, cell.circid);
        if (cell.command == CELL_CREATE2) {
            take_create(world, link, &cell);
        } else if (cell.command == CELL_DESTROY) {
            assert_int_equal(cell.body[0], DESTROY_NONE); // 2.37
            if (t) {                                      // else it crossed one of the relays'
                t->destroyed = true;
                t->at_relays = false;
            }
        } else if (t) {
            take_relay(world, t, &cell);
        }
    }
}

static void make_hop(struct own_world *world, struct travel *t, unsigned i)
{
    struct own_circuit_hop *hop = &t->path.hops[i];
    unsigned kind = world_choose(3);
    t->keys[i].key_count = 1;
    curve25519_generate(&t->keys[i].keys[0]);
    curve25519_generate(&t->keys[i].junk);
    random_bytes(t->keys[i].rsa_id, 20);
    random_bytes(t->keys[i].ed25519_id, 32);
    if (i == 0)
        memcpy(t->keys[i].rsa_id, world->links[t->link].rsa_id, 20);
    memcpy(hop->target.rsa_id, t->keys[i].rsa_id, 20);
    memcpy(hop->target.ed_id, t->keys[i].ed25519_id, 32);
    hop->target.has_ed_id = hop->has_ntor_key = true;
    hop->target.n_addresses = 1;
    hop->target.addresses[0] = address_ipv4(0x12f40001 + i, 9001);
    memcpy(hop->ntor_key, t->keys[i].keys[0].public_key, 32);
    hop->ntor_v3 = hop->congestion_control = kind > 0;
    hop->cgo = kind > 1;
}

void travel_plan(struct own_world *world, struct travel *t, unsigned n_hops)
{
    assert_true(n_hops <= WORLD_HOPS && world->n_travels < WORLD_TRAVELS_MAX);
    t->link = world_choose(WORLD_LINKS);
    t->path.n_hops = n_hops;
    for (unsigned i = 0; i < n_hops; i++)
        make_hop(world, t, i);
    t->chain = aligned_alloc(64, (sizeof(*t->chain) + 63) / 64 * 64);
    memset(t->chain, 0, sizeof(*t->chain));
    t->chain->link = world->links[t->link].peer;
    t->chain->cipher = cell_cipher_create();
    t->chain->cgo = cgo_cipher_create();
    world->travels[world->n_travels++] = t;
}

void travel_free(struct travel *t)
{
    chain_free(t->chain);
    t->chain = NULL;
}

const struct own_circuit_hop *travel_last(const struct travel *t)
{
    return &t->path.hops[t->path.n_hops - 1];
}

// ---- turns

static void control_turn(struct own_world *world, unsigned worker, unsigned most)
{
    struct message *got[64];
    unsigned n = channel_receive_up(world->channels[worker], got, most);
    for (unsigned i = 0; i < n; i++) {
        circuit_handle_message(world->relay.circuits, got[i]);
        channel_free(got[i]);
    }
    uv_run(world->relay.loop, UV_RUN_NOWAIT);
}

void world_step(struct own_world *world)
{
    unsigned i = world_choose(WORLD_LINKS);
    switch (world_choose(4)) {
    case 0:
        worker_turn(&world->rig->workers[i]);
        break;
    case 1:
        control_turn(world, i, world_choose(4) ? 1 + world_choose(8) : 64);
        break;
    case 2:
        peer_reads(world, i);
        break;
    default: // in the end each gets its turn
        if (world_choose(10) == 0)
            fake_set_window(world->links[i].peer->tcp, world_choose(3000));
        break;
    }
}

void world_settle(struct own_world *world)
{
    for (unsigned n = 0; n < 50; n++) {
        for (unsigned i = 0; i < WORLD_LINKS; i++) {
            peer_reads(world, i);
            worker_turn(&world->rig->workers[i]);
            control_turn(world, i, 64);
        }
    }
}

void world_open(struct own_world *world)
{
    unsigned early_cells = world->early_cells, cgo_hops = world->cgo_hops;
    *world = (struct own_world){.early_cells = early_cells, .cgo_hops = cgo_hops};
    the_world = world;
    world->rig = rig_create(WORLD_LINKS);
    world->relay = (struct relay){.loop = uv_default_loop(),
                                  .config = &world->config,
                                  .channels = world->channels,
                                  .n_workers = WORLD_LINKS};
    for (unsigned i = 0; i < WORLD_LINKS; i++) {
        struct link *link = &world->links[i];
        world->channels[i] = &world->rig->channels[i];
        link->peer = peer_link_dialled(world->rig, i);
        memset(link->rsa_id, 0x30 + (int)i, 20);
        link->connection.worker = (uint8_t)i;
        link->connection.handle = link->peer->conn;
    }
    world->relay.circuits = circuit_table_create(&world->relay);
    assert_non_null(world->relay.circuits);
}

void world_close(struct own_world *world)
{
    assert_int_equal(circuit_table_count(world->relay.circuits), 0);
    assert_int_equal(world->relay.counters.circuits_open, 0);
    circuit_table_free(world->relay.circuits);
    uv_run(world->relay.loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < WORLD_LINKS; i++) {
        assert_int_equal(world->links[i].circuits, 0);
        for (uint32_t k = 0; k < world->rig->workers[i].ends.capacity; k++)
            assert_int_equal(world->rig->workers[i].ends.ends[k].state, END_FREE);
        peer_link_free(world->links[i].peer);
    }
    rig_destroy(world->rig); // pools are full again
}
