// SPDX-License-Identifier: BSD-3-Clause
// A circuit of ours and its relays.
#include "journey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/cgo.h"
#include "crypto/tor1.h"

// ---- its user

static void on_hop_built(struct circuit *c, unsigned hops)
{
    struct journey *j = own_circuit_user(c);
    assert_false(j->inside);
    assert_int_equal(hops, j->built + 1);
    assert_int_equal(own_circuit_hops_built(c), hops);
    j->built = hops;
    if (j->close_when_built == hops)
        own_circuit_close(c, DESTROY_FINISHED);
}

static void on_opened(struct circuit *c)
{
    struct journey *j = own_circuit_user(c);
    assert_false(j->inside);
    assert_int_equal(j->built, own_circuit_path(c)->n_hops);
    j->opened++;
}

static bool on_message(struct circuit *c, const struct message *m)
{
    struct journey *j = own_circuit_user(c);
    (void)m;
    assert_false(j->inside);
    j->messages++;
    return !j->refuses;
}

static void on_closed(struct circuit *c, enum destroy_reason reason, bool by_network)
{
    struct journey *j = own_circuit_user(c);
    assert_false(j->inside);
    assert_true(own_circuit_is_gone(c));
    j->closed++;
    j->reason = reason;
    j->by_network = by_network;
}

const struct own_circuit_ops journey_ops = {on_hop_built, on_opened, on_message, on_closed};

void journey_make_far(struct journey *j, unsigned i, enum relay_kind kind)
{
    struct far *far = &j->fars[i];
    struct own_circuit_hop *hop = &j->path.hops[i];
    far->kind = kind;
    far->offer = onion_skin_default_offer;
    far->keys.key_count = 1;
    curve25519_generate(&far->keys.keys[0]);
    curve25519_generate(&far->keys.junk);
    memset(far->keys.rsa_id, 0x40 + (int)i, sizeof(far->keys.rsa_id));
    memset(far->keys.ed25519_id, 0x50 + (int)i, sizeof(far->keys.ed25519_id));
    if (i == 0) { // there is a link to it
        memcpy(far->keys.rsa_id, j->desk->links[FAR].rsa_id, 20);
        memcpy(far->keys.ed25519_id, j->desk->links[FAR].ed_id, 32);
    }
    memcpy(hop->target.rsa_id, far->keys.rsa_id, 20);
    memcpy(hop->target.ed_id, far->keys.ed25519_id, 32);
    hop->target.has_ed_id = true;
    hop->target.n_addresses = 2;
    hop->target.addresses[0].family = ADDRESS_IPV6;
    hop->target.addresses[0].port = 443;
    hop->target.addresses[1] = address_ipv4(0x05060700 + i, (uint16_t)(9000 + i));
    hop->has_ntor_key = true;
    memcpy(hop->ntor_key, far->keys.keys[0].public_key, 32);
    hop->ntor_v3 = hop->congestion_control = kind != PLAIN;
    hop->cgo = kind == CGO;
}

struct journey *journey_plan(unsigned n, const enum relay_kind *kinds)
{
    return journey_plan_at(desk_open(), n, kinds);
}

struct journey *journey_plan_at(struct desk *desk, unsigned n, const enum relay_kind *kinds)
{
    struct journey *j = calloc(1, sizeof(*j));
    assert_non_null(j);
    j->desk = desk;
    j->n = j->path.n_hops = n;
    for (unsigned i = 0; i < n; i++)
        journey_make_far(j, i, kinds ? kinds[i] : PLAIN);
    return j;
}

void journey_end(struct journey *j)
{
    desk_close(j->desk);
    assert_int_equal(j->closed, j->circuit ? 1 : 0);
    free(j);
}

void journey_begin(struct journey *j)
{
    j->inside = true;
    j->circuit = own_circuit_build(&j->desk->relay, &j->path, &journey_ops, j);
    j->inside = false;
    assert_non_null(j->circuit);
    desk_expect_nothing(j->desk); // later, not now
    desk_turn(j->desk);
}

// ---- a hop's part

static void answer_skin(struct journey *j, unsigned hop, const uint8_t *create2, size_t length)
{
    uint8_t body[CELL_BODY_LEN] = {0};
    struct onion_skin skin;
    const struct onion_skin *skins[1] = {&skin};
    memcpy(body, create2, length);
    assert_int_equal(onion_skin_parse(CELL_CREATE2, body, &skin), DESTROY_NONE);
    j->handshake = skin.handshake;
    onion_skins_answer(NULL, &j->fars[hop].keys, &j->fars[hop].offer, skins, &j->answer, 1);
    assert_int_equal(j->answer.refused, DESTROY_NONE);
}

// The worker's and the first hop's part, as far as the answer.
static void take_dial(struct journey *j)
{
    struct message *m = desk_expect(j->desk, MSG_CIRCUIT_DIAL);
    assert_int_equal(m->command, CELL_CREATE2);
    assert_int_equal(m->worker, j->desk->links[FAR].connection.worker);
    j->cookie = m->cookie;
    j->end = desk_new_end(j->desk);
    answer_skin(j, 0, m->payload, m->length);
    channel_free(m);
    struct message *dialled = desk_up(j->desk, 1, MSG_CIRCUIT_DIALLED);
    dialled->circuit = j->end;
    dialled->cookie = j->cookie;
    desk_tell(j->desk, dialled);
}

// EXTEND2 to hop `hop`, at the one before it.
static void take_extend(struct journey *j, unsigned hop)
{
    struct extend_request request;
    struct message *m = desk_expect(j->desk, MSG_CIRCUIT_ORIGINATE);
    assert_int_equal(m->worker, 1);
    assert_int_equal(m->circuit.generation, j->end.generation);
    assert_int_equal(m->command, CELL_RELAY_EARLY);
    j->early++;
    assert_int_equal(m->relay.command, RELAY_EXTEND2);
    assert_int_equal(m->relay.hop, hop);
    assert_int_equal(m->relay.stream_id, 0);
    assert_true(extend_parse(m->payload, m->length, &request));
    assert_memory_equal(request.target.rsa_id, j->fars[hop].keys.rsa_id, 20);
    assert_int_equal(request.target.n_addresses, 1); // a client names no IPv6
    assert_memory_equal(&request.target.addresses[0], &j->path.hops[hop].target.addresses[1],
                        sizeof(struct address));
    answer_skin(j, hop, request.create2, request.create2_length);
    channel_free(m);
}

void journey_tell_answer(struct journey *j, unsigned hop)
{
    if (hop == 0)
        desk_tell_created(j->desk, 1, j->end, j->cookie, CELL_CREATED2, j->answer.body,
                          j->answer.body_length);
    else
        desk_tell_relay_from(j->desk, 1, j->end, hop, RELAY_EXTENDED2, 0, j->answer.body,
                             j->answer.body_length);
}

void journey_expect_hop(struct journey *j)
{
    struct message *m = desk_expect(j->desk, MSG_CIRCUIT_ADD_HOP);
    assert_int_equal(m->circuit.generation, j->end.generation);
    assert_true(m->secret);
    assert_int_equal(m->crypto.kind, j->answer.crypto.kind);
    assert_memory_equal(m->crypto.material, j->answer.crypto.material,
                        m->crypto.kind == CIRCUIT_CRYPTO_CGO ? CGO_MATERIAL_LEN
                                                             : TOR1_MATERIAL_LEN);
    channel_free(m);
}

void journey_take_request(struct journey *j, unsigned hop)
{
    if (hop == 0)
        take_dial(j);
    else
        take_extend(j, hop);
}

void journey_build_hop(struct journey *j, unsigned hop)
{
    journey_take_request(j, hop);
    journey_tell_answer(j, hop);
    journey_expect_hop(j);
    assert_int_equal(j->built, hop + 1);
}

void journey_build_to(struct journey *j, unsigned hops)
{
    journey_begin(j);
    for (unsigned i = 0; i < hops; i++)
        journey_build_hop(j, i);
}

struct journey *journey_open(unsigned n)
{
    struct journey *j = journey_plan(n, NULL);
    journey_build_to(j, n);
    assert_int_equal(j->opened, 1);
    desk_expect_nothing(j->desk);
    return j;
}

// It closes, its next hop does not learn why, and the user does, later.
void journey_expect_closed(struct journey *j, enum destroy_reason reason, bool by_network)
{
    desk_expect_close(j->desk, 1, j->end, DESTROY_NONE);
    desk_expect_nothing(j->desk);
    assert_int_equal(j->closed, 0);
    desk_turn(j->desk);
    assert_int_equal(j->closed, 1);
    assert_int_equal(j->reason, reason);
    assert_int_equal(j->by_network, by_network);
    assert_int_equal(circuit_table_count(j->desk->relay.circuits), 0);
}
