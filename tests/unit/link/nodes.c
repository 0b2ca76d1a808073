// SPDX-License-Identifier: BSD-3-Clause
// Relays without a dataplane, and the connection layer between them.
#include "nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/cursor.h"
#include "crypto/ed_cert.h"
#include "crypto/rsa.h"

enum { START_TIME = 1800000000, ENDS_MAX = 64 };

// One end of a connection, with what is on its way to it.
struct end {
    struct connection c;
    struct end *peer; // NULL: refused, or gone
    bool connecting, records, close_asked;
    enum conn_close_reason close_reason;
    struct tls_keys rx, tx;
    uint8_t *raw, *plain;
    size_t raw_length, raw_given, plain_length, plain_given, plain_under_way;
    uint64_t consumed;
    bool wide_circids;
};

struct wire wire;
static struct end *ends[ENDS_MAX];

time_t test_wall_clock(void)
{
    return (time_t)wire.wall_clock;
}

void wire_reset(void)
{
    wire = (struct wire){.chunk = 1400, .wall_clock = START_TIME};
}

struct link *link_of(struct connection *c)
{
    return c ? c->user : NULL;
}

// ---- nodes

void identity_make(struct identity *identity, time_t now)
{
    *identity = (struct identity){.rsa = rsa_generate(1024), .has_master_secret = true};
    rsa_fingerprint_sha1(identity->rsa, identity->rsa_id);
    rsa_fingerprint_sha256(identity->rsa, identity->rsa_id_sha256);
    ed25519_generate(&identity->master);
    ed25519_generate(&identity->signing);
    identity->signing_cert_expires = now + 30 * 86400;
    int n =
        ed_cert_encode(ED_CERT_ID_SIGNING, ED_CERT_KEY_ED25519, identity->signing.public_key,
                       ed_cert_hours((uint64_t)identity->signing_cert_expires), &identity->master,
                       true, identity->signing_cert, sizeof identity->signing_cert);
    assert_true(n > 0);
    identity->signing_cert_length = (size_t)n;
}

void identity_release(struct identity *identity)
{
    rsa_free(identity->rsa);
}

static void init(struct node *node, uint32_t ipv4, struct identity *identity)
{
    node->config.addresses[0] = address_ipv4(ipv4, 9001);
    node->config.address_count = identity ? 1 : 0;
    node->config.dataplane.max_links = 1000;
    node->relay.loop = uv_default_loop();
    node->relay.config = &node->config;
    node->relay.identity = identity;
    node->relay.wall_clock = test_wall_clock;
    node->relay.links = link_table_create(&node->relay);
    assert_non_null(node->relay.links);
}

void node_init(struct node *node, uint32_t ipv4)
{
    *node = (struct node){0};
    identity_make(&node->identity, test_wall_clock());
    init(node, ipv4, &node->identity);
}

void node_init_client(struct node *node, uint32_t ipv4)
{
    *node = (struct node){0};
    init(node, ipv4, NULL);
}

void node_release(struct node *node)
{
    link_table_free(node->relay.links);
    identity_release(&node->identity);
    uv_run(uv_default_loop(), UV_RUN_NOWAIT);
}

void target_of(const struct node *to, struct link_target *target)
{
    *target = (struct link_target){.has_ed_id = true, .n_addresses = 1};
    memcpy(target->rsa_id, to->identity.rsa_id, 20);
    memcpy(target->ed_id, to->identity.master.public_key, 32);
    target->addresses[0] = to->config.addresses[0];
}

// ---- the connection layer

static struct node *node_of(struct relay *relay)
{
    return (struct node *)((char *)relay - offsetof(struct node, relay));
}

static struct end *end_of(struct connection *c)
{
    return (struct end *)c;
}

static struct end *end_new(struct relay *relay, const struct address *remote, bool dialled)
{
    static uint32_t generation;
    for (unsigned i = 0; i < ENDS_MAX; i++) {
        if (ends[i])
            continue;
        struct end *e = calloc(1, sizeof *e);
        e->c.relay = relay;
        e->c.remote = *remote;
        e->c.dialled = dialled;
        e->c.handle = (struct handle){i, ++generation};
        return ends[i] = e;
    }
    fail_msg("too many connections");
    return NULL;
}

struct connection *connection_dial(struct relay *relay, const struct address *remote,
                                   const struct connection_ops *ops, void *user)
{
    struct end *e = end_new(relay, remote, true);
    e->c.ops = ops;
    e->c.user = user;
    e->connecting = true;
    node_of(relay)->dialled = &e->c;
    node_of(relay)->dials++;
    return &e->c;
}

struct connection *connection_find(struct connection_table *t, uint8_t worker, struct handle handle)
{
    (void)t;
    (void)worker;
    struct end *e = handle.index < ENDS_MAX ? ends[handle.index] : NULL;
    return e && e->c.handle.generation == handle.generation ? &e->c : NULL;
}

static void append(uint8_t **to, size_t *length, const void *bytes, size_t n)
{
    *to = realloc(*to, *length + n + 1);
    memcpy(*to + *length, bytes, n);
    *length += n;
}

void connection_send(struct connection *c, const void *bytes, size_t length)
{
    struct end *e = end_of(c), *peer = e->peer;
    assert_true(length > 0);
    if (!peer || c->closing)
        return;
    if (e->records)
        append(&peer->plain, &peer->plain_length, bytes, length);
    else
        append(&peer->raw, &peer->raw_length, bytes, length);
}

void connection_consumed(struct connection *c, uint64_t offset)
{
    assert_true(offset >= end_of(c)->consumed && offset <= end_of(c)->raw_given);
    end_of(c)->consumed = offset;
}

void connection_start_tls(struct connection *c, uint64_t records_begin_at,
                          const struct tls_keys *keys_rx, const struct tls_keys *keys_tx)
{
    struct end *e = end_of(c);
    assert_false(e->records);
    // Records begin where raw bytes end.
    assert_int_equal(records_begin_at, e->raw_length);
    assert_int_equal(e->consumed, e->raw_length);
    e->records = true;
    e->rx = *keys_rx;
    e->tx = *keys_tx;
    if (!e->peer || !e->peer->records)
        return;
    assert_memory_equal(&e->rx, &e->peer->tx, sizeof e->rx);
    assert_memory_equal(&e->tx, &e->peer->rx, sizeof e->tx);
    assert_memory_not_equal(e->rx.key, e->tx.key, 16);
}

void connection_rekey(struct connection *c, const struct tls_keys *keys_rx,
                      const struct tls_keys *keys_tx, const void *handshake, size_t length)
{
    assert_true(end_of(c)->records && length <= sizeof wire.rekey.handshake);
    wire.rekey.rx = *keys_rx;
    wire.rekey.tx = *keys_tx;
    wire.rekey.handshake_length = length;
    wire.rekey.count++;
    if (length)
        memcpy(wire.rekey.handshake, handshake, length);
}

void connection_open_link(struct connection *c)
{
    assert_true(end_of(c)->records);
}

void connection_close(struct connection *c, enum conn_close_reason reason, uint8_t tls_alert)
{
    if (c->closing)
        return;
    c->closing = true;
    end_of(c)->close_asked = true;
    end_of(c)->close_reason = reason;
    wire.last_alert = tls_alert;
    wire.last_close = reason;
}

// ---- delivery

static void end_closed(struct end *e, enum conn_close_reason reason)
{
    struct node *node = node_of(e->c.relay);
    if (e->peer) {
        e->peer->peer = NULL;
        if (!e->peer->close_asked) {
            e->peer->close_asked = true;
            e->peer->close_reason = CONN_CLOSE_DONE;
        }
    }
    if (node->dialled == &e->c)
        node->dialled = NULL;
    if (node->accepted == &e->c)
        node->accepted = NULL;
    node->closes++;
    ends[e->c.handle.index] = NULL;
    if (e->c.ops && e->c.ops->closed)
        e->c.ops->closed(&e->c, reason);
    free(e->raw);
    free(e->plain);
    free(e);
}

static void connect_end(struct end *e)
{
    struct node *from = node_of(e->c.relay), *to = from->reaches;
    e->connecting = false;
    if (!to || e->c.closing || !e->c.ops) {
        end_closed(e, CONN_CLOSE_REFUSED);
        return;
    }
    struct end *other = end_new(&to->relay, &from->config.addresses[0], false);
    other->c.remote.port = 40000;
    other->peer = e;
    e->peer = other;
    e->c.standing = other->c.standing = true;
    to->accepted = &other->c;
    link_accept(&to->relay, &other->c);
    e->c.ops->connected(&e->c);
}

static void give_raw(struct end *e)
{
    size_t n = e->raw_length - e->raw_given;
    n = n < wire.chunk ? n : wire.chunk;
    uint64_t offset = e->raw_given;
    // A copy of exactly that size, for the address sanitizer.
    uint8_t *bytes = malloc(n);
    memcpy(bytes, e->raw + offset, n);
    e->raw_given += n;
    e->c.ops->data(&e->c, offset, bytes, n);
    free(bytes);
}

void wire_give_raw(struct connection *c, const uint8_t *bytes, size_t length)
{
    struct end *e = end_of(c);
    e->records = false;
    append(&e->raw, &e->raw_length, bytes, length);
    while (e->raw_given < e->raw_length && !c->closing && !e->records)
        give_raw(e);
}

static void give_cell(struct end *e, const struct cell *cell)
{
    if (e->c.closing)
        return;
    struct link_cell_info info = cell->info;
    info.total_length = (uint32_t)cell->length;
    bool variable = cell_command_is_variable(info.command);
    do {
        size_t n = cell->length - info.offset;
        n = variable && n > wire.chunk ? wire.chunk : n;
        uint8_t *bytes = malloc(n);
        memcpy(bytes, cell->body + info.offset, n);
        e->c.ops->link_cell(&e->c, &info, bytes, n);
        free(bytes);
        info.offset += (uint32_t)n;
    } while (info.offset < cell->length && !e->c.closing);
}

static void read_cell(const struct end *e, struct reader *r, struct cell *cell)
{
    cell->info.circid_length = e->wide_circids ? 4 : 2;
    cell->info.circid = e->wide_circids ? read_u32(r) : read_u16(r);
    cell->info.command = read_u8(r);
    bool variable = cell_command_is_variable(cell->info.command);
    cell->length = variable ? read_u16(r) : CELL_BODY_LEN;
    read_into(r, cell->body, cell->length);
    assert_false(r->failed);
}

// The sender's log becomes what the receiver has, and what is still on its way from `begin`.
static void rewrite_log(struct end *e, struct cell *scratch, size_t begin)
{
    struct link *receiver = link_of(&e->c), *sender = e->peer ? link_of(&e->peer->c) : NULL;
    if (!receiver || !receiver->handshake || !sender || !sender->handshake)
        return;
    sender->handshake->log_sent = receiver->handshake->log_received;
    struct reader r = reader_of(e->plain + begin, e->plain_length - begin);
    while (reader_left(&r) > 0) {
        const uint8_t *at = r.at;
        read_cell(e, &r, scratch);
        if (scratch->info.command == CELL_VERSIONS || scratch->info.command == CELL_NETINFO ||
            scratch->info.command == CELL_AUTHENTICATE)
            break;
        sha256_update(&sender->handshake->log_sent, at, (size_t)(r.at - at));
    }
}

void wire_inject(struct connection *to, uint8_t command, uint32_t circid, const uint8_t *body,
                 size_t length, bool logged, bool instead)
{
    struct end *e = end_of(to);
    struct cell *cell = calloc(1, sizeof *cell);
    cell->info.command = command;
    cell->info.circid = circid;
    cell->info.circid_length = e->wide_circids ? 4 : 2;
    cell->length = length;
    memcpy(cell->body, body, length);
    give_cell(e, cell);
    if (instead && command == CELL_VERSIONS)
        e->wide_circids = true;
    if (logged)
        rewrite_log(e, cell, instead ? e->plain_given : e->plain_under_way);
    free(cell);
}

struct connection *wire_bare(struct node *node, bool initiator)
{
    struct end *e = end_new(&node->relay, &node->config.addresses[0], initiator);
    if (initiator) {
        e->c.ops = &link_connection_ops;
        e->c.user = link_new(node->relay.links, true);
        assert_non_null(e->c.user);
        link_of(&e->c)->connection = &e->c;
    } else {
        link_accept(&node->relay, &e->c);
    }
    struct link *link = e->c.user;
    assert_non_null(link);
    e->c.standing = e->records = e->wide_circids = true;
    link->handshake->exporter.cipher = TLS_AES_128_GCM_SHA256_ID;
    memcpy(link->handshake->tls_cert_sha256, link->handshake->context->link_cert_sha256, 32);
    link_handshake_start(link);
    return &e->c;
}

static void give_plain(struct end *e)
{
    struct cell *cell = calloc(1, sizeof *cell);
    struct reader r = reader_of(e->plain + e->plain_given, e->plain_length - e->plain_given);
    read_cell(e, &r, cell);
    e->plain_under_way = e->plain_given;
    e->plain_given = e->plain_length - reader_left(&r);
    if (!wire.tap || wire.tap(wire.user, &e->c, cell) == WIRE_PASS)
        give_cell(e, cell);
    e->plain_under_way = e->plain_given;
    if (cell->info.command == CELL_VERSIONS)
        e->wide_circids = true;
    free(cell);
}

// One step for one end. False: nothing to do.
static bool step(struct end *e)
{
    if (e->connecting)
        connect_end(e);
    else if (!e->c.closing && !e->records && e->raw_given < e->raw_length)
        give_raw(e);
    else if (!e->c.closing && e->records && e->plain_given < e->plain_length)
        give_plain(e);
    else if (e->close_asked)
        end_closed(e, e->close_reason);
    else
        return false;
    return true;
}

void wire_run(void)
{
    bool worked;
    do {
        worked = false;
        for (unsigned i = 0; i < ENDS_MAX; i++)
            worked = (ends[i] && step(ends[i])) || worked;
    } while (worked);
}

void wire_close_all(void)
{
    for (unsigned i = 0; i < ENDS_MAX; i++)
        if (ends[i])
            ends[i]->close_asked = true;
    wire.tap = NULL;
    wire_run();
}
