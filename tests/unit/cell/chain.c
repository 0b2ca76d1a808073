// SPDX-License-Identifier: BSD-3-Clause
// The relays' side of a circuit that a worker began.
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/cgo_message.h"

struct chain *chain_dial(struct peer_link *link)
{
    struct peer_cell cell;
    struct chain *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);
    memset(c, 0, sizeof(*c));
    c->link = link;
    c->cipher = cell_cipher_create();
    c->cgo = cgo_cipher_create();
    fake_set_window(link->tcp, 1 << 20);
    struct message *dial = rig_message(link->rig, link->worker, MSG_CIRCUIT_DIAL);
    dial->conn = link->conn;
    dial->cookie = CHAIN_COOKIE;
    dial->command = CELL_CREATE_FAST;
    rig_send(link->rig, dial);
    struct message *dialled = rig_expect(link->rig, MSG_CIRCUIT_DIALLED);
    c->end = dialled->circuit;
    channel_free(dialled);
    peer_expect_cell(link, &cell, CELL_CREATE_FAST);
    c->circid = cell.circid;
    return c;
}

void chain_created(struct chain *c)
{
    peer_send_cell(c->link, c->circid, CELL_CREATED_FAST, "answer", 6);
    rig_run(c->link->rig);
    struct message *created = rig_expect(c->link->rig, MSG_CIRCUIT_CREATED);
    assert_int_equal(created->circuit.index, c->end.index);
    assert_int_equal(created->cookie, CHAIN_COOKIE);
    channel_free(created);
}

struct chain *chain_open(struct peer_link *link)
{
    struct chain *c = chain_dial(link);
    chain_created(c);
    return c;
}

static void side_init(struct chain_side *side, const uint8_t seed[32], const uint8_t key[32])
{
    static const uint8_t iv[16];
    side->digest = EVP_MD_CTX_new();
    side->cipher = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_DigestInit_ex(side->digest, EVP_sha3_256(), NULL), 1);
    assert_int_equal(EVP_DigestUpdate(side->digest, seed, 32), 1);
    assert_int_equal(EVP_EncryptInit_ex(side->cipher, EVP_aes_256_ctr(), NULL, key, iv), 1);
}

static void side_free(struct chain_side *side)
{
    EVP_MD_CTX_free(side->digest);
    EVP_CIPHER_CTX_free(side->cipher);
}

static void side_crypt(struct chain_side *side, uint8_t body[CELL_BODY_LEN])
{
    int n = 0;
    assert_int_equal(EVP_EncryptUpdate(side->cipher, body, &n, body, CELL_BODY_LEN), 1);
}

// The digest field of the body is zeros.
static void side_digest(struct chain_side *side, const uint8_t body[CELL_BODY_LEN],
                        uint8_t tag[LAYER_TAG_MAX])
{
    uint8_t digest[32];
    assert_int_equal(EVP_DigestUpdate(side->digest, body, CELL_BODY_LEN), 1);
    EVP_MD_CTX *now = EVP_MD_CTX_new();
    assert_int_equal(EVP_MD_CTX_copy_ex(now, side->digest), 1);
    assert_int_equal(EVP_DigestFinal_ex(now, digest, NULL), 1);
    EVP_MD_CTX_free(now);
    memcpy(tag, digest, LAYER_TAG_MAX);
}

// Whatever comes here is for us, or the test fails.
static bool side_takes(struct chain_hop *hop, uint8_t body[CELL_BODY_LEN])
{
    uint8_t claimed[4];
    side_crypt(&hop->from_us, body);
    memcpy(claimed, body + 5, sizeof(claimed));
    memset(body + 5, 0, sizeof(claimed));
    side_digest(&hop->from_us, body, hop->tag);
    assert_memory_equal(claimed, hop->tag, sizeof(claimed));
    return body[1] == 0 && body[2] == 0;
}

struct message *chain_hop(struct chain *c, enum circuit_crypto_kind kind)
{
    struct message *m = rig_message(c->link->rig, c->link->worker, MSG_CIRCUIT_ADD_HOP);
    struct chain_hop *hop = &c->hops[c->n++];
    m->circuit = c->end;
    m->secret = true;
    m->crypto.kind = (uint8_t)kind;
    for (unsigned i = 0; i < sizeof(m->crypto.material); i++)
        m->crypto.material[i] = (uint8_t)rand();
    hop->kind = (uint8_t)kind;
    if (kind == CIRCUIT_CRYPTO_ONION) {
        side_init(&hop->from_us, m->crypto.material, m->crypto.material + 64);
        side_init(&hop->to_us, m->crypto.material + 32, m->crypto.material + 96);
    } else if (kind == CIRCUIT_CRYPTO_CGO)
        cgo_relay_layers_init(c->cgo, &hop->forward.cgo, &hop->backward.cgo, m->crypto.material);
    else
        tor1_layers_init(c->cipher, &hop->forward.tor1, &hop->backward.tor1, m->crypto.material);
    return m;
}

void chain_add(struct chain *c, enum circuit_crypto_kind kind)
{
    rig_send(c->link->rig, chain_hop(c, kind));
}

enum circuit_crypto_kind chain_kind(char kind)
{
    return kind == 'o'   ? CIRCUIT_CRYPTO_ONION
           : kind == 'c' ? CIRCUIT_CRYPTO_CGO
                         : CIRCUIT_CRYPTO_TOR1;
}

struct chain *chain_of(struct peer_link *link, const char *kinds)
{
    struct chain *c = chain_open(link);
    for (; *kinds; kinds++)
        chain_add(c, chain_kind(*kinds));
    return c;
}

void chain_free(struct chain *c)
{
    cell_cipher_destroy(c->cipher);
    cgo_cipher_destroy(c->cgo);
    for (unsigned i = 0; i < sizeof(c->hops) / sizeof(c->hops[0]); i++) {
        side_free(&c->hops[i].from_us);
        side_free(&c->hops[i].to_us);
    }
    free(c);
}

unsigned chain_tag_length(const struct chain *c, unsigned hop)
{
    return c->hops[hop - 1].kind == CIRCUIT_CRYPTO_CGO ? CGO_TAG_LEN : TOR1_TAG_LEN;
}

void chain_ask(struct chain *c, unsigned hop, uint8_t cell_command, uint8_t relay_command,
               uint16_t stream_id, uint8_t tell, const void *body, uint16_t length)
{
    struct message *m = rig_message(c->link->rig, c->link->worker, MSG_CIRCUIT_ORIGINATE);
    m->circuit = c->end;
    m->command = cell_command;
    m->relay.hop = (uint8_t)hop;
    m->relay.command = relay_command;
    m->relay.stream_id = stream_id;
    m->relay.tell = tell;
    m->length = length;
    memcpy(m->payload, body, length);
    channel_send_down(&c->link->rig->channels[c->link->worker], m);
}

static void run_tor1(struct chain *c, struct tor1_layer *layer, uint8_t *body)
{
    uint8_t buffer[CELL_CIPHER_SCRATCH + CELL_BODY_LEN] = {0};
    uint8_t *cell = buffer + CELL_CIPHER_SCRATCH;
    memcpy(cell, body, CELL_BODY_LEN);
    cell_cipher_add(c->cipher, &layer->cipher, cell, cell);
    cell_cipher_run(c->cipher);
    memcpy(body, cell, CELL_BODY_LEN);
}

static bool ends_at(struct chain *c, struct chain_hop *hop, struct peer_cell *cell)
{
    if (hop->kind == CIRCUIT_CRYPTO_CGO)
        return cgo_relay_forward(c->cgo, &hop->forward.cgo, cell->command, cell->body, hop->tag);
    if (hop->kind == CIRCUIT_CRYPTO_ONION)
        return side_takes(hop, cell->body);
    run_tor1(c, &hop->forward.tor1, cell->body);
    return tor1_recognise(&hop->forward.tor1, cell->body, hop->tag);
}

unsigned chain_take(struct chain *c, struct peer_cell *cell)
{
    for (unsigned hop = 1; hop <= c->n; hop++)
        if (ends_at(c, &c->hops[hop - 1], cell))
            return hop;
    return 0;
}

struct relay_message chain_parse(const struct chain *c, unsigned hop, const struct peer_cell *cell)
{
    struct relay_message m;
    assert_true(layer_parse(c->hops[hop - 1].kind, cell->body, &m));
    return m;
}

void chain_cover(struct chain *c, unsigned hop, uint8_t body[CELL_BODY_LEN])
{
    for (struct chain_hop *h = &c->hops[hop]; h-- > c->hops;) {
        if (h->kind == CIRCUIT_CRYPTO_CGO)
            cgo_relay_backward(c->cgo, &h->backward.cgo, CELL_RELAY, body);
        else if (h->kind == CIRCUIT_CRYPTO_ONION)
            side_crypt(&h->to_us, body);
        else
            run_tor1(c, &h->backward.tor1, body);
    }
}

void chain_mark(struct chain_hop *hop, uint8_t body[CELL_BODY_LEN])
{
    side_digest(&hop->to_us, body, hop->tag);
    memcpy(body + 5, hop->tag, 4);
}

void chain_answer(struct chain *c, unsigned hop, uint8_t relay_command, uint16_t stream_id,
                  const void *body, uint16_t length, uint8_t out[CELL_BODY_LEN])
{
    static const uint8_t padding[CELL_BODY_LEN];
    struct chain_hop *h = &c->hops[hop - 1];
    if (h->kind == CIRCUIT_CRYPTO_CGO) {
        struct cgo_message v1 = {relay_command, stream_id, length, body};
        assert_int_equal(cgo_message_build(&v1, padding, out), 0);
        cgo_relay_originate(c->cgo, &h->backward.cgo, CELL_RELAY, out, h->tag);
    } else {
        struct relay_message v0 = {relay_command, stream_id, length, body};
        relay_message_build(&v0, padding, out);
        if (h->kind == CIRCUIT_CRYPTO_ONION) {
            chain_mark(h, out);
            chain_cover(c, hop, out);
            return;
        }
        tor1_originate(&h->backward.tor1, out, h->tag);
        run_tor1(c, &h->backward.tor1, out);
    }
    chain_cover(c, hop - 1, out);
}

void chain_send(struct chain *c, unsigned hop, uint8_t relay_command, uint16_t stream_id,
                const void *body, uint16_t length)
{
    uint8_t cell[CELL_BODY_LEN];
    chain_answer(c, hop, relay_command, stream_id, body, length, cell);
    peer_send_cell(c->link, c->circid, CELL_RELAY, cell, CELL_BODY_LEN);
}
