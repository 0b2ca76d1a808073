// SPDX-License-Identifier: BSD-3-Clause
// Workers without a network, and those who talk to them.
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_ring.h>

#include "crypto/record_aead.h"

enum { MESSAGES = 4096 };

static const uint8_t peer_key[32] = "the peer's own record key.......";
static const uint8_t relay_key[32] = "the relay's record key..........";

void rig_eal(void)
{
    const char *const arguments[] = {"test", "--no-huge", "--no-shconf",    "--no-pci",
                                     "-m",   "128",       "--no-telemetry", "--log-level=error",
                                     NULL};
    int n = sizeof(arguments) / sizeof(arguments[0]) - 1;
    assert_int_not_equal(rte_eal_init(n, (char **)(uintptr_t)arguments), -1);
}

static void make_ring(struct rig *rig, unsigned from, unsigned to)
{
    char name[32];
    snprintf(name, sizeof(name), "rig_%u_%u", from, to);
    struct rte_ring *ring = rte_ring_create(name, 1024, SOCKET_ID_ANY, 0);
    rig->workers[from].crossings[to].to = ring;
    rig->workers[to].crossings[from].from = ring;
}

struct rig *rig_create(unsigned n_workers)
{
    return rig_create_for(n_workers, 512);
}

struct rig *rig_create_for(unsigned n_workers, unsigned max_circuits)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig->n = n_workers;
    rig->workers = aligned_alloc(64, n_workers * sizeof(struct worker));
    memset(rig->workers, 0, n_workers * sizeof(struct worker));
    rig->cells = rte_mempool_create("rig_cells", RIG_CELLS, sizeof(struct cell), 0, 0, NULL, NULL,
                                    NULL, NULL, SOCKET_ID_ANY, 0);
    struct dataplane_config config = {
        .n_workers = n_workers, .max_links = 16, .max_circuits = max_circuits, .n_interfaces = 1};
    config.interfaces[0].mtu = 1500;
    for (unsigned i = 0; i < n_workers; i++) {
        struct channel *first = i ? &rig->channels[0] : NULL;
        assert_int_equal(channel_open(&rig->channels[i], i, first, MESSAGES), 0);
    }
    for (unsigned i = 0; i < n_workers; i++) {
        struct worker *w = &rig->workers[i];
        char error[256];
        w->index = i;
        w->n_workers = n_workers;
        w->channel = &rig->channels[i];
        w->cells = rig->cells;
        w->workers = rig->workers;
        w->circuit_queue_max_cells = 100;
        assert_int_equal(worker_init(w, &config, NULL, error, sizeof(error)), 0);
    }
    if (n_workers == 2) {
        make_ring(rig, 0, 1);
        make_ring(rig, 1, 0);
    }
    return rig;
}

void rig_destroy(struct rig *rig)
{
    rig_clear_inbox(rig);
    for (unsigned i = 0; i < rig->n; i++)
        worker_release(&rig->workers[i]);
    assert_int_equal(rte_mempool_avail_count(rig->cells), RIG_CELLS);
    for (unsigned i = 0; i < rig->n; i++)
        assert_int_equal(rte_mempool_avail_count(rig->channels[i].up_pool), MESSAGES);
    assert_int_equal(rte_mempool_avail_count(rig->channels[0].down_pool), MESSAGES);
    for (unsigned i = 0; rig->n == 2 && i < 2; i++)
        rte_ring_free(rig->workers[i].crossings[1 - i].to);
    for (unsigned i = rig->n; i-- > 0;)
        channel_close(&rig->channels[i], i == 0);
    rte_mempool_free(rig->cells);
    free(rig->workers);
    free(rig);
}

void rig_run(struct rig *rig)
{
    unsigned work;
    do {
        work = 0;
        for (unsigned i = 0; i < rig->n; i++) {
            work += worker_turn(&rig->workers[i]);
            unsigned room = RIG_MESSAGES_MAX - rig->inbox_length;
            rig->inbox_length +=
                channel_receive_up(&rig->channels[i], rig->inbox + rig->inbox_length, room);
        }
    } while (work);
}

struct message *rig_message(struct rig *rig, unsigned worker, enum message_type type)
{
    return channel_message_down(&rig->channels[worker], type);
}

void rig_send(struct rig *rig, struct message *m)
{
    channel_send_down(&rig->channels[m->worker], m);
    rig_run(rig);
}

bool rig_has(const struct rig *rig, enum message_type type)
{
    for (unsigned i = 0; i < rig->inbox_length; i++)
        if (rig->inbox[i]->type == type)
            return true;
    return false;
}

struct message *rig_expect(struct rig *rig, enum message_type type)
{
    for (unsigned i = 0; i < rig->inbox_length; i++) {
        struct message *m = rig->inbox[i];
        if (m->type != type)
            continue;
        rig->inbox_length--;
        memmove(rig->inbox + i, rig->inbox + i + 1, (rig->inbox_length - i) * sizeof(m));
        return m;
    }
    fail_msg("no message of type %d came", type);
    return NULL;
}

void rig_expect_closed(struct rig *rig, struct handle end, uint8_t reason, bool by_peer)
{
    struct message *m = rig_expect(rig, MSG_CIRCUIT_CLOSED);
    assert_int_equal(m->circuit.index, end.index);
    assert_int_equal(m->circuit.generation, end.generation);
    assert_int_equal(m->close.reason, reason);
    assert_int_equal(m->close.by_peer, by_peer);
    channel_free(m);
}

void rig_clear_inbox(struct rig *rig)
{
    for (unsigned i = 0; i < rig->inbox_length; i++)
        channel_free(rig->inbox[i]);
    rig->inbox_length = 0;
}

// ---- a link's other end

void peer_link_start_records(struct peer_link *link)
{
    const uint8_t iv[12] = {1, 2, 3};
    struct message *m = rig_message(link->rig, link->worker, MSG_TLS_START);
    m->secret = true;
    m->conn = link->conn;
    m->tls.rx = (struct tls_keys){.cipher = TLS_AES_128_GCM_SHA256_ID};
    m->tls.tx = m->tls.rx;
    memcpy(m->tls.rx.key, peer_key, 32);
    memcpy(m->tls.tx.key, relay_key, 32);
    memcpy(m->tls.rx.iv, iv, sizeof(iv));
    memcpy(m->tls.tx.iv, iv, sizeof(iv));
    rig_send(link->rig, m);
    link->aead = record_aead_create();
    assert_true(
        record_key_init(link->aead, &link->seal, TLS_AES_128_GCM_SHA256_ID, peer_key, iv, 0));
    assert_true(
        record_key_init(link->aead, &link->open, TLS_AES_128_GCM_SHA256_ID, relay_key, iv, 0));
}

// VERSIONS and NETINFO, as far as the worker cares for them.
static void handshake(struct peer_link *link)
{
    static const uint8_t versions[] = {0, 0, CELL_VERSIONS, 0, 2, 0, 5};
    peer_link_start_records(link);
    peer_send(link, versions, sizeof(versions));
    peer_send_cell(link, 0, CELL_NETINFO, "", 0);
    rig_run(link->rig);
    channel_free(rig_expect(link->rig, MSG_LINK_CELL));
    struct message *netinfo = rig_expect(link->rig, MSG_LINK_CELL);
    assert_int_equal(netinfo->link_cell.command, CELL_NETINFO);
    channel_free(netinfo);
    struct message *open = rig_message(link->rig, link->worker, MSG_LINK_OPEN);
    open->conn = link->conn;
    rig_send(link->rig, open);
}

static struct peer_link *link_new(struct rig *rig, unsigned worker)
{
    struct peer_link *link = aligned_alloc(64, (sizeof(*link) + 63) / 64 * 64);
    memset(link, 0, sizeof(*link));
    link->rig = rig;
    link->worker = worker;
    return link;
}

struct peer_link *peer_link_accepted(struct rig *rig, unsigned worker)
{
    struct peer_link *link = link_new(rig, worker);
    link->tcp = fake_accept(rig->workers[worker].tcp, address_ipv4(0x0a000002, 4711));
    rig_run(rig);
    struct message *m = rig_expect(rig, MSG_CONN_ACCEPTED);
    assert_int_equal(m->address.port, 4711);
    link->conn = m->conn;
    channel_free(m);
    handshake(link);
    return link;
}

struct peer_link *peer_link_dialled(struct rig *rig, unsigned worker)
{
    struct peer_link *link = link_new(rig, worker);
    struct message *dial = rig_message(rig, worker, MSG_CONN_CONNECT);
    dial->address = address_ipv4(0x0a000003, 9001);
    dial->cookie = 77;
    rig_send(rig, dial);
    link->tcp = fake_last_dialled(rig->workers[worker].tcp);
    fake_connected(link->tcp);
    rig_run(rig);
    struct message *m = rig_expect(rig, MSG_CONN_CONNECTED);
    assert_int_equal(m->cookie, 77);
    link->conn = m->conn;
    channel_free(m);
    handshake(link);
    return link;
}

void peer_link_free(struct peer_link *link)
{
    record_aead_destroy(link->aead);
    free(link->plain);
    free(link);
}

void peer_send(struct peer_link *link, const void *plaintext, size_t length)
{
    static const uint8_t application_data = 23;
    size_t sealed = length + 1 + RECORD_TAG_LEN;
    uint8_t *record = malloc(5 + sealed);
    uint8_t header[5] = {23, 3, 3, (uint8_t)(sealed >> 8), (uint8_t)sealed};
    struct record_op op;
    memcpy(record, header, 5);
    record_aead_begin(link->aead, &op, &link->seal, header);
    record_aead_seal(link->aead, &op, &link->seal, record + 5, plaintext, length);
    record_aead_seal(link->aead, &op, &link->seal, record + 5 + length, &application_data, 1);
    record_aead_seal_end(link->aead, &op, &link->seal, record + 6 + length);
    fake_arrive(link->tcp, record, 5 + sealed);
    free(record);
}

void peer_send_cell(struct peer_link *link, uint32_t circid, uint8_t command, const void *body,
                    size_t length)
{
    uint8_t cell[CELL_LEN] = {(uint8_t)(circid >> 24), (uint8_t)(circid >> 16),
                              (uint8_t)(circid >> 8), (uint8_t)circid, command};
    memcpy(cell + 5, body, length);
    peer_send(link, cell, sizeof(cell));
}

// Opens the records that the worker wrote.
static void open_records(struct peer_link *link)
{
    struct fake_bytes *out = &link->tcp->out;
    while (out->length >= 5) {
        size_t sealed = (size_t)out->bytes[3] << 8 | out->bytes[4];
        if (out->length < 5 + sealed)
            return;
        size_t inner = sealed - RECORD_TAG_LEN;
        struct record_op op;
        link->plain = realloc(link->plain, link->plain_length + inner);
        uint8_t *plain = link->plain + link->plain_length;
        record_aead_begin(link->aead, &op, &link->open, out->bytes);
        record_aead_open(link->aead, &op, &link->open, plain, out->bytes + 5, inner);
        assert_true(record_aead_open_end(link->aead, &op, &link->open, out->bytes + 5 + inner));
        if (plain[inner - 1] == 23)
            link->plain_length += inner - 1;
        fake_taken(link->tcp, 5 + sealed);
    }
}

bool peer_receive_cell(struct peer_link *link, struct peer_cell *out)
{
    open_records(link);
    if (link->plain_length < CELL_LEN)
        return false;
    const uint8_t *p = link->plain;
    out->circid = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    out->command = p[4];
    memcpy(out->body, p + 5, CELL_BODY_LEN);
    link->plain_length -= CELL_LEN;
    memmove(link->plain, link->plain + CELL_LEN, link->plain_length);
    return true;
}

void peer_expect_cell(struct peer_link *link, struct peer_cell *out, uint8_t command)
{
    if (!peer_receive_cell(link, out))
        fail_msg("no cell came; expected command %u", command);
    assert_int_equal(out->command, command);
}

void peer_expect_destroy(struct peer_link *link, uint32_t circid, uint8_t reason)
{
    struct peer_cell cell;
    peer_expect_cell(link, &cell, CELL_DESTROY);
    assert_int_equal(cell.circid, circid);
    assert_int_equal(cell.body[0], reason);
}
