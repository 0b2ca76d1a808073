// SPDX-License-Identifier: BSD-3-Clause
// Two workers and the circuits of the control thread together, in random order: each takes its turn
// when chance says so, and what they tell each other waits meanwhile. Clients and relays do what
// they like, in the wrong order too.
//
// What must hold: a cell that arrives is whole and in step with its layers; when all have come to
// rest, control thread and workers agree on every circuit; when the clients have closed theirs,
// nothing is left of them anywhere.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_mempool.h>
#include <uv.h>

#include "base/cursor.h"
#include "circuit/circuit_internal.h"
#include "connection.h"
#include "crypto/circuit_params.h"
#include "crypto/create_fast.h"
#include "crypto/ntor.h"
#include "crypto/ntor_v3.h"
#include "crypto/random.h"
#include "identity/identity.h"
#include "link/link.h"
#include "origin.h"
#include "stream/circuit_streams.h"
#include "stream/stream_internal.h"

enum {
    ROUNDS = 100,
    STEPS = 3000,
    WORKERS = 2,
    CLIENT_LINKS = 2, // one on each worker
    RELAY_LINKS = 4,  // accepted and dialled, on each worker
    LINKS = CLIENT_LINKS + RELAY_LINKS,
    CIRCUITS = 6, // of each client
    NEXT_HOPS_MAX = 512,
    FILL = 0xa5, // every byte of a cell that a next hop sends
};

struct link {
    struct connection connection;
    struct peer_link *peer;
    bool open;
    bool peer_is_relay;
    bool used_by_client;
    uint8_t rsa_id[20];
    int circuits;
};

struct link_request {
    struct link_target target;
    link_ready_fn ready;
    void *user;
    struct link_request *next;
};

enum client_state { CLIENT_IDLE, CLIENT_CREATING, CLIENT_OPEN };

struct client_circuit {
    enum client_state state;
    bool extended; // as far as it has heard
    struct origin origin;
    uint8_t x[CREATE_FAST_LEN];
    bool cgo; // by ntor-v3
    struct ntor_v3_client handshake;
    // A directory stream that sends for ever.
    uint16_t stream_id, last_stream_id; // 0: none
    unsigned stream_bytes, stream_cells;
    unsigned data_cells; // of the circuit
};

static const struct circuit_params ask_cgo = {true, 31, true};

// A circuit as a next hop has it.
struct next_hop {
    unsigned link;
    uint32_t circid;
    bool answered;
};

struct world {
    struct rig *rig;
    struct relay relay;
    struct config config;
    struct identity identity;
    struct channel *channels[WORKERS];
    struct link links[LINKS];
    struct link_request *requests;
    struct client_circuit clients[CLIENT_LINKS * CIRCUITS];
    struct next_hop hops[NEXT_HOPS_MAX];
    unsigned n_hops;
    uint32_t next_circid;
    struct cell_cipher *cipher;
    struct cgo_cipher *cgo;
    bool refuse_dials;
    unsigned spliced, spliced_cgo, truncated, arrived_back, arrived_forward;
    bool rests; // nobody begins anything
    unsigned stream_cells, stream_cells_extended, sendmes;
};

static struct world *world;

static unsigned choose(unsigned n)
{
    return (unsigned)rand() % n;
}

// ---- link/link.h

static struct link *link_by_conn(uint8_t worker, struct handle conn)
{
    for (unsigned i = 0; i < LINKS; i++) {
        struct connection *c = &world->links[i].connection;
        if (c->worker == worker && c->handle.index == conn.index &&
            c->handle.generation == conn.generation)
            return &world->links[i];
    }
    return NULL;
}

struct link *link_find(struct relay *relay, uint8_t worker, struct handle conn)
{
    (void)relay;
    struct link *link = link_by_conn(worker, conn);
    return link && link->open ? link : NULL;
}

void link_used_by_client(struct link *link)
{
    link->used_by_client = true;
}

void link_note_circuit(struct relay *relay, uint8_t worker, struct handle conn, int change)
{
    (void)relay;
    struct link *link = link_by_conn(worker, conn);
    assert_non_null(link);
    link->circuits += change;
    assert_true(link->circuits >= 0);
}

struct connection *link_connection(struct link *link)
{
    return &link->connection;
}

bool link_peer_is_relay(const struct link *link)
{
    return link->peer_is_relay;
}

bool link_peer_is_known_relay(const struct link *link)
{
    return link->peer_is_relay;
}

bool link_peer_is(const struct link *link, const uint8_t rsa_id[20], const uint8_t *ed_id)
{
    (void)ed_id;
    return memcmp(link->rsa_id, rsa_id, 20) == 0;
}

static struct link *link_to(const struct link_target *target)
{
    for (unsigned i = 0; i < LINKS; i++)
        if (world->links[i].open && world->links[i].peer_is_relay &&
            link_peer_is(&world->links[i], target->rsa_id, NULL))
            return &world->links[i];
    return NULL;
}

struct link_request *link_get(struct relay *relay, const struct link_target *target,
                              link_ready_fn ready, void *user)
{
    (void)relay;
    struct link *link = choose(4) ? link_to(target) : NULL;
    if (link || world->refuse_dials) {
        ready(user, link, link ? DESTROY_NONE : DESTROY_CONNECTFAILED);
        return NULL;
    }
    struct link_request *request = calloc(1, sizeof(*request));
    *request = (struct link_request){*target, ready, user, world->requests};
    world->requests = request;
    return request;
}

void link_request_cancel(struct link_request *request)
{
    struct link_request **at = &world->requests;
    while (*at && *at != request)
        at = &(*at)->next;
    assert_non_null(*at);
    *at = request->next;
    free(request);
}

static void answer_request(void)
{
    struct link_request *request = world->requests;
    if (!request)
        return;
    struct link_request answered = *request;
    world->requests = request->next;
    free(request);
    struct link *link = link_to(&answered.target);
    answered.ready(answered.user, link, link ? DESTROY_NONE : DESTROY_CONNECTFAILED);
}

// ---- directory streams: their bytes count

static int produce(struct stream *s, uint8_t *out, size_t capacity)
{
    unsigned *sent = stream_user(s);
    if (world->rests || choose(30) == 0)
        return 0;
    size_t n = 1 + choose((unsigned)capacity);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(*sent + i);
    *sent += (unsigned)n;
    return (int)n;
}

static void data(struct stream *s, const uint8_t *bytes, size_t length)
{
    (void)bytes, (void)length;
    stream_wake(s);
}

static void closed(struct stream *s, enum end_reason reason)
{
    (void)reason;
    free(stream_user(s));
}

static void accept_directory(struct directory_server *server, struct stream *s)
{
    static const struct stream_ops ops = {.data = data, .produce = produce, .closed = closed};
    (void)server;
    stream_set_user(s, &ops, calloc(1, sizeof(unsigned)));
}

// ---- the control thread

static void take(struct message *m)
{
    if (m->type == MSG_CONN_CLOSED) {
        struct link *link = link_by_conn(m->worker, m->conn);
        if (link)
            link->open = false;
    } else {
        circuit_handle_message(world->relay.circuits, m);
    }
    channel_free(m);
}

// Takes some of what one worker tells.
static unsigned control_turn(unsigned worker, unsigned most)
{
    struct message *got[64];
    unsigned n = channel_receive_up(world->channels[worker], got, most);
    for (unsigned i = 0; i < n; i++)
        take(got[i]);
    uv_run(world->relay.loop, UV_RUN_NOWAIT);
    return n;
}

// ---- clients

static void client_send(struct client_circuit *c, uint8_t cell_command, uint8_t command,
                        const void *body, size_t length, bool ours)
{
    if (world->links[0].peer == c->origin.link ? world->links[0].open : world->links[1].open)
        origin_send(&c->origin, cell_command, command, command == RELAY_BEGIN ? 1 : 0, body,
                    (uint16_t)length, ours);
}

static void client_send_on_stream(struct client_circuit *c, uint8_t command, uint16_t stream_id,
                                  const void *body, size_t length)
{
    if (world->links[0].peer == c->origin.link ? world->links[0].open : world->links[1].open)
        origin_send(&c->origin, CELL_RELAY, command, stream_id, body, (uint16_t)length, true);
}

static void client_begin_or_end(struct client_circuit *c)
{
    static const uint8_t done = END_DONE;
    if (c->stream_id && choose(3)) {
        client_send_on_stream(c, RELAY_DATA, c->stream_id, "more", 4);
    } else if (c->stream_id) {
        client_send_on_stream(c, RELAY_END, c->stream_id, &done, 1);
        c->stream_id = 0;
    } else {
        c->stream_id = ++c->last_stream_id;
        c->stream_bytes = c->stream_cells = 0;
        client_send_on_stream(c, RELAY_BEGIN_DIR, c->stream_id, "", 0);
    }
}

// What comes is whole and in order; each increment is acknowledged by the tag of its last cell.
static void client_take_data(struct client_circuit *c, const struct relay_message *m)
{
    uint8_t sendme[3 + LAYER_TAG_MAX] = {1, 0, (uint8_t)origin_tag_length(&c->origin)};
    world->stream_cells++;
    world->stream_cells_extended += c->extended;
    if (++c->data_cells % (c->cgo ? 31 : 100) == 0) {
        memcpy(sendme + 3, c->origin.tag, sendme[2]);
        client_send_on_stream(c, RELAY_SENDME, 0, sendme, 3 + (size_t)sendme[2]);
        world->sendmes++;
    }
    if (m->stream_id != c->stream_id)
        return; // it has been ended
    for (unsigned i = 0; i < m->length; i++)
        assert_int_equal(m->body[i], (uint8_t)(c->stream_bytes + i));
    c->stream_bytes += m->length;
    if (++c->stream_cells % 50 == 0 && !c->cgo)
        client_send_on_stream(c, RELAY_SENDME, c->stream_id, "", 0);
}

static void client_create_cgo(struct client_circuit *c)
{
    const struct identity *relay = &world->identity;
    uint8_t request[CIRCUIT_PARAMS_REQUEST_MAX], body[CELL_BODY_LEN] = {0, HANDSHAKE_NTOR_V3};
    int length = circuit_params_request(&ask_cgo, request, sizeof(request));
    length = ntor_v3_client_start(&c->handshake, relay->master.public_key,
                                  relay->onion_key.public_key, NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN,
                                  request, (size_t)length, body + 4, 500);
    assert_in_range(length, 1, UINT8_MAX);
    body[3] = (uint8_t)length;
    peer_send_cell(c->origin.link, c->origin.circid, CELL_CREATE2, body, sizeof(body));
}

static void client_take_created2(struct client_circuit *c, const struct peer_cell *cell)
{
    struct circuit_params granted;
    uint8_t keys[CGO_MATERIAL_LEN], response[CIRCUIT_PARAMS_REPLY_MAX];
    assert_int_equal(c->state, CLIENT_CREATING);
    int length =
        ntor_v3_client_finish(&c->handshake, NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN, cell->body + 2,
                              cell->body[1], response, sizeof(response), keys, sizeof(keys));
    assert_true(length > 0);
    assert_int_equal(circuit_params_accept(response, (size_t)length, &ask_cgo, &granted), 0);
    origin_set_keys(&c->origin, CIRCUIT_CRYPTO_CGO, keys);
    c->state = CLIENT_OPEN;
}

static void client_create(struct client_circuit *c)
{
    c->origin.circid = CIRCID_INITIATOR_BIT | ++world->next_circid;
    c->state = CLIENT_CREATING;
    c->extended = false;
    c->stream_id = 0;
    c->data_cells = 0;
    c->cgo = choose(2);
    if (c->cgo) {
        client_create_cgo(c);
        return;
    }
    random_bytes(c->x, sizeof(c->x));
    peer_send_cell(c->origin.link, c->origin.circid, CELL_CREATE_FAST, c->x, sizeof(c->x));
}

static void client_extend(struct client_circuit *c)
{
    uint8_t body[RELAY_BODY_MAX];
    struct writer w = writer_of(body, sizeof(body));
    unsigned link = CLIENT_LINKS + choose(RELAY_LINKS);
    write_u8(&w, 2);
    write_u16(&w, 0x0006);
    write_u32(&w, 0x12f40001 + link);
    write_u16(&w, 9001);
    write_u16(&w, 0x0214);
    write_bytes(&w, world->links[link].rsa_id, 20);
    write_u16(&w, HANDSHAKE_NTOR);
    write_u16(&w, NTOR_SKIN_LEN);
    write_zeros(&w, NTOR_SKIN_LEN);
    client_send(c, CELL_RELAY_EARLY, RELAY_EXTEND2, body, writer_length(&w), true);
}

static void client_destroy(struct client_circuit *c)
{
    const uint8_t reason = DESTROY_NONE;
    peer_send_cell(c->origin.link, c->origin.circid, CELL_DESTROY, &reason, 1);
    c->state = CLIENT_IDLE;
}

static void client_act(struct client_circuit *c)
{
    const uint8_t reason = DESTROY_REQUESTED;
    if (c->state == CLIENT_IDLE) {
        client_create(c);
        return;
    }
    if (c->state == CLIENT_CREATING) {
        if (choose(10) == 0)
            client_destroy(c);
        return;
    }
    switch (choose(c->extended ? 40 : 16)) {
    case 0:
        client_destroy(c);
        break;
    case 1:
        client_send(c, CELL_RELAY, RELAY_TRUNCATE, &reason, 1, true);
        break;
    case 3:
    case 4:
    case 5:
        client_extend(c);
        break;
    case 2:
    case 6:
        client_begin_or_end(c);
        break;
    case 7:
        client_send(c, CELL_RELAY, RELAY_BEGIN, "x:1", 4, true);
        break;
    case 8: // ends the circuit, unless it is extended
        if (choose(4) == 0)
            client_send(c, CELL_RELAY, RELAY_DATA, "", 0, false);
        break;
    case 9:
        if (choose(4) == 0)
            peer_send_cell(c->origin.link, c->origin.circid, CELL_CREATED2, "", 0);
        break;
    case 10: // two in one record
        client_extend(c);
        client_send(c, CELL_RELAY, RELAY_TRUNCATE, &reason, 1, true);
        break;
    default:
        for (unsigned n = choose(4); n > 0; n--)
            client_send(c, CELL_RELAY, c->extended ? RELAY_DATA : RELAY_DROP, "", 0, !c->extended);
        break;
    }
}

static void client_take(struct client_circuit *c, struct peer_cell *cell)
{
    uint8_t keys[TOR1_MATERIAL_LEN];
    switch (cell->command) {
    case CELL_CREATED_FAST:
        assert_int_equal(c->state, CLIENT_CREATING);
        assert_int_equal(create_fast_client(c->x, cell->body, keys, sizeof(keys)), 0);
        origin_set_keys(&c->origin, CIRCUIT_CRYPTO_TOR1, keys);
        c->state = CLIENT_OPEN;
        break;
    case CELL_CREATED2:
        client_take_created2(c, cell);
        break;
    case CELL_DESTROY:
        c->state = CLIENT_IDLE;
        break;
    case CELL_RELAY:
        assert_int_equal(c->state, CLIENT_OPEN);
        if (origin_open(&c->origin, cell)) {
            struct relay_message m = origin_parse(&c->origin, cell);
            uint8_t command = m.command;
            if (command == RELAY_DATA)
                client_take_data(c, &m);
            bool extended = command == RELAY_EXTENDED2;
            bool truncated = command == RELAY_TRUNCATED;
            c->extended = extended || (c->extended && !truncated);
            world->spliced += extended;
            world->spliced_cgo += extended && c->cgo;
            world->truncated += truncated;
            break;
        }
        for (unsigned i = 0; i < CELL_BODY_LEN; i++)
            assert_int_equal(cell->body[i], FILL);
        world->arrived_back++;
        break;
    default:
        fail_msg("a client got a cell of command %u", cell->command);
    }
}

// ---- next hops

static void hop_take(unsigned link, const struct peer_cell *cell)
{
    switch (cell->command) {
    case CELL_CREATE2:
        assert_true(world->n_hops < NEXT_HOPS_MAX);
        world->hops[world->n_hops++] = (struct next_hop){link, cell->circid, false};
        break;
    case CELL_RELAY: // as the client wrote it: our layer is off
        assert_int_equal(cell->body[0], RELAY_DATA);
        assert_int_equal(cell->body[1], 0xff);
        world->arrived_forward++;
        break;
    case CELL_DESTROY:
        for (unsigned i = 0; i < world->n_hops; i++)
            if (world->hops[i].link == link && world->hops[i].circid == cell->circid)
                world->hops[i--] = world->hops[--world->n_hops];
        break;
    default:
        fail_msg("a next hop got a cell of command %u", cell->command);
    }
}

static void hop_act(struct next_hop *h)
{
    struct peer_link *peer = world->links[h->link].peer;
    static const uint8_t reason = DESTROY_FINISHED;
    const uint8_t created[2] = {0, NTOR_REPLY_LEN};
    uint8_t body[CELL_BODY_LEN];
    memset(body, FILL, sizeof(body));
    switch (choose(12)) {
    case 0:
        peer_send_cell(peer, h->circid, CELL_DESTROY, &reason, 1);
        *h = world->hops[--world->n_hops];
        break;
    case 1:
        if (choose(8) == 0) // too long to be passed on, or too early, or twice
            peer_send_cell(peer, h->circid, CELL_CREATED2, "\xff", 1);
        break;
    case 2:
        if (choose(8) == 0)
            peer_send_cell(peer, h->circid, CELL_RELAY_EARLY, body, sizeof(body));
        break;
    default:
        if (h->answered)
            peer_send_cell(peer, h->circid, CELL_RELAY, body, sizeof(body));
        else
            peer_send_cell(peer, h->circid, CELL_CREATED2, created, sizeof(created));
        h->answered = true;
        break;
    }
}

// ---- all together

static void peer_reads(unsigned link)
{
    struct peer_cell cell;
    struct tcp_conn *tcp = world->links[link].peer->tcp;
    if (tcp->window < 1 << 19)
        fake_set_window(tcp, 1 << 20);
    while (peer_receive_cell(world->links[link].peer, &cell)) {
        if (link >= CLIENT_LINKS) {
            hop_take(link, &cell);
            continue;
        }
        for (unsigned i = 0; i < CIRCUITS; i++) {
            struct client_circuit *c = &world->clients[link * CIRCUITS + i];
            if (c->state != CLIENT_IDLE && c->origin.circid == cell.circid)
                client_take(c, &cell);
        }
    }
}

static void link_dies(unsigned link)
{
    struct link *l = &world->links[link];
    if (!l->open || l->peer->tcp->events)
        return;
    peer_reads(link);
    l->open = false; // for the control thread it still is: the report is under way
    fake_gone(l->peer->tcp, CONN_CLOSE_RESET);
    for (unsigned i = 0; link < CLIENT_LINKS && i < CIRCUITS; i++)
        world->clients[link * CIRCUITS + i].state = CLIENT_IDLE;
    for (unsigned i = 0; i < world->n_hops; i++)
        if (world->hops[i].link == link)
            world->hops[i--] = world->hops[--world->n_hops];
}

static bool is_alive(unsigned link)
{
    return world->links[link].open && !(world->links[link].peer->tcp->events & TCP_EVENT_CLOSED);
}

static void step(void)
{
    unsigned link = choose(LINKS);
    switch (choose(10)) {
    case 0:
    case 1:
        worker_turn(&world->rig->workers[choose(WORKERS)]);
        break;
    case 2:
        control_turn(choose(WORKERS), choose(8) ? 1 : 32);
        break;
    case 3:
        if (is_alive(link))
            peer_reads(link);
        break;
    case 4:
        answer_request();
        break;
    case 5:
        if (is_alive(link) && choose(4) == 0)
            fake_set_window(world->links[link].peer->tcp, choose(2000));
        if (choose(2000) == 0)
            link_dies(link);
        break;
    case 6:
    case 7:
        if (world->n_hops) {
            struct next_hop *h = &world->hops[choose(world->n_hops)];
            if (is_alive(h->link))
                hop_act(h);
        }
        break;
    default: {
        unsigned client = choose(CLIENT_LINKS * CIRCUITS);
        if (is_alive(client / CIRCUITS))
            client_act(&world->clients[client]);
    }
    }
}

// Until nobody has anything to do.
static void come_to_rest(void)
{
    unsigned work;
    world->rests = true;
    do {
        work = 0;
        for (unsigned i = 0; i < LINKS; i++)
            if (is_alive(i))
                peer_reads(i);
        for (unsigned i = 0; i < WORKERS; i++)
            work += worker_turn(&world->rig->workers[i]);
        for (unsigned i = 0; i < WORKERS; i++)
            work += control_turn(i, 64);
        uv_run(world->relay.loop, UV_RUN_DEFAULT);
        for (unsigned i = 0; i < WORKERS; i++)
            work += !rte_ring_empty(world->channels[i]->down);
    } while (work);
    world->rests = false;
}

static unsigned ends_in_use(unsigned worker)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < world->rig->workers[worker].ends.capacity; i++)
        n += world->rig->workers[worker].ends.ends[i].state != END_FREE;
    return n;
}

static const struct circuit_end *end_at(const struct circuit_place *place)
{
    return place->end.generation ? end_get(&world->rig->workers[place->worker], place->end) : NULL;
}

// No stream waits for a word that never comes.
static void check_streams(const struct circuit *c)
{
    if (!c->streams)
        return;
    assert_int_equal(c->streams->flow.untold, 0);
    assert_false(c->streams->awaits_drained);
}

// What the control thread believes of a circuit is what the workers have. The number of its ends.
static unsigned check_circuit(const struct circuit *c)
{
    const struct circuit_end *origin = end_at(&c->origin), *next = end_at(&c->next);
    assert_non_null(origin);
    assert_true(origin->origin_side);
    assert_int_equal(origin->state, END_OPEN); // no skin is queued any more
    if (c->state == CIRCUIT_EXTENDED) {
        assert_non_null(next);
        assert_null(origin->stub);
        assert_true(next->layer_kind);
        assert_int_equal(origin->peer_worker, c->next.worker);
        assert_int_equal(origin->peer.generation, next->self.generation);
        assert_int_equal(next->peer.generation, origin->self.generation);
        return 2;
    }
    assert_non_null(origin->stub);
    assert_true(origin->stub->layer_kind);
    assert_int_equal(origin->peer.generation, 0);
    if (c->state == CIRCUIT_DIALLED) {
        assert_non_null(next);
        assert_int_equal(next->state, END_DIALLED);
        return 3;
    }
    assert_null(next);
    return 2;
}

static void check_agreement(void)
{
    struct circuit_table *t = world->relay.circuits;
    unsigned ends = 0;
    for (uint32_t i = 0; i < t->n_slots; i++)
        if (t->slots[i]) {
            ends += check_circuit(t->slots[i]);
            check_streams(t->slots[i]);
        }
    assert_int_equal(world->relay.counters.drop_sendme_bad, 0);
    assert_int_equal(ends, ends_in_use(0) + ends_in_use(1));
}

static struct world *world_open(void)
{
    struct world *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);
    memset(w, 0, sizeof(*w));
    w->rig = rig_create(WORKERS);
    for (unsigned i = 0; i < LINKS; i++) {
        struct link *link = &w->links[i];
        unsigned worker = i % WORKERS;
        link->peer = i < CLIENT_LINKS + 2 ? peer_link_accepted(w->rig, worker)
                                          : peer_link_dialled(w->rig, worker);
        link->open = true;
        link->peer_is_relay = i >= CLIENT_LINKS;
        memset(link->rsa_id, 0x30 + (int)i, sizeof(link->rsa_id));
        link->connection.worker = (uint8_t)worker;
        link->connection.handle = link->peer->conn;
    }
    w->cipher = cell_cipher_create();
    w->cgo = cgo_cipher_create();
    for (unsigned i = 0; i < CLIENT_LINKS * CIRCUITS; i++) {
        w->clients[i].origin.link = w->links[i / CIRCUITS].peer;
        w->clients[i].origin.cipher = w->cipher;
        w->clients[i].origin.cgo = w->cgo;
    }
    memset(w->identity.rsa_id, 1, sizeof(w->identity.rsa_id));
    curve25519_generate(&w->identity.onion_key);
    for (unsigned i = 0; i < WORKERS; i++)
        w->channels[i] = &w->rig->channels[i];
    w->relay = (struct relay){.loop = uv_default_loop(),
                              .config = &w->config,
                              .channels = w->channels,
                              .n_workers = WORKERS,
                              .identity = &w->identity};
    w->relay.circuits = circuit_table_create(&w->relay);
    assert_non_null(w->relay.circuits);
    w->relay.directory_server = (struct directory_server *)w; // is never looked into
    streams_accept_directory(&w->relay, accept_directory);
    return w;
}

static void world_close(void)
{
    world->refuse_dials = true;
    while (world->requests)
        answer_request();
    come_to_rest();
    for (unsigned i = 0; i < CLIENT_LINKS * CIRCUITS; i++)
        if (world->clients[i].state != CLIENT_IDLE && is_alive(i / CIRCUITS))
            client_destroy(&world->clients[i]);
    come_to_rest();
    assert_int_equal(circuit_table_count(world->relay.circuits), 0);
    assert_int_equal(ends_in_use(0) + ends_in_use(1), 0);
    assert_int_equal(world->n_hops, 0); // each of them got its DESTROY
    assert_int_equal(world->relay.counters.circuits_open, 0);
    for (unsigned i = 0; i < LINKS; i++) {
        assert_int_equal(world->links[i].circuits, 0);
        peer_link_free(world->links[i].peer);
    }
    circuit_table_free(world->relay.circuits);
    cell_cipher_destroy(world->cipher);
    cgo_cipher_destroy(world->cgo);
    rig_destroy(world->rig); // pools are full again
    free(world);
    world = NULL;
}

static void test_together(void **state)
{
    (void)state;
    unsigned spliced = 0, spliced_cgo = 0, truncated = 0, back = 0, forward = 0;
    unsigned stream_cells = 0, stream_cells_extended = 0, sendmes = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        srand(round);
        world = world_open();
        for (unsigned i = 0; i < STEPS; i++) {
            step();
            if (choose(200) == 0) {
                come_to_rest();
                check_agreement();
            }
        }
        spliced += world->spliced;
        spliced_cgo += world->spliced_cgo;
        truncated += world->truncated;
        back += world->arrived_back;
        forward += world->arrived_forward;
        stream_cells += world->stream_cells;
        stream_cells_extended += world->stream_cells_extended;
        sendmes += world->sendmes;
        world_close();
    }
    print_message("extended %u (%u with CGO), truncated %u, cells back %u and forward %u\n",
                  spliced, spliced_cgo, truncated, back, forward);
    print_message("cells of streams %u (%u of extended circuits), acknowledged %u times\n",
                  stream_cells, stream_cells_extended, sendmes);
    // It was worth while.
    assert_true(spliced_cgo > ROUNDS && spliced > 2 * ROUNDS && truncated > ROUNDS &&
                back > ROUNDS && forward > ROUNDS && stream_cells_extended > ROUNDS &&
                sendmes > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_together)};
    rig_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
