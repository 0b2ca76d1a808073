// SPDX-License-Identifier: BSD-3-Clause
// A service's introduction points: which relays, how many, and what becomes of them (protocol 8.24,
// 8.25, 7.08–7.12).
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "onion/message/intro_cell.h"
#include "service_world.h"

static unsigned points_ready(void)
{
    return intro_points_established(world_service());
}

static void note_info(void *user, const struct onion_service_info *info)
{
    *(struct onion_service_info *)user = *info;
}

static struct onion_service_info info_now(void)
{
    struct onion_service_info info = {0};
    onion_services_each(world.origin.onion_services, note_info, &info);
    return info;
}

// Three are wanted and five tried; the first to stand stay, and the descriptor is told of.
static void test_fastest_stay(void **state)
{
    (void)state;
    world_open(NULL);
    struct onion_service *s = world_service();
    struct onion_intro_point points[INTRO_POINTS_MAX];
    world.may_build = false;
    world_pass(3);
    assert_int_equal(world_count(ORIGIN_SERVICE_INTRO, ORIGIN_BUILDING), 0);
    world.may_build = true;
    world_pass(1);
    assert_int_equal(world_count(ORIGIN_SERVICE_INTRO, ORIGIN_BUILDING), 5);
    assert_false(service_intro_points_ready(s));
    struct origin_circuit *last = world_circuit(ORIGIN_SERVICE_INTRO, ORIGIN_BUILDING);
    assert_int_equal(last->request.kind, PATH_VANGUARDS);
    assert_int_equal(last->request.n_hops, 0);
    world_establish();
    assert_int_equal(points_ready(), 3);
    assert_int_equal(s->n_points, 3);
    assert_int_equal(world_count(ORIGIN_SERVICE_INTRO, ORIGIN_OPEN), 3);
    assert_int_equal(world.changes, 3);
    assert_true(service_intro_points_ready(s));
    assert_int_equal(service_intro_points(s, points, INTRO_POINTS_MAX), 3);
    assert_memory_not_equal(points[0].auth_key, points[1].auth_key, 32);
    assert_memory_not_equal(points[0].enc_key, points[1].enc_key, 32);
    assert_int_equal(info_now().n_intro_points, 3);
    assert_int_equal(info_now().intro_points[0].state, ONION_INTRO_READY);
    world_pass(3600);
    assert_int_equal(world_count(ORIGIN_SERVICE_INTRO, ORIGIN_OPEN), 3); // and nothing more
    world_close();
}

static void ask_limits(struct config_onion_service *config)
{
    config->intro_dos = true;
    config->intro_dos_rate = 7;
    config->intro_dos_burst = 11;
}

// ESTABLISH_INTRO verifies as at a relay, is bound to its circuit, and says the limits.
static void test_establish_intro(void **state)
{
    (void)state;
    struct establish_intro e;
    world_open(ask_limits);
    world_pass(1);
    struct origin_circuit *oc = world_circuit(ORIGIN_SERVICE_INTRO, ORIGIN_BUILDING);
    world_circuit_opens(oc);
    assert_int_equal(oc->sent, RELAY_ESTABLISH_INTRO);
    assert_true(establish_intro_parse(oc->sent_body, oc->sent_length, &e));
    assert_true(establish_intro_verify(&e, oc->nonce));
    assert_memory_equal(e.auth_key, world_point(oc)->info.auth_key, 32);
    assert_true(e.has_limit);
    assert_int_equal(e.rate_per_s, 7);
    assert_int_equal(e.burst, 11);
    oc->nonce[0] ^= 1;
    assert_false(establish_intro_verify(&e, oc->nonce));
    // An answer that is none, one that was not asked for, and one of another hop.
    assert_false(world_message(oc, RELAY_INTRO_ESTABLISHED, "", 0));
    world_establish();
    oc = world_circuit(ORIGIN_SERVICE_INTRO, ORIGIN_OPEN);
    assert_false(world_message(oc, RELAY_INTRO_ESTABLISHED, "\0", 1));
    oc = world_circuit(ORIGIN_SERVICE_INTRO, ORIGIN_OPEN);
    oc->path.n_hops--;
    assert_true(oc->ops->message != NULL);
    struct message m = {.relay = {.command = RELAY_INTRODUCE2, .hop = 4}};
    assert_false(oc->ops->message(oc, &m));
    world_close();
}

// Relays that can't do it, may not, or don't last.
static void test_rules(void **state)
{
    (void)state;
    world_open(NULL);
    world.nodes[0].hs_intro = false;
    world.statuses[1].flags |= ROUTER_MIDDLE_ONLY;
    world.nodes[2].has_keys = false;
    world.nodes[3].has_ed_id = false;
    world.statuses[4].flags &= (uint16_t)~ROUTER_STABLE;
    world.statuses[5].flags &= (uint16_t)~ROUTER_FAST;
    world_establish();
    struct intro_point *p;
    TAILQ_FOREACH(p, &world_service()->points, entry)
    assert_in_range(p->hop.target.rsa_id[0], 'a' + 6, 'a' + 11);
    world_close();
    // When there are no others, those that are neither Fast nor Stable do.
    world_open(NULL);
    for (unsigned i = 0; i < WORLD_RELAYS; i++)
        world.statuses[i].flags = ROUTER_RUNNING;
    world_establish();
    assert_int_equal(points_ready(), 3);
    world_close();
    // Two relays: two points, and the service is as ready as it can be.
    world_open(NULL);
    world.n_relays = 2;
    world_establish();
    assert_int_equal(points_ready(), 2);
    assert_true(service_intro_points_ready(world_service()));
    world_close();
}

// A circuit that is lost is built again, to the same point with the same keys: three times.
static void test_retries(void **state)
{
    (void)state;
    uint8_t key[32], relay[20];
    world_open(NULL);
    struct onion_service *s = world_service();
    world_establish();
    unsigned changes = world.changes;
    struct intro_point *p = TAILQ_FIRST(&s->points);
    memcpy(key, p->info.auth_key, 32);
    memcpy(relay, p->hop.target.rsa_id, 20);
    for (unsigned i = 0; i < INTRO_TRIES_MAX; i++) {
        world_circuit_dies(p->circuit);
        assert_int_equal(points_ready(), 2);
        struct onion_intro_point told[3]; // visitors may still come by it soon
        assert_int_equal(service_intro_points(s, told, 3), 3);
        world_establish();
        assert_ptr_equal(TAILQ_FIRST(&s->points), p);
        assert_memory_equal(p->info.auth_key, key, 32);
        assert_int_equal(points_ready(), 3);
    }
    assert_int_equal(world.changes, changes);
    world_circuit_dies(p->circuit);
    world_establish();
    assert_int_equal(points_ready(), 3);
    assert_int_equal(world.changes, changes + 2); // one is gone, another is there
    TAILQ_FOREACH(p, &s->points, entry)
    assert_memory_not_equal(p->info.auth_key, key, 32);
    world_close();
}

// A relay that can't be reached is left alone for a while, and so is a network that is broken.
static void test_dead_network(void **state)
{
    (void)state;
    world_open(NULL);
    struct origin_circuit *oc;
    unsigned launched = 0;
    for (unsigned i = 0; i < 290; i++) {
        world_pass(1);
        while ((oc = world_circuit(ORIGIN_SERVICE_INTRO, ORIGIN_BUILDING))) {
            launched++;
            world_circuit_dies(oc);
        }
    }
    assert_int_equal(launched, 3 + 2 + 3 * INTRO_TRIES_MAX);
    world_pass(15);
    assert_true(world_count(ORIGIN_SERVICE_INTRO, ORIGIN_BUILDING) > 0); // it is tried again
    world_close();
    // No path at present: nobody is to blame, so nobody is given up.
    world_open(NULL);
    world.launch_error = -EAGAIN;
    world_pass(100);
    struct intro_point *p;
    TAILQ_FOREACH(p, &world_service()->points, entry)
    assert_int_equal(p->tries, 0);
    world.launch_error = 0;
    world_establish();
    assert_int_equal(points_ready(), 3);
    world_close();
}

static void test_no_answer(void **state)
{
    (void)state;
    world_open(NULL);
    world_pass(1);
    struct origin_circuit *oc = world_circuit(ORIGIN_SERVICE_INTRO, ORIGIN_BUILDING);
    struct intro_point *p = world_point(oc);
    world_circuit_opens(oc);
    world_pass(59);
    assert_int_equal(oc->state, ORIGIN_OPEN);
    world_pass(1);
    assert_int_equal(oc->state, ORIGIN_CLOSED);
    assert_non_null(p->circuit); // another one
    assert_int_equal(p->tries, 2);
    world_close();
}

// By age: a new point is there before the old one goes.
static void test_rotation_by_age(void **state)
{
    (void)state;
    world_open(NULL);
    struct onion_service *s = world_service();
    world_establish();
    struct intro_point *p;
    uint64_t first = UINT64_MAX, last = 0;
    TAILQ_FOREACH(p, &s->points, entry)
    {
        first = p->expires_ms < first ? p->expires_ms : first;
        last = p->expires_ms > last ? p->expires_ms : last;
    }
    assert_in_range(first, world.now_ms + 18 * 3600000 - 2000, world.now_ms + 24 * 3600000);
    assert_in_range(last, first, world.now_ms + 24 * 3600000);
    while (world.now_ms + 1000 < first)
        world_pass(1);
    assert_int_equal(world_count(ORIGIN_SERVICE_INTRO, ORIGIN_BUILDING), 0);
    world_pass(1);
    assert_int_equal(world_count(ORIGIN_SERVICE_INTRO, ORIGIN_BUILDING), 1);
    assert_int_equal(world_count(ORIGIN_SERVICE_INTRO, ORIGIN_OPEN), 3);
    struct onion_intro_point told[INTRO_POINTS_MAX];
    assert_int_equal(service_intro_points(s, told, INTRO_POINTS_MAX), 2);
    unsigned changes = world.changes;
    world_establish();
    assert_int_equal(world.changes, changes + 1);
    world_pass(1);
    assert_int_equal(points_ready(), 3);
    assert_int_equal(s->n_points, 3);
    assert_int_equal(world_count(ORIGIN_SERVICE_INTRO, ORIGIN_OPEN), 3);
    world_close();
}

// By introductions; without another relay it stays for five minutes more.
static void test_rotation_by_introductions(void **state)
{
    (void)state;
    world_open(NULL);
    world.n_relays = 3;
    struct onion_service *s = world_service();
    world_establish();
    struct intro_point *p = TAILQ_FIRST(&s->points);
    assert_in_range(p->introductions_max, 16384, 32768);
    p->introductions = p->introductions_max;
    world_pass(1);
    assert_int_equal(points_ready(), 2);
    world_pass(298);
    assert_int_equal(s->n_points, 3);
    world_pass(3);
    assert_int_equal(world_count(ORIGIN_SERVICE_INTRO, ORIGIN_OPEN), 2);
    world_establish();
    assert_int_equal(points_ready(), 3); // the same relay again, with other keys
    world_close();
}

static void test_unlisted(void **state)
{
    (void)state;
    world_open(NULL);
    struct onion_service *s = world_service();
    world_establish();
    struct intro_point *p = TAILQ_FIRST(&s->points);
    struct origin_circuit *oc = p->circuit;
    unsigned changes = world.changes;
    memset(world.statuses[p->hop.target.rsa_id[0] - 'a'].rsa_id, 'z', 20);
    onion_services_network_changed(world.origin.onion_services);
    assert_int_equal(oc->state, ORIGIN_CLOSED);
    assert_int_equal(points_ready(), 2);
    assert_int_equal(world.changes, changes + 1);
    world_establish();
    assert_int_equal(points_ready(), 3);
    // No consensus at all says nothing of them.
    world.n_relays = 0;
    onion_services_network_changed(world.origin.onion_services);
    assert_int_equal(points_ready(), 3);
    world_close();
}

static void dont_hide(struct config_onion_service *config)
{
    config->single_onion = true;
    config->introduction_points = 20;
}

// Straight to its points; one that can't be reached so is tried by a path.
static void test_single_onion(void **state)
{
    (void)state;
    world_open(dont_hide);
    world_pass(1);
    struct origin_circuit *oc = world_circuit(ORIGIN_SERVICE_INTRO, ORIGIN_BUILDING);
    assert_int_equal(oc->request.kind, PATH_CONNECTION);
    assert_int_equal(oc->request.n_hops, 1);
    world_circuit_dies(oc);
    world_pass(1);
    oc = world_circuit(ORIGIN_SERVICE_INTRO, ORIGIN_BUILDING);
    assert_int_equal(oc->request.n_hops, 3);
    world_establish();
    assert_int_equal(points_ready(), WORLD_RELAYS);
    world_close();
}

static void nowhere(struct config_onion_service *config)
{
    strcpy(config->directory, "/nowhere");
}

static void test_bad_directory(void **state)
{
    (void)state;
    char error[128];
    world_open(NULL);
    onion_services_free(world.origin.onion_services);
    nowhere(&world.service_config);
    world.origin.onion_services = onion_services_create(&world.origin, error, sizeof(error));
    assert_null(world.origin.onion_services);
    assert_string_equal(error, "/nowhere: not there");
    world_close();
}

// Both generations are asked, and one that is full says so.
static void test_replay_set(void **state)
{
    (void)state;
    struct replay_set set;
    replay_set_init(&set, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        assert_false(replay_set_has(&set, &i, sizeof(i)));
        assert_int_equal(replay_set_add(&set, &i, sizeof(i)), REPLAY_NEW);
        assert_int_equal(replay_set_add(&set, &i, sizeof(i)), REPLAY_SEEN);
    }
    for (unsigned i = 0; i < 1000; i++)
        assert_true(replay_set_has(&set, &i, sizeof(i)));
    assert_int_equal(replay_set_add(&set, "x", 1), REPLAY_FULL);
    replay_set_turn(&set);
    unsigned old = 7;
    assert_int_equal(replay_set_add(&set, &old, sizeof(old)), REPLAY_SEEN);
    assert_int_equal(replay_set_add(&set, "x", 1), REPLAY_NEW);
    replay_set_turn(&set);
    assert_int_equal(replay_set_add(&set, &old, sizeof(old)), REPLAY_NEW);
    assert_int_equal(replay_set_add(&set, "x", 1), REPLAY_SEEN);
    replay_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fastest_stay),    cmocka_unit_test(test_establish_intro),
        cmocka_unit_test(test_rules),           cmocka_unit_test(test_retries),
        cmocka_unit_test(test_dead_network),    cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_rotation_by_age), cmocka_unit_test(test_rotation_by_introductions),
        cmocka_unit_test(test_unlisted),        cmocka_unit_test(test_single_onion),
        cmocka_unit_test(test_bad_directory),   cmocka_unit_test(test_replay_set),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
