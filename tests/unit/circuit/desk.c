// SPDX-License-Identifier: BSD-3-Clause
// Circuits without workers and without links.
#include "desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_mempool.h>
#include <uv.h>

#include "base/cursor.h"
#include "circuit/circuit_internal.h"
#include "crypto/cgo.h"
#include "crypto/circuit_params.h"
#include "crypto/create_fast.h"
#include "crypto/ntor.h"
#include "crypto/ntor_v3.h"
#include "crypto/random.h"

void desk_eal(void)
{
    const char *const arguments[] = {"test", "--no-huge",      "--no-shconf",       "--no-pci",
                                     "-m64", "--no-telemetry", "--log-level=error", NULL};
    int n = sizeof(arguments) / sizeof(arguments[0]) - 1;
    assert_int_not_equal(rte_eal_init(n, (char **)(uintptr_t)arguments), -1);
    assert_int_equal(crypto_init(), 0);
}

static void make_link(struct desk *desk, unsigned i)
{
    struct link *link = &desk->links[i];
    link->open = true;
    link->peer_is_relay = i != CLIENT;
    memset(link->rsa_id, 0x10 + (int)i, sizeof(link->rsa_id));
    memset(link->ed_id, 0x20 + (int)i, sizeof(link->ed_id));
    link->connection.worker = i == FAR;
    link->connection.handle = (struct handle){i, 1};
    link->connection.remote = address_ipv4(0x12f40001 + i, 9001);
    link->connection.standing = true;
}

struct desk *desk_open(void)
{
    struct desk *desk = calloc(1, sizeof(*desk));
    assert_non_null(desk);
    for (unsigned i = 0; i < DESK_WORKERS; i++) {
        struct channel *first = i ? &desk->channels[0] : NULL;
        assert_int_equal(channel_open(&desk->channels[i], i, first, DESK_MESSAGES), 0);
        desk->channel_list[i] = &desk->channels[i];
    }
    for (unsigned i = 0; i < DESK_LINKS; i++)
        make_link(desk, i);
    memset(desk->identity.rsa_id, 1, sizeof(desk->identity.rsa_id));
    memset(desk->identity.master.public_key, 2, sizeof(desk->identity.master.public_key));
    curve25519_generate(&desk->identity.onion_key);
    desk->relay.loop = uv_default_loop();
    desk->relay.config = &desk->config;
    desk->relay.channels = desk->channel_list;
    desk->relay.n_workers = DESK_WORKERS;
    desk->relay.identity = &desk->identity;
    desk->relay.circuits = circuit_table_create(&desk->relay);
    assert_non_null(desk->relay.circuits);
    return desk;
}

static void pump(struct desk *desk)
{
    for (unsigned i = 0; i < DESK_WORKERS; i++)
        desk->inbox_length +=
            channel_receive_down(&desk->channels[i], desk->inbox + desk->inbox_length,
                                 DESK_MESSAGES - desk->inbox_length);
}

void desk_close(struct desk *desk)
{
    circuit_table_close_all(desk->relay.circuits);
    assert_int_equal(circuit_table_count(desk->relay.circuits), 0);
    circuit_table_free(desk->relay.circuits);
    assert_null(desk->requests);
    assert_int_equal(desk->relay.counters.circuits_open, 0);
    for (unsigned i = 0; i < DESK_LINKS; i++)
        assert_int_equal(desk->links[i].circuits, 0);
    uv_run(desk->relay.loop, UV_RUN_DEFAULT); // batches that were under way
    pump(desk);
    while (desk->inbox_length)
        channel_free(desk->inbox[--desk->inbox_length]);
    assert_true(rte_mempool_full(desk->channels[0].down_pool));
    for (unsigned i = DESK_WORKERS; i-- > 0;) {
        assert_true(rte_mempool_full(desk->channels[i].up_pool));
        channel_close(&desk->channels[i], i == 0);
    }
    free(desk);
}

void desk_run(struct desk *desk)
{
    uv_run(desk->relay.loop, UV_RUN_DEFAULT);
    pump(desk);
}

void desk_turn(struct desk *desk)
{
    uv_run(desk->relay.loop, UV_RUN_NOWAIT);
    pump(desk);
}

// ---- what workers tell

struct handle desk_new_end(struct desk *desk)
{
    desk->generation++;
    return (struct handle){desk->generation % 100, desk->generation};
}

struct message *desk_up(struct desk *desk, unsigned worker, enum message_type type)
{
    struct message *m = channel_message_up(&desk->channels[worker], type);
    assert_non_null(m);
    return m;
}

void desk_tell(struct desk *desk, struct message *m)
{
    assert_true(circuit_handle_message(desk->relay.circuits, m));
    channel_free(m);
    pump(desk);
}

static void fill(struct message *m, const void *body, size_t length)
{
    m->length = (uint16_t)length;
    if (length)
        memcpy(m->payload, body, length);
}

void desk_tell_create(struct desk *desk, unsigned link, struct handle end, uint8_t command,
                      const void *body, size_t length)
{
    const struct connection *c = &desk->links[link].connection;
    uint8_t cell[CELL_BODY_LEN] = {0};
    struct message *m = desk_up(desk, c->worker, MSG_CIRCUIT_CREATE);
    memcpy(cell, body, length);
    m->conn = c->handle;
    m->circuit = end;
    m->command = command;
    fill(m, cell, sizeof(cell));
    desk_tell(desk, m);
}

void desk_tell_relay(struct desk *desk, struct handle end, uint8_t cell_command, uint8_t command,
                     uint16_t stream_id, const void *body, size_t length)
{
    struct message *m = desk_up(desk, 0, MSG_CIRCUIT_RELAY);
    const struct circuit *c = handle_map_get(&desk->relay.circuits->by_end[0], end);
    m->circuit = end;
    m->relay.hop = c && c->own ? 1 : 0;
    m->command = cell_command;
    m->relay.command = command;
    m->relay.stream_id = stream_id;
    m->relay.tag_length = 20;
    fill(m, body, length);
    desk_tell(desk, m);
}

void desk_tell_relay_from(struct desk *desk, unsigned worker, struct handle end, unsigned hop,
                          uint8_t command, uint16_t stream_id, const void *body, size_t length)
{
    struct message *m = desk_up(desk, worker, MSG_CIRCUIT_RELAY);
    m->circuit = end;
    m->command = CELL_RELAY;
    m->relay.command = command;
    m->relay.hop = (uint8_t)hop;
    m->relay.stream_id = stream_id;
    m->relay.tag_length = 20;
    fill(m, body, length);
    desk_tell(desk, m);
}

void desk_tell_created(struct desk *desk, unsigned worker, struct handle end, uint64_t cookie,
                       uint8_t command, const void *body, size_t length)
{
    uint8_t cell[CELL_BODY_LEN] = {0};
    struct message *m = desk_up(desk, worker, MSG_CIRCUIT_CREATED);
    memcpy(cell, body, length);
    m->circuit = end;
    m->cookie = cookie;
    m->command = command;
    fill(m, cell, sizeof(cell));
    desk_tell(desk, m);
}

void desk_tell_closed(struct desk *desk, unsigned worker, struct handle end, uint64_t cookie,
                      enum destroy_reason reason, bool by_peer)
{
    struct message *m = desk_up(desk, worker, MSG_CIRCUIT_CLOSED);
    m->circuit = end;
    m->cookie = cookie;
    m->close.reason = (uint8_t)reason;
    m->close.by_peer = by_peer;
    desk_tell(desk, m);
}

// ---- what goes down

struct message *desk_expect(struct desk *desk, enum message_type type)
{
    pump(desk);
    if (desk->inbox_length == 0)
        fail_msg("no message came; expected type %d", type);
    struct message *m = desk->inbox[0];
    desk->inbox_length--;
    memmove(desk->inbox, desk->inbox + 1, desk->inbox_length * sizeof(m));
    assert_int_equal(m->type, type);
    return m;
}

void desk_expect_nothing(struct desk *desk)
{
    pump(desk);
    if (desk->inbox_length)
        fail_msg("a message of type %d came, and none was expected", desk->inbox[0]->type);
}

static void check_end(const struct message *m, unsigned worker, struct handle end)
{
    assert_int_equal(m->worker, worker);
    assert_int_equal(m->circuit.index, end.index);
    assert_int_equal(m->circuit.generation, end.generation);
}

void desk_expect_close(struct desk *desk, unsigned worker, struct handle end,
                       enum destroy_reason reason)
{
    struct message *m = desk_expect(desk, MSG_CIRCUIT_CLOSE);
    check_end(m, worker, end);
    assert_int_equal(m->close.reason, reason);
    channel_free(m);
}

void desk_expect_originate(struct desk *desk, unsigned worker, struct handle end, uint8_t command,
                           uint16_t stream_id, const void *body, size_t length)
{
    struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
    check_end(m, worker, end);
    assert_int_equal(m->relay.command, command);
    assert_int_equal(m->relay.stream_id, stream_id);
    assert_int_equal(m->length, length);
    assert_memory_equal(m->payload, body, length);
    channel_free(m);
}

// ---- links

static struct desk *desk_of(struct relay *relay)
{
    return (struct desk *)((char *)relay - offsetof(struct desk, relay));
}

static struct link *find_link(struct relay *relay, uint8_t worker, struct handle conn)
{
    struct desk *desk = desk_of(relay);
    for (unsigned i = 0; i < DESK_LINKS; i++) {
        struct connection *c = &desk->links[i].connection;
        if (c->worker == worker && c->handle.index == conn.index &&
            c->handle.generation == conn.generation)
            return &desk->links[i];
    }
    return NULL;
}

struct link *link_find(struct relay *relay, uint8_t worker, struct handle conn)
{
    struct link *link = find_link(relay, worker, conn);
    return link && link->open ? link : NULL;
}

void link_used_by_client(struct link *link)
{
    link->used_by_client = true;
}

void link_note_circuit(struct relay *relay, uint8_t worker, struct handle conn, int change)
{
    struct link *link = find_link(relay, worker, conn);
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
    return memcmp(link->rsa_id, rsa_id, 20) == 0 && (!ed_id || memcmp(link->ed_id, ed_id, 32) == 0);
}

struct link_request *link_get(struct relay *relay, const struct link_target *target,
                              link_ready_fn ready, void *user)
{
    struct desk *desk = desk_of(relay);
    for (unsigned i = 0; i < DESK_LINKS; i++) {
        struct link *link = &desk->links[i];
        if (link->open && link->peer_is_relay &&
            link_peer_is(link, target->rsa_id, target->has_ed_id ? target->ed_id : NULL)) {
            ready(user, link, DESTROY_NONE);
            return NULL;
        }
    }
    if (desk->no_dial != DESTROY_NONE) {
        ready(user, NULL, desk->no_dial);
        return NULL;
    }
    struct link_request *request = calloc(1, sizeof(*request));
    assert_non_null(request);
    *request = (struct link_request){.desk = desk, .target = *target, .ready = ready, .user = user};
    struct link_request **last = &desk->requests;
    while (*last)
        last = &(*last)->next;
    *last = request;
    return request;
}

void link_request_cancel(struct link_request *request)
{
    struct link_request **at = &request->desk->requests;
    while (*at && *at != request)
        at = &(*at)->next;
    assert_non_null(*at);
    *at = request->next;
    free(request);
}

void desk_answer(struct desk *desk, struct link *link, enum destroy_reason reason)
{
    struct link_request *request = desk->requests;
    assert_non_null(request);
    struct link_request answered = *request;
    desk->requests = request->next;
    free(request);
    answered.ready(answered.user, link, reason);
    pump(desk);
}

// ---- whole steps

struct handle desk_circuit(struct desk *desk, unsigned link)
{
    struct handle end = desk_new_end(desk);
    uint8_t x[CREATE_FAST_LEN], keys[72];
    random_bytes(x, sizeof(x));
    desk_tell_create(desk, link, end, CELL_CREATE_FAST, x, sizeof(x));
    desk_run(desk);
    struct message *m = desk_expect(desk, MSG_CIRCUIT_ACCEPT);
    check_end(m, desk->links[link].connection.worker, end);
    assert_true(m->secret);
    assert_int_equal(m->command, CELL_CREATED_FAST);
    assert_int_equal(m->length, CREATED_FAST_LEN);
    assert_int_equal(m->crypto.kind, CIRCUIT_CRYPTO_TOR1);
    assert_int_equal(create_fast_client(x, m->payload, keys, sizeof(keys)), 0);
    assert_memory_equal(m->crypto.material, keys, sizeof(keys));
    channel_free(m);
    desk_expect_nothing(desk);
    return end;
}

struct handle desk_cgo_circuit(struct desk *desk, unsigned link)
{
    const struct circuit_params cgo = {true, 31, true};
    struct handle end = desk_new_end(desk);
    struct ntor_v3_client client;
    struct circuit_params granted;
    uint8_t request[CIRCUIT_PARAMS_REQUEST_MAX], response[CIRCUIT_PARAMS_REPLY_MAX];
    uint8_t keys[CGO_MATERIAL_LEN], body[CELL_BODY_LEN] = {0, HANDSHAKE_NTOR_V3};
    int request_length = circuit_params_request(&cgo, request, sizeof(request));
    int skin_length = ntor_v3_client_start(&client, desk->identity.master.public_key,
                                           desk->identity.onion_key.public_key, NTOR_V3_CIRCUIT,
                                           NTOR_V3_CIRCUIT_LEN, request, (size_t)request_length,
                                           body + 4, sizeof(body) - 4);
    assert_true(skin_length > 0 && skin_length <= UINT8_MAX);
    body[3] = (uint8_t)skin_length;
    desk_tell_create(desk, link, end, CELL_CREATE2, body, sizeof(body));
    desk_run(desk);
    struct message *m = desk_expect(desk, MSG_CIRCUIT_ACCEPT);
    check_end(m, desk->links[link].connection.worker, end);
    assert_true(m->secret);
    assert_int_equal(m->command, CELL_CREATED2);
    assert_int_equal(m->crypto.kind, CIRCUIT_CRYPTO_CGO);
    int length =
        ntor_v3_client_finish(&client, NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN, m->payload + 2,
                              m->length - 2u, response, sizeof(response), keys, sizeof(keys));
    assert_true(length >= 0);
    assert_int_equal(circuit_params_accept(response, (size_t)length, &cgo, &granted), 0);
    assert_true(granted.congestion_control && granted.cgo);
    assert_memory_equal(m->crypto.material, keys, sizeof(keys));
    channel_free(m);
    desk_expect_nothing(desk);
    return end;
}

size_t desk_extend2(const struct desk *desk, unsigned link, uint8_t body[RELAY_BODY_MAX])
{
    const struct link *l = &desk->links[link];
    struct writer w = writer_of(body, RELAY_BODY_MAX);
    write_u8(&w, 3);
    write_u8(&w, 0);
    write_u8(&w, 6);
    write_bytes(&w, l->connection.remote.bytes, 4);
    write_u16(&w, l->connection.remote.port);
    write_u8(&w, 2);
    write_u8(&w, 20);
    write_bytes(&w, l->rsa_id, 20);
    write_u8(&w, 3);
    write_u8(&w, 32);
    write_bytes(&w, l->ed_id, 32);
    write_u16(&w, HANDSHAKE_NTOR);
    write_u16(&w, NTOR_SKIN_LEN);
    for (unsigned i = 0; i < NTOR_SKIN_LEN; i++)
        write_u8(&w, (uint8_t)i);
    return writer_length(&w);
}

void desk_tell_extend2(struct desk *desk, struct handle end, unsigned link)
{
    uint8_t body[RELAY_BODY_MAX];
    size_t length = desk_extend2(desk, link, body);
    desk_tell_relay(desk, end, CELL_RELAY_EARLY, RELAY_EXTEND2, 0, body, length);
}

uint64_t desk_dial(struct desk *desk, unsigned link, struct handle *next)
{
    const struct connection *c = &desk->links[link].connection;
    uint8_t body[RELAY_BODY_MAX];
    size_t length = desk_extend2(desk, link, body);
    struct message *m = desk_expect(desk, MSG_CIRCUIT_DIAL);
    uint64_t cookie = m->cookie;
    assert_int_equal(m->worker, c->worker);
    assert_int_equal(m->conn.index, c->handle.index);
    assert_int_equal(m->conn.generation, c->handle.generation);
    assert_int_equal(m->command, CELL_CREATE2);
    assert_int_equal(m->length, 4 + NTOR_SKIN_LEN);
    assert_memory_equal(m->payload, body + length - m->length, m->length);
    assert_int_not_equal(cookie, 0);
    channel_free(m);
    if (!next)
        return cookie;
    *next = desk_new_end(desk);
    struct message *dialled = desk_up(desk, c->worker, MSG_CIRCUIT_DIALLED);
    dialled->circuit = *next;
    dialled->cookie = cookie;
    desk_tell(desk, dialled);
    return cookie;
}

void desk_splice(struct desk *desk, struct handle end, unsigned link, struct handle next,
                 uint64_t cookie)
{
    unsigned worker = desk->links[link].connection.worker;
    uint8_t body[2 + NTOR_REPLY_LEN] = {0, NTOR_REPLY_LEN};
    random_bytes(body + 2, NTOR_REPLY_LEN);
    desk_tell_created(desk, worker, next, cookie, CELL_CREATED2, body, sizeof(body));
    struct message *m = desk_expect(desk, MSG_CIRCUIT_SPLICE);
    check_end(m, 0, end);
    assert_int_equal(m->peer.worker, worker);
    assert_int_equal(m->peer.circuit.index, next.index);
    assert_int_equal(m->peer.circuit.generation, next.generation);
    assert_int_equal(m->peer.relay.command, RELAY_EXTENDED2);
    assert_int_equal(m->peer.relay.stream_id, 0);
    assert_int_equal(m->length, sizeof(body)); // without what filled the cell
    assert_memory_equal(m->payload, body, sizeof(body));
    channel_free(m);
    desk_expect_nothing(desk);
}
