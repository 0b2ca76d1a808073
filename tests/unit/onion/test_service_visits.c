// SPDX-License-Identifier: BSD-3-Clause
// Introductions that come to a service, and the rendezvous that they lead to (protocol 8.26–8.40,
// 13.36).
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "service_world.h"

struct visitor {
    struct curve25519_key ephemeral;
    struct own_circuit_hop at;
    uint8_t body[RELAY_BODY_MAX];
    size_t length;
    struct intro_point *point;
    struct origin_circuit *intro;
};

static struct visitor comes(uint8_t cookie, unsigned credential)
{
    struct visitor v = {.intro = world_circuit(ORIGIN_SERVICE_INTRO, ORIGIN_OPEN)};
    assert_non_null(v.intro);
    v.point = world_point(v.intro);
    v.at = world_hop(WORLD_RELAYS - 1);
    curve25519_generate(&v.ephemeral);
    v.length = world_introduce(v.point, credential, &v.at, cookie, &v.ephemeral, true, v.body);
    return v;
}

static bool says(const struct visitor *v)
{
    return world_message(v->intro, RELAY_INTRODUCE2, v->body, (uint16_t)v->length);
}

static unsigned building(void)
{
    return world_count(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
}

static void open_established(void (*change)(struct config_onion_service *config))
{
    world_open(change);
    world_establish();
}

// The visitor finds its cookie and agrees on the keys that are on the service's circuit.
static void expect_agreed(const struct visitor *v, uint8_t cookie, const struct origin_circuit *oc)
{
    struct hs_ntor_point point;
    uint8_t public_key[32], auth[32], material[128], expected_cookie[20];
    assert_int_equal(oc->sent, RELAY_RENDEZVOUS1);
    assert_int_equal(oc->sent_length, RENDEZVOUS1_LEN);
    memset(expected_cookie, cookie, sizeof(expected_cookie));
    assert_memory_equal(oc->sent_body, expected_cookie, 20);
    assert_true(rendezvous2_read(oc->sent_body + 20, oc->sent_length - 20u, public_key, auth));
    memcpy(point.auth_key, v->point->info.auth_key, 32);
    memcpy(point.enc_key, v->point->info.enc_key, 32);
    assert_true(hs_ntor_client_rendezvous(&point, &v->ephemeral, public_key, auth, material));
    assert_memory_equal(oc->material, material, sizeof(material));
}

static void test_meets(void **state)
{
    (void)state;
    open_established(NULL);
    struct visitor v = comes(1, 0);
    assert_true(says(&v));
    assert_int_equal(building(), 1);
    struct origin_circuit *oc = world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
    assert_int_equal(oc->request.kind, PATH_VANGUARDS);
    assert_memory_equal(oc->request.last.target.rsa_id, v.at.target.rsa_id, 20);
    assert_memory_equal(oc->request.last.ntor_key, v.at.ntor_key, 32);
    world_circuit_opens(oc);
    expect_agreed(&v, 1, oc);
    assert_int_not_equal(oc->sendme_inc_cells, 0);
    assert_int_equal(world_service()->n_joined, 1);
    // By the other period's, or a master's, credential, without congestion control.
    struct visitor w = comes(2, 1);
    w.length = world_introduce(w.point, 1, &w.at, 2, &w.ephemeral, false, w.body);
    assert_true(says(&w));
    oc = world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
    world_circuit_opens(oc);
    expect_agreed(&w, 2, oc);
    assert_int_equal(oc->sendme_inc_cells, 0);
    assert_int_equal(world_service()->introductions, 2);
    // The visitor goes.
    world_circuit_dies(oc);
    assert_int_equal(world_service()->n_joined, 1);
    assert_int_equal(world_service()->n_rendezvous, 1);
    world_close();
}

// A circuit that is ready needs only one hop more; when that fails, one is made.
static void test_ready_circuit(void **state)
{
    (void)state;
    open_established(NULL);
    assert_true(world.noted > 0);
    struct origin_circuit *ready = world_make_ready();
    struct visitor v = comes(1, 0);
    assert_true(says(&v));
    assert_ptr_equal(world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING), ready);
    assert_int_equal(ready->path.n_hops, 4);
    assert_memory_equal(ready->path.hops[3].target.rsa_id, v.at.target.rsa_id, 20);
    world_circuit_opens(ready);
    expect_agreed(&v, 1, ready);
    ready = world_make_ready();
    world.no_extend = true;
    v = comes(2, 0);
    assert_true(says(&v));
    assert_int_equal(ready->state, ORIGIN_CLOSED);
    struct origin_circuit *made = world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
    ready = world_make_ready(); // a second try does not trust what was ready
    world_circuit_dies(made);
    made = world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
    assert_int_equal(made->request.kind, PATH_VANGUARDS);
    world_circuit_opens(made);
    expect_agreed(&v, 2, made);
    ready->state = ORIGIN_CLOSED;
    world_close();
}

static void test_replays(void **state)
{
    (void)state;
    open_established(NULL);
    struct visitor v = comes(1, 0);
    assert_true(says(&v));
    assert_true(says(&v));
    assert_int_equal(building(), 1);
    assert_int_equal(world_service()->replays, 1);
    // The same cookie in another message, also at another point.
    struct visitor w = comes(1, 0);
    w.intro = world_service()->points.tqh_first->circuit;
    w.point = world_point(w.intro);
    w.length = world_introduce(w.point, 0, &w.at, 1, &w.ephemeral, true, w.body);
    assert_true(says(&w));
    assert_int_equal(building(), 1);
    assert_int_equal(world_service()->replays, 2);
    assert_int_equal(world.relay.counters.drop_service_replay, 2);
    // After ten minutes the cookie is forgotten; the message is not, as long as the point lives,
    // and not when its circuit was built anew.
    world_pass(601);
    struct visitor x = comes(1, 0);
    assert_true(says(&x));
    assert_int_equal(building(), 1);
    world_circuit_dies(v.intro);
    world_establish();
    v.intro = v.point->circuit;
    assert_true(says(&v));
    assert_int_equal(world_service()->replays, 3);
    world_close();
}

// What fills the memory of a point wears the point out, whatever else is said of it: one cookie in
// message after message, too. Nothing can be replayed that the full memory has no place for: what
// it can't hold is told by its cookie for as long as the point still stands.
static void test_full_memory(void **state)
{
    (void)state;
    open_established(NULL);
    struct visitor v = comes(1, 0);
    struct intro_point *p = v.point;
    p->introductions_max = 20;
    p->seen.most = 21;
    for (unsigned i = 0; i < 21; i++) {
        curve25519_generate(&v.ephemeral);
        v.length = world_introduce(p, 0, &v.at, 1, &v.ephemeral, true, v.body);
        assert_true(says(&v));
    }
    assert_int_equal(building(), 1);
    assert_int_equal(world_service()->replays, 20);
    assert_true(p->introductions >= p->introductions_max);
    world_pass(1);
    assert_true(p->retires_ms != 0);
    struct visitor late = comes(2, 0);
    late.intro = v.intro;
    late.length = world_introduce(p, 0, &late.at, 2, &late.ephemeral, true, late.body);
    assert_true(says(&late));
    assert_true(says(&late));
    assert_int_equal(building(), 2);
    assert_int_equal(world_service()->replays, 21);
    world_close();
}

// … and so do cookies that there is no room for.
static void test_full_cookies(void **state)
{
    (void)state;
    open_established(NULL);
    world_service()->cookies.most = 3;
    for (uint8_t cookie = 1; cookie <= 4; cookie++) {
        struct visitor v = comes(cookie, 0), again = comes(cookie, 0);
        assert_true(says(&v));
        assert_true(says(&again));
    }
    assert_int_equal(world_service()->replays, 4);
    world_close();
}

// What is not for us, or broken, leads to nothing; only what is not even of the right form closes
// its circuit, for no introduction point lets that through. An encrypted section of a byte they do
// let through: else any visitor could take the service's points away, one after another.
static void test_hostile(void **state)
{
    (void)state;
    enum { HEADER_LEN = 20 + 1 + 2 + 32 + 1 };
    open_established(NULL);
    struct visitor v = comes(1, 0);
    for (size_t i = 0; i < v.length; i++) {
        v.body[i] ^= 0x40;
        (void)introduction_take(v.point, v.body, v.length);
        v.body[i] ^= 0x40;
        assert_int_equal(building(), 0);
    }
    for (size_t length = 0; length < v.length; length++) {
        uint8_t *cut = malloc(length + 1); // so that reading past it is seen
        memcpy(cut, v.body, length);
        assert_int_equal(introduction_take(v.point, cut, length), length > HEADER_LEN);
        free(cut);
        assert_int_equal(building(), 0);
    }
    assert_int_equal(world_service()->replays, 0);
    assert_true(says(&v));
    assert_int_equal(building(), 1);
    v.length = 30;
    assert_false(says(&v));
    assert_int_equal(v.intro->state, ORIGIN_CLOSED);
    world_close();
}

// A message that can't be opened with any of the credentials is dropped, and the circuit stays.
static void test_unreadable(void **state)
{
    (void)state;
    open_established(NULL);
    struct visitor v = comes(1, 0);
    world.credentials[0] = world.credentials[1];
    assert_true(says(&v));
    assert_int_equal(building(), 0);
    assert_int_equal(v.intro->state, ORIGIN_OPEN);
    assert_int_equal(world.relay.counters.drop_service_malformed, 1);
    world.n_credentials = 0;
    assert_true(says(&v));
    assert_int_equal(building(), 0);
    world_close();
}

static struct own_circuit_hop at_address(uint32_t address)
{
    struct own_circuit_hop hop = world_hop(3);
    hop.target.addresses[0] = address_ipv4(address, 9001);
    return hop;
}

// A rendezvous point inside our own network, or without a key.
static void test_bad_points(void **state)
{
    (void)state;
    open_established(NULL);
    world.config.testing_network = false;
    struct visitor v = comes(1, 0);
    struct own_circuit_hop bad[] = {at_address(0x7f000001), at_address(0x0a000001), world_hop(3)};
    memset(bad[2].target.rsa_id, 0, 20);
    for (unsigned i = 0; i < 3; i++) {
        v.length =
            world_introduce(v.point, 0, &bad[i], (uint8_t)(10 + i), &v.ephemeral, true, v.body);
        assert_true(says(&v));
        assert_int_equal(building(), 0);
        assert_int_equal(world_service()->refused, i + 1);
    }
    v.at = at_address(0x08080808); // of a relay that nobody knows
    v.length = world_introduce(v.point, 0, &v.at, 20, &v.ephemeral, true, v.body);
    assert_true(says(&v));
    assert_int_equal(building(), 1);
    assert_int_equal(world_service()->n_rendezvous, 1);
    world_close();
}

// Two more circuits after the first, within half a minute.
static void test_dead_point(void **state)
{
    (void)state;
    open_established(NULL);
    struct visitor v = comes(1, 0);
    assert_true(says(&v));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(building(), 1);
        assert_int_equal(world_service()->n_rendezvous, 1);
        world_circuit_dies(world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING));
    }
    assert_int_equal(building(), 0);
    assert_int_equal(world_service()->n_rendezvous, 0);
    assert_int_equal(world.relay.counters.service_rendezvous_failed, 1);
    // The second circuit is as good as the first.
    v = comes(2, 0);
    assert_true(says(&v));
    world_circuit_dies(world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING));
    struct origin_circuit *oc = world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
    world_circuit_opens(oc);
    expect_agreed(&v, 2, oc);
    // One that is never built.
    v = comes(3, 0);
    assert_true(says(&v));
    oc = world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
    world_pass(29);
    assert_int_equal(oc->state, ORIGIN_BUILDING);
    world_pass(1);
    assert_int_equal(oc->state, ORIGIN_CLOSED);
    assert_int_equal(world_service()->n_rendezvous, 1);
    // Its circuit stands, and can't carry the layer.
    v = comes(4, 0);
    assert_true(says(&v));
    oc = world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
    world.no_layer = true;
    world_circuit_opens(oc);
    assert_int_equal(oc->state, ORIGIN_CLOSED);
    assert_int_equal(world_service()->n_rendezvous, 1);
    world_close();
}

// The introduction point goes while its visitors wait for us.
static void test_point_goes(void **state)
{
    (void)state;
    open_established(NULL);
    struct visitor v = comes(1, 0);
    struct intro_point copy = {.info = v.point->info};
    world.launch_error = -ENOBUFS; // so many are being built that it has to wait
    assert_true(says(&v));
    assert_int_equal(building(), 0);
    memset(world.statuses[v.point->hop.target.rsa_id[0] - 'a'].rsa_id, 'z', 20);
    onion_services_network_changed(world.origin.onion_services);
    assert_int_equal(v.intro->state, ORIGIN_CLOSED);
    world.launch_error = 0;
    world_pass(1);
    struct origin_circuit *oc = world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
    world_circuit_opens(oc);
    v.point = &copy;
    expect_agreed(&v, 1, oc);
    world_close();
}

// Many at once wait for their circuits, in order, and none for ever.
static void test_waiting(void **state)
{
    (void)state;
    open_established(NULL);
    world.launch_error = -ENOBUFS;
    for (unsigned i = 0; i < 100; i++) {
        struct visitor v = comes((uint8_t)(i + 1), 0);
        assert_true(says(&v));
    }
    assert_int_equal(building(), 0);
    assert_int_equal(world_service()->n_rendezvous, 100);
    world_pass(20);
    world.launch_error = 0;
    struct visitor v = comes(101, 0);
    assert_true(says(&v));
    assert_int_equal(building(), 101);
    struct origin_circuit *oc = world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
    world_circuit_opens(oc);
    expect_agreed(&v, 101, oc);
    world.launch_error = -EAGAIN;
    v = comes(102, 0);
    assert_true(says(&v));
    world_pass(31);
    assert_int_equal(world_service()->n_rendezvous, 1);
    assert_int_equal(building(), 0);
    // No relay serves this path at all.
    world.launch_error = -ENOENT;
    v = comes(103, 0);
    assert_true(says(&v));
    assert_int_equal(world_service()->n_rendezvous, 1);
    world_close();
}

static void ask_for_work(struct config_onion_service *config)
{
    config->pow = true;
}

static void test_proof_of_work(void **state)
{
    (void)state;
    open_established(ask_for_work);
    struct visitor v = comes(1, 1);
    assert_true(says(&v));
    assert_int_equal(building(), 0);
    assert_memory_equal(world.queued_blinded, world.credentials[1].blinded_public, 32);
    world_pass(1);
    assert_int_equal(building(), 1);
    world.pow_refuses = true;
    v = comes(2, 0);
    assert_true(says(&v));
    assert_int_equal(world_service()->refused, 1);
    assert_int_equal(world_service()->n_rendezvous, 1);
    world.pow_refuses = false;
    v = comes(3, 0);
    assert_true(says(&v));
    v = comes(4, 0);
    assert_true(says(&v)); // and the one before is dropped
    assert_int_equal(world_service()->n_rendezvous, 2);
    world_close(); // with one in the queue
}

static void dont_hide(struct config_onion_service *config)
{
    config->single_onion = true;
}

static void test_single_onion(void **state)
{
    (void)state;
    open_established(dont_hide);
    struct visitor v = comes(1, 0);
    assert_true(says(&v));
    struct origin_circuit *oc = world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
    assert_int_equal(oc->request.kind, PATH_CONNECTION);
    assert_int_equal(oc->request.n_hops, 1);
    world_circuit_dies(oc);
    oc = world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
    assert_int_equal(oc->request.n_hops, 3);
    world_circuit_opens(oc);
    expect_agreed(&v, 1, oc);
    world_close();
}

// What a visitor may not say on a circuit that is joined; one that says nothing is let go.
static void test_idle(void **state)
{
    (void)state;
    open_established(NULL);
    struct origin_circuit *oc = world_visitor(1);
    assert_false(world_message(oc, RELAY_INTRODUCE2, "x", 1));
    assert_int_equal(world_service()->n_joined, 0);
    oc = world_visitor(2);
    world_pass(599);
    assert_int_equal(oc->state, ORIGIN_OPEN);
    world_pass(1);
    assert_int_equal(oc->state, ORIGIN_CLOSED);
    world_close();
}

// Visitors that come and say nothing have all circuits there may be: whoever waits takes the place
// of the first of them, but not of one that has just come, nor of one that has had a stream.
static void test_silent_visitors(void **state)
{
    (void)state;
    enum { MAX = 4 };
    struct origin_circuit *silent[MAX];
    open_established(NULL);
    world.origin.onion_services->circuits_max = MAX;
    for (uint8_t i = 0; i < MAX; i++)
        silent[i] = world_visitor((uint8_t)(i + 1));
    ((struct rendezvous *)silent[0]->user)->begun_streams = 1;
    struct visitor v = comes(20, 0);
    assert_true(says(&v));
    assert_int_equal(building(), 0);
    assert_int_equal(world_service()->n_rendezvous, MAX + 1);
    world_pass(9);
    assert_int_equal(building(), 0);
    world_pass(2);
    assert_int_equal(building(), 1);
    assert_int_equal(silent[0]->state, ORIGIN_OPEN);
    assert_int_equal(silent[1]->state, ORIGIN_CLOSED);
    assert_int_equal(silent[2]->state, ORIGIN_OPEN);
    assert_int_equal(world.origin.onion_services->n_circuits, MAX);
    for (uint8_t i = 0; i < 3; i++) { // the others, and last the one that had a stream
        assert_int_equal(silent[0]->state, ORIGIN_OPEN);
        v = comes((uint8_t)(30 + i), 0);
        assert_true(says(&v));
        assert_int_equal(building(), i + 2);
    }
    assert_int_equal(silent[0]->state, ORIGIN_CLOSED);
    assert_int_equal(world_service()->n_joined, 0);
    world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meets),           cmocka_unit_test(test_ready_circuit),
        cmocka_unit_test(test_replays),         cmocka_unit_test(test_full_memory),
        cmocka_unit_test(test_full_cookies),    cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_unreadable),      cmocka_unit_test(test_bad_points),
        cmocka_unit_test(test_dead_point),      cmocka_unit_test(test_point_goes),
        cmocka_unit_test(test_waiting),         cmocka_unit_test(test_proof_of_work),
        cmocka_unit_test(test_single_onion),    cmocka_unit_test(test_idle),
        cmocka_unit_test(test_silent_visitors),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
