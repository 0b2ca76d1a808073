// SPDX-License-Identifier: BSD-3-Clause
// Visiting an onion service from the address to the circuit that streams begin on, and every way in
// which that fails (protocol 9.29, 9.33–9.38, 8.05, 13.01).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "visit_world.h"

enum { GROUP_A = 1, GROUP_B = 2 };

// Somebody who waits for the service, since a moment.
struct seeker {
    struct app_request request;
    uint8_t identity[32];
    uint64_t since_ms;
    struct origin_circuit *oc;
    enum onion_failure failure;
};

static struct seeker seeker_of(uint32_t group)
{
    struct seeker s = {.since_ms = vw.now_ms};
    s.request.isolation.group = group;
    memset(s.identity, 0x33, sizeof(s.identity));
    return s;
}

static enum onion_outlook seek(struct seeker *s)
{
    return onion_client_find(vw.origin.onion_client, &s->request, s->identity, s->since_ms, &s->oc,
                             &s->failure);
}

static void expect_failed(struct seeker *s, enum onion_failure failure)
{
    assert_int_equal(seek(s), ONION_FAILED);
    assert_int_equal(s->failure, failure);
}

// Both circuits are being built.
static void reach_circuits(struct seeker *s)
{
    assert_int_equal(seek(s), ONION_WAIT);
    vw_answer(HSDIR_REQUEST_DONE);
    assert_int_equal(vw_count(ORIGIN_CLIENT_REND), 1);
    assert_int_equal(vw_count(ORIGIN_CLIENT_INTRO), 1);
}

static void establish(void)
{
    vw_opens(vw_rend());
    assert_int_equal(vw_last_sent(vw_rend())->command, RELAY_ESTABLISH_RENDEZVOUS);
    assert_int_equal(vw_last_sent(vw_rend())->length, 20);
    assert_true(vw_message(vw_rend(), 0, RELAY_RENDEZVOUS_ESTABLISHED, NULL, 0));
}

// INTRODUCE1 has gone.
static void reach_introduced(struct seeker *s)
{
    reach_circuits(s);
    establish();
    assert_int_equal(vw.introductions, 0);
    vw_opens(vw_intro());
    assert_int_equal(vw.introductions, 1);
    assert_int_equal(vw_last_sent(vw_intro())->command, RELAY_INTRODUCE1);
}

static const uint8_t ack[] = {0, 0, 0}, nack[] = {0, 1, 0};

static void acknowledge(void)
{
    struct origin_circuit *intro = vw_intro();
    assert_true(vw_message(intro, 0, RELAY_INTRODUCE_ACK, ack, sizeof(ack)));
    assert_true(intro->closed_by_user);
    assert_true(intro->successes >= 1);
}

static void join(void)
{
    uint8_t body[64];
    struct origin_circuit *rend = vw_rend();
    vw_rendezvous2(body);
    assert_true(vw_message(rend, 0, RELAY_RENDEZVOUS2, body, sizeof(body)));
    assert_true(rend->has_layer);
}

static void reach_joined(struct seeker *s)
{
    reach_introduced(s);
    acknowledge();
    join();
    assert_int_equal(seek(s), ONION_FOUND);
}

static int open_world(void **state)
{
    (void)state;
    vw_open();
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    vw_close();
    return 0;
}

// ---- the whole way

static void test_meets(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_circuits(&s);
    assert_int_equal(vw.n_asked, 1);
    vw_opens(vw_intro()); // whichever is first
    assert_int_equal(vw.introductions, 0);
    establish();
    assert_int_equal(vw_rend()->successes, 1);
    assert_true(vw_rend()->padded && vw_intro()->padded);
    assert_int_equal(vw.introductions, 1);
    // The service is told where we are, and by which cookie.
    assert_memory_equal(vw.introduction.cookie, vw_rend()->sent[0].body, 20);
    assert_int_equal(vw.introduction.specifiers[1], vw_rend()->path.hops[2].target.rsa_id[0]);
    assert_int_equal(vw.introduction.onion_key[0], vw_rend()->path.hops[2].ntor_key[0]);
    assert_false(vw.introduction.congestion_control || vw.introduction.pow.present);
    // It leads to the point that was spoken to.
    assert_int_equal(vw_intro()->path.hops[3].target.rsa_id[0], vw.point.specifiers[1]);
    acknowledge();
    assert_int_equal(seek(&s), ONION_WAIT);
    unsigned looks = vw.looks;
    join();
    assert_true(vw.looks > looks);
    assert_int_equal(seek(&s), ONION_FOUND);
    assert_ptr_equal(s.oc, vw_rend());
    assert_int_equal(s.oc->sendme_inc_cells, 0);
    onion_client_attached(vw.origin.onion_client, s.oc);
    assert_int_equal(vw.relay.counters.onion_rendezvous, 1);
}

// A service that is quick comes before the acknowledgement does.
static void test_meets_before_the_acknowledgement(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_introduced(&s);
    join();
    assert_int_equal(seek(&s), ONION_FOUND);
    assert_int_equal(vw_count(ORIGIN_CLIENT_INTRO), 0);
}

static void test_ready_circuits_are_used(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    vw.ready_circuits = true;
    reach_circuits(&s);
    assert_int_equal(vw_rend()->state, ORIGIN_OPEN);
    assert_int_equal(vw_intro()->extended, 1);
    assert_int_equal(vw_intro()->path.n_hops, 4);
    assert_true(vw_message(vw_rend(), 0, RELAY_RENDEZVOUS_ESTABLISHED, NULL, 0));
    vw_opens(vw_intro());
    acknowledge();
    join();
    assert_int_equal(seek(&s), ONION_FOUND);
}

static void test_congestion_control(void **state)
{
    (void)state;
    // Default parameters: 31 cells. One more or less is fine.
    const struct {
        bool offered;
        uint8_t inc, expected;
    } cases[] = {{true, 31, 31}, {true, 30, 30}, {true, 32, 32}, {true, 33, 0},
                 {true, 0, 0},   {true, 29, 0},  {false, 31, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seeker s = seeker_of((uint32_t)(10 + i));
        s.identity[3] = (uint8_t)i;
        vw.descriptor.congestion_control = cases[i].offered;
        vw.descriptor.sendme_inc_cells = cases[i].inc;
        vw.introductions = 0;
        reach_joined(&s);
        assert_int_equal(vw.introduction.congestion_control, cases[i].expected > 0);
        assert_int_equal(s.oc->sendme_inc_cells, cases[i].expected);
        vw_dies(s.oc, DESTROY_DESTROYED, 3);
    }
}

// ---- the descriptor

static void test_nobody_has_the_descriptor(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A), late;
    assert_int_equal(seek(&s), ONION_WAIT);
    for (unsigned i = 0; i < WORLD_DIRS; i++) {
        assert_int_equal(vw.n_asked, i + 1);
        assert_int_equal(seek(&s), ONION_WAIT);
        vw_answer(i % 2 ? HSDIR_REQUEST_FAILED : HSDIR_REQUEST_NOT_FOUND);
    }
    for (unsigned i = 0; i < WORLD_DIRS; i++)
        assert_int_equal(vw.asked[i], 1);
    expect_failed(&s, ONION_DESCRIPTOR_NOT_FOUND);
    expect_failed(&s, ONION_DESCRIPTOR_NOT_FOUND); // whoever asks twice
    // Nobody tries for nobody.
    vw_pass(3000);
    assert_int_equal(vw.n_asked, WORLD_DIRS);
    // Who comes later is not told of that, but it is tried again.
    late = seeker_of(GROUP_A);
    assert_int_equal(seek(&late), ONION_WAIT);
    assert_int_equal(vw.n_asked, WORLD_DIRS + 1);
    vw_answer(HSDIR_REQUEST_DONE);
    assert_int_equal(vw_count(ORIGIN_CLIENT_REND), 1);
}

// Each of them once in 15 minutes, while it has led to nothing.
static void test_directories_are_left_alone(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    assert_int_equal(seek(&s), ONION_WAIT);
    for (unsigned i = 0; i < WORLD_DIRS - 1; i++)
        vw_answer(HSDIR_REQUEST_NOT_FOUND);
    // The last one takes its time, and is one that has it. Its introduction points are dead.
    vw_answer(HSDIR_REQUEST_DONE);
    for (unsigned i = 0; i < WORLD_POINTS; i++) {
        assert_int_equal(seek(&s), ONION_WAIT);
        vw_opens(vw_intro());
        if (i == 0)
            establish();
        vw_dies(vw_intro(), DESTROY_TIMEOUT, 4);
    }
    // There is none left that could be asked for a newer one.
    assert_int_equal(vw.n_asked, WORLD_DIRS);
    expect_failed(&s, ONION_INTRODUCTION_TIMEOUT);
}

static void test_asked_again_after_15_minutes(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    assert_int_equal(seek(&s), ONION_WAIT);
    for (unsigned i = 0; i < WORLD_DIRS - 1; i++)
        vw_answer(HSDIR_REQUEST_NOT_FOUND);
    assert_int_equal(vw.n_asked, WORLD_DIRS);
    // A request that hangs for so long.
    vw_pass(15 * 60 * 1000);
    assert_int_equal(seek(&s), ONION_WAIT);
    vw_answer(HSDIR_REQUEST_NOT_FOUND);
    assert_int_equal(vw.n_asked, WORLD_DIRS + 1);
}

static void test_excluded_directories_come_last(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    for (unsigned i = 1; i < WORLD_DIRS; i++)
        vw.excluded[i] = true;
    assert_int_equal(seek(&s), ONION_WAIT);
    assert_int_equal(vw.asked[0], 1);
    vw_answer(HSDIR_REQUEST_NOT_FOUND);
    assert_int_equal(vw.n_asked, 2);
    vw.config.nodes.strict = true;
    vw_answer(HSDIR_REQUEST_NOT_FOUND);
    expect_failed(&s, ONION_DESCRIPTOR_NOT_FOUND);
    assert_int_equal(vw.n_asked, 2);
}

static void test_malformed_descriptor(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    vw.reading = DESCRIPTOR_MALFORMED;
    assert_int_equal(seek(&s), ONION_WAIT);
    vw_answer(HSDIR_REQUEST_DONE);
    assert_int_equal(seek(&s), ONION_WAIT); // others may have a better one
    for (unsigned i = 1; i < WORLD_DIRS; i++)
        vw_answer(HSDIR_REQUEST_NOT_FOUND);
    expect_failed(&s, ONION_DESCRIPTOR_INVALID);
    assert_int_equal(vw.relay.counters.drop_onion_descriptor, 1);
}

static void test_authorisation(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    vw.reading = DESCRIPTOR_NEEDS_AUTH;
    assert_int_equal(seek(&s), ONION_WAIT);
    vw_answer(HSDIR_REQUEST_DONE);
    expect_failed(&s, ONION_AUTH_MISSING);
    assert_int_equal(vw.n_asked, 1);
    vw_pass(1000);
    s = seeker_of(GROUP_A);
    vw.reading = DESCRIPTOR_BAD_AUTH;
    vw.has_key = true;
    assert_int_equal(seek(&s), ONION_WAIT);
    vw_answer(HSDIR_REQUEST_DONE);
    expect_failed(&s, ONION_AUTH_WRONG);
    // The service has learned of the key.
    vw_pass(1000);
    s = seeker_of(GROUP_A);
    vw.reading = DESCRIPTOR_GOOD;
    reach_joined(&s);
}

static void test_keys_that_cannot_be_read(void **state)
{
    char error[128] = "", line[512] = "";
    (void)state;
    int errors = dup(STDERR_FILENO);
    FILE *log = tmpfile();
    fflush(stderr);
    dup2(fileno(log), STDERR_FILENO);
    snprintf(vw.config.client_authorization, sizeof(vw.config.client_authorization), "/none");
    assert_null(onion_client_create(&vw.origin, error, sizeof(error)));
    assert_string_equal(error, "it is not there");
    fflush(stderr);
    dup2(errors, STDERR_FILENO);
    close(errors);
    // At this level the log names the directory, and not the file: its name may be an address.
    rewind(log);
    assert_non_null(fgets(line, sizeof(line), log));
    assert_non_null(strstr(line, " /none"));
    assert_null(strstr(line, "hiddenname"));
    assert_null(fgets(line, sizeof(line), log));
    fclose(log);
}

static void test_no_introduction_points(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    vw.descriptor.n_intro_points = 0;
    assert_int_equal(seek(&s), ONION_WAIT);
    vw_answer(HSDIR_REQUEST_DONE);
    expect_failed(&s, ONION_INTRODUCTION_FAILED);
    // Later on it has some.
    vw_pass(1000);
    s = seeker_of(GROUP_A);
    vw.descriptor.n_intro_points = WORLD_POINTS;
    vw.descriptor.revision++;
    reach_joined(&s);
}

static void test_points_that_cannot_be_reached(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    for (unsigned i = 0; i < WORLD_POINTS; i++)
        vw.descriptor.intro_points[i].specifiers[0] = 9;
    assert_int_equal(seek(&s), ONION_WAIT);
    vw_answer(HSDIR_REQUEST_DONE);
    expect_failed(&s, ONION_INTRODUCTION_FAILED);
    // Later on it says others: what can't be reached does not keep the client from asking.
    vw_pass(1000);
    s = seeker_of(GROUP_A);
    for (unsigned i = 0; i < WORLD_POINTS; i++)
        vw.descriptor.intro_points[i].specifiers[0] = 1;
    vw.descriptor.revision++;
    assert_int_equal(seek(&s), ONION_WAIT);
    vw_answer(HSDIR_REQUEST_DONE);
    assert_int_equal(seek(&s), ONION_WAIT);
    assert_non_null(vw_rend());
}

static void test_the_network_is_not_known(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    vw.has_consensus = false;
    assert_int_equal(seek(&s), ONION_WAIT);
    vw.has_consensus = true;
    vw.may_build = false;
    assert_int_equal(seek(&s), ONION_WAIT);
    assert_int_equal(vw.n_asked, 0);
    vw.may_build = true;
    onion_client_network_changed(vw.origin.onion_client);
    assert_int_equal(vw.n_asked, 1);
}

static void test_an_address_that_is_no_key(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    s.identity[31] = 0xff;
    expect_failed(&s, ONION_ADDRESS_BAD);
}

// The blinded key is another one then (8.05, 8.11).
static void test_the_period_ends(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A), t;
    reach_joined(&s);
    vw.period++;
    vw.generation++;
    onion_client_network_changed(vw.origin.onion_client);
    assert_int_equal(seek(&s), ONION_FOUND); // who has met stays together
    t = seeker_of(GROUP_B);
    assert_int_equal(seek(&t), ONION_WAIT);
    assert_int_equal(vw.n_asked, 2);
    assert_int_equal(TAILQ_FIRST(&vw.requests)->blinded[0], 0x33 ^ 6);
    // … and ends while the directory answers.
    vw.period++;
    vw_answer(HSDIR_REQUEST_DONE);
    assert_int_equal(vw.n_asked, 3);
    vw_answer(HSDIR_REQUEST_DONE);
    assert_int_equal(vw_count(ORIGIN_CLIENT_INTRO), 1);
    // … and while the introduction waits for its circuit.
    struct origin_circuit *intro = vw_intro();
    vw.period++;
    onion_client_network_changed(vw.origin.onion_client);
    assert_true(intro->closed_by_user);
    assert_int_equal(vw.n_asked, 4);
    vw_answer(HSDIR_REQUEST_DONE);
    assert_int_equal(vw_count(ORIGIN_CLIENT_INTRO), 1);
}

static void test_an_older_descriptor_is_not_taken(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_circuits(&s);
    establish();
    for (unsigned i = 0; i < WORLD_POINTS; i++) {
        vw_opens(vw_intro());
        vw_message(vw_intro(), 0, RELAY_INTRODUCE_ACK, nack, sizeof(nack));
    }
    assert_int_equal(vw.n_asked, 2);
    vw.descriptor.revision = 9;
    for (unsigned i = 0; i < WORLD_POINTS; i++)
        vw.descriptor.intro_points[i].auth_key[1] = 1;
    vw_answer(HSDIR_REQUEST_DONE);
    expect_failed(&s, ONION_INTRODUCTION_FAILED);
}

// ---- the introduction

static void test_points_refuse(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    uint8_t tried[WORLD_POINTS];
    reach_introduced(&s);
    struct origin_circuit *intro = vw_intro();
    for (unsigned i = 0; i < WORLD_POINTS; i++) {
        tried[i] = vw.point.auth_key[0];
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(tried[i], tried[j]);
        assert_true(vw_message(intro, 0, RELAY_INTRODUCE_ACK, nack, sizeof(nack)));
        if (i + 1 == WORLD_POINTS)
            break;
        // The same circuit goes on.
        assert_int_equal(intro->extended, i + 1);
        assert_ptr_equal(vw_intro(), intro);
        vw_opens(intro);
        assert_int_equal(vw.introductions, i + 2);
    }
    // A newer descriptor is asked for, which has others.
    assert_true(intro->closed_by_user);
    assert_int_equal(vw.n_asked, 2);
    vw.descriptor.revision++;
    vw.descriptor.n_intro_points = 1;
    memset(vw.descriptor.intro_points[0].auth_key, 100, 32);
    vw.descriptor.intro_points[0].auth_key[5] = 1;
    vw_answer(HSDIR_REQUEST_DONE);
    vw_opens(vw_intro());
    acknowledge();
    join();
    assert_int_equal(seek(&s), ONION_FOUND);
    assert_int_equal(vw_count(ORIGIN_CLIENT_REND), 1); // the one there was
    assert_int_equal(vw.relay.counters.onion_introductions_refused, WORLD_POINTS);
}

static void test_all_points_refuse(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    vw.cannot_extend = true; // then by other circuits
    reach_circuits(&s);
    establish();
    for (unsigned i = 0; i < WORLD_POINTS; i++) {
        vw_opens(vw_intro());
        vw_message(vw_intro(), 0, RELAY_INTRODUCE_ACK, nack, sizeof(nack));
    }
    vw_answer(HSDIR_REQUEST_DONE);
    expect_failed(&s, ONION_INTRODUCTION_FAILED);
    // For two minutes they are not asked again.
    vw_pass(60 * 1000);
    s = seeker_of(GROUP_A);
    assert_int_equal(seek(&s), ONION_WAIT);
    vw_answer(HSDIR_REQUEST_DONE);
    expect_failed(&s, ONION_INTRODUCTION_FAILED);
    vw_pass(61 * 1000);
    s = seeker_of(GROUP_A);
    assert_int_equal(seek(&s), ONION_WAIT);
    assert_int_equal(vw_count(ORIGIN_CLIENT_INTRO), 1);
}

static void test_a_dead_point(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    vw.descriptor.n_intro_points = 1;
    reach_circuits(&s);
    establish();
    // The circuit comes as far as the hop before it: five times, then it counts as dead.
    for (unsigned i = 0; i < 5; i++) {
        vw_dies(vw_intro(), DESTROY_CONNECTFAILED, 3);
        vw_pass(1000);
        assert_int_equal(vw.n_asked, i < 4 ? 1 : 2);
        if (i < 4)
            assert_int_equal(seek(&s), ONION_WAIT);
    }
    vw_answer(HSDIR_REQUEST_DONE);
    expect_failed(&s, ONION_INTRODUCTION_FAILED);
}

// What others on the path did is not its fault.
static void test_a_dead_middle(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    vw.descriptor.n_intro_points = 1;
    reach_circuits(&s);
    establish();
    for (unsigned i = 0; i < 20; i++) {
        vw_dies(vw_intro(), i % 2 ? DESTROY_DESTROYED : DESTROY_TIMEOUT, i % 2 ? 1 : 3);
        vw_pass(1000);
        assert_int_equal(seek(&s), ONION_WAIT);
    }
    vw_opens(vw_intro());
    acknowledge();
    join();
    assert_int_equal(seek(&s), ONION_FOUND);
}

static void test_no_acknowledgement(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_introduced(&s);
    struct origin_circuit *intro = vw_intro();
    uint8_t first = vw.point.auth_key[0];
    for (unsigned i = 0; i < 15; i++) { // 14/6 of the time-out, and a second
        vw_pass(1000);
        assert_int_equal(seek(&s), ONION_WAIT);
        assert_false(intro->closed_by_user);
    }
    vw_pass(1000);
    assert_true(intro->closed_by_user);
    assert_int_equal(onion_client_blame(vw.origin.onion_client, &s.request, s.identity),
                     ONION_INTRODUCTION_TIMEOUT);
    // Another point, the same rendezvous.
    vw_opens(vw_intro());
    assert_int_equal(vw.introductions, 2);
    assert_int_not_equal(vw.point.auth_key[0], first);
    acknowledge();
    join();
    assert_int_equal(seek(&s), ONION_FOUND);
}

static void test_all_points_are_silent(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_circuits(&s);
    establish();
    for (unsigned i = 0; i < WORLD_POINTS; i++) {
        vw_opens(vw_intro());
        vw_dies(vw_intro(), DESTROY_TIMEOUT, 4);
    }
    vw_answer(HSDIR_REQUEST_DONE);
    expect_failed(&s, ONION_INTRODUCTION_TIMEOUT);
}

static void test_hostile_acknowledgements(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_circuits(&s);
    vw_opens(vw_intro());
    // Before anything was said; with too few bytes; from the middle; one that is none.
    assert_false(vw_message(vw_intro(), 0, RELAY_INTRODUCE_ACK, ack, sizeof(ack)));
    establish();
    vw_opens(vw_intro());
    assert_false(vw_message(vw_intro(), 0, RELAY_INTRODUCE_ACK, ack, 1));
    vw_pass(1000);
    vw_opens(vw_intro());
    assert_false(vw_message(vw_intro(), 3, RELAY_INTRODUCE_ACK, ack, sizeof(ack)));
    vw_pass(1000);
    assert_int_equal(seek(&s), ONION_WAIT);
    vw_opens(vw_intro());
    assert_false(vw_message(vw_intro(), 0, RELAY_RENDEZVOUS2, ack, sizeof(ack)));
}

static void test_nothing_can_be_said(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    vw.introduce_fails = true;
    reach_circuits(&s);
    establish();
    for (unsigned i = 0; i < WORLD_POINTS; i++) {
        vw_opens(vw_intro());
        vw_pass(1000);
        assert_int_equal(seek(&s), ONION_WAIT);
    }
    vw_answer(HSDIR_REQUEST_DONE);
    expect_failed(&s, ONION_INTRODUCTION_FAILED);
}

// ---- the rendezvous

// Whoever answers before the introduction has left can only be the rendezvous point (13.01).
static void test_early_rendezvous2(void **state)
{
    uint8_t body[64];
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    // With keys that would fit, from an introduction before.
    reach_joined(&s);
    vw_rendezvous2(body);
    struct seeker t = seeker_of(GROUP_B);
    assert_int_equal(seek(&t), ONION_WAIT);
    struct origin_circuit *rend = vw_rend();
    vw_opens(rend);
    assert_false(vw_message(rend, 0, RELAY_RENDEZVOUS2, body, sizeof(body)));
    rend = vw_rend(); // another one
    establish();
    assert_ptr_equal(vw_rend(), rend);
    assert_false(vw_message(rend, 0, RELAY_RENDEZVOUS2, body, sizeof(body)));
    assert_int_equal(vw.relay.counters.drop_rendezvous2, 2);
    // Nor after the introduction was refused.
    establish();
    vw_opens(vw_intro());
    vw_rendezvous2(body);
    rend = vw_rend();
    assert_true(vw_message(vw_intro(), 0, RELAY_INTRODUCE_ACK, nack, sizeof(nack)));
    assert_false(vw_message(rend, 0, RELAY_RENDEZVOUS2, body, sizeof(body)));
    assert_int_equal(seek(&t), ONION_WAIT);
}

static void test_hostile_rendezvous2(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 6; kind++) {
        struct seeker s = seeker_of(10 + kind);
        uint8_t body[64];
        s.identity[7] = (uint8_t)kind;
        vw.introductions = 0;
        vw.layer_fails = kind == 5;
        reach_introduced(&s);
        acknowledge();
        struct origin_circuit *rend = vw_rend();
        vw_rendezvous2(body);
        unsigned hop = kind == 3 ? 2 : 0;
        uint16_t length = kind == 2 ? 63 : 64;
        if (kind == 0) // not by who has the key
            body[63] ^= 1;
        if (kind == 1) // a key of small order
            memset(body, 0, 32);
        if (kind == 4) // twice
            assert_true(vw_message(rend, 0, RELAY_RENDEZVOUS2, body, length));
        assert_false(vw_message(rend, hop, RELAY_RENDEZVOUS2, body, length));
        vw.layer_fails = false;
        // It is tried again, by circuits that are new.
        assert_int_equal(seek(&s), ONION_WAIT);
        assert_int_equal(vw_count(ORIGIN_CLIENT_REND), 1);
        assert_ptr_not_equal(vw_rend(), rend);
        vw_dies(vw_rend(), DESTROY_DESTROYED, 0);
        onion_client_new_identity(vw.origin.onion_client);
    }
}

static void test_established_twice(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_circuits(&s);
    establish();
    assert_false(vw_message(vw_rend(), 0, RELAY_RENDEZVOUS_ESTABLISHED, NULL, 0));
}

static void test_nobody_comes(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_introduced(&s);
    acknowledge();
    struct origin_circuit *rend = vw_rend();
    for (unsigned i = 0; i < 19; i++) { // three time-outs, and a second
        vw_pass(1000);
        assert_int_equal(seek(&s), ONION_WAIT);
        assert_false(rend->closed_by_user);
    }
    vw_pass(1000);
    assert_true(rend->closed_by_user);
    assert_int_equal(onion_client_blame(vw.origin.onion_client, &s.request, s.identity),
                     ONION_RENDEZVOUS_FAILED);
    assert_int_equal(seek(&s), ONION_WAIT);
    establish();
    vw_opens(vw_intro());
    acknowledge();
    join();
    assert_int_equal(seek(&s), ONION_FOUND);
}

// Before it is known how slow the network is, nobody waits for longer than a service would try.
static void test_waits_that_are_not_known(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    vw.build_timeout_ms = 60 * 1000;
    reach_introduced(&s);
    struct origin_circuit *intro = vw_intro();
    for (unsigned i = 0; i < 31; i++) {
        assert_false(intro->closed_by_user);
        vw_pass(1000);
        assert_int_equal(seek(&s), ONION_WAIT);
    }
    assert_true(intro->closed_by_user);
    vw_opens(vw_intro());
    acknowledge();
    struct origin_circuit *rend = vw_rend();
    for (unsigned i = 0; i < 41; i++) {
        assert_false(rend->closed_by_user);
        vw_pass(1000);
        assert_int_equal(seek(&s), ONION_WAIT);
    }
    assert_true(rend->closed_by_user);
}

static void test_a_silent_rendezvous_point(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_circuits(&s);
    struct origin_circuit *rend = vw_rend();
    vw_opens(rend);
    for (unsigned i = 0; i < 17; i++) {
        vw_pass(1000);
        assert_int_equal(seek(&s), ONION_WAIT);
    }
    assert_true(rend->closed_by_user);
    assert_int_equal(vw_count(ORIGIN_CLIENT_REND), 1);
}

static void test_the_rendezvous_point_dies(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_introduced(&s);
    struct origin_circuit *intro = vw_intro();
    // With the introduction under way: what comes of it would come to nobody.
    vw_dies(vw_rend(), DESTROY_DESTROYED, 3);
    assert_true(intro->closed_by_user);
    establish();
    vw_opens(vw_intro());
    acknowledge();
    join();
    assert_int_equal(seek(&s), ONION_FOUND);
    // With streams on it.
    vw_dies(s.oc, DESTROY_DESTROYED, 3);
    s.since_ms = vw.now_ms;
    assert_int_equal(seek(&s), ONION_WAIT);
    assert_int_equal(vw_count(ORIGIN_CLIENT_REND), 1);
}

static void test_no_circuit_can_be_built(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    vw.launch_error = -11;
    assert_int_equal(seek(&s), ONION_WAIT);
    vw_answer(HSDIR_REQUEST_DONE);
    assert_int_equal(seek(&s), ONION_WAIT);
    vw.launch_error = 0;
    vw_pass(2000);
    assert_int_equal(vw_count(ORIGIN_CLIENT_REND), 1);
    assert_int_equal(vw_count(ORIGIN_CLIENT_INTRO), 1);
}

// ---- who shares what

static void test_isolation(void **state)
{
    (void)state;
    struct seeker a = seeker_of(GROUP_A), b = seeker_of(GROUP_B), other = seeker_of(GROUP_A);
    reach_joined(&a);
    struct seeker again = seeker_of(GROUP_A);
    assert_int_equal(seek(&again), ONION_FOUND);
    assert_ptr_equal(again.oc, a.oc);
    // Another one's stream never goes there, but what is known of the service it may know.
    assert_int_equal(seek(&b), ONION_WAIT);
    assert_int_equal(vw.n_asked, 1);
    assert_int_equal(vw_count(ORIGIN_CLIENT_REND), 2);
    establish();
    vw_opens(vw_intro());
    acknowledge();
    join();
    assert_int_equal(seek(&b), ONION_FOUND);
    assert_ptr_not_equal(b.oc, a.oc);
    // Nor another service's.
    other.identity[0]++;
    assert_int_equal(seek(&other), ONION_WAIT);
    assert_int_equal(vw.n_asked, 2);
}

static void test_a_full_circuit(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_joined(&s);
    s.oc->streams = 200;
    assert_int_equal(seek(&s), ONION_WAIT);
    assert_int_equal(vw_count(ORIGIN_CLIENT_REND), 2);
    s.oc->streams = 199;
    assert_int_equal(seek(&s), ONION_FOUND);
    vw_close();
    vw_open();
}

static void test_a_circuit_that_is_no_good(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_joined(&s);
    struct origin_circuit *first = s.oc;
    first->streams = 1;
    onion_client_failed(vw.origin.onion_client, first);
    assert_int_equal(seek(&s), ONION_WAIT);
    vw_pass(1000);
    assert_false(first->closed_by_user); // somebody is on it
    first->streams = 0;
    vw_pass(1000);
    assert_true(first->closed_by_user);
}

static void test_idle_ones_go(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A), t = seeker_of(GROUP_B);
    reach_joined(&s);
    onion_client_attached(vw.origin.onion_client, s.oc);
    vw_pass(9 * 60 * 1000);
    assert_int_equal(seek(&s), ONION_FOUND);
    onion_client_attached(vw.origin.onion_client, s.oc);
    vw_pass(9 * 60 * 1000);
    assert_int_equal(seek(&s), ONION_FOUND);
    vw_pass(61 * 1000);
    assert_int_equal(vw_count(ORIGIN_CLIENT_REND), 0);
    // One whose user has left.
    t.since_ms = vw.now_ms;
    assert_int_equal(seek(&t), ONION_WAIT);
    assert_int_equal(vw_count(ORIGIN_CLIENT_REND), 1);
    vw_pass(31 * 1000);
    assert_int_equal(vw_count(ORIGIN_CLIENT_REND), 0);
    assert_int_equal(vw_count(ORIGIN_CLIENT_INTRO), 0);
}

static void test_a_new_identity(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    reach_joined(&s);
    s.oc->streams = 1;
    onion_client_new_identity(vw.origin.onion_client);
    assert_false(s.oc->closed_by_user);
    struct seeker t = seeker_of(GROUP_A);
    assert_int_equal(seek(&t), ONION_WAIT);
    assert_int_equal(vw.n_asked, 2); // nothing is known any more
    s.oc->streams = 0;
    vw_pass(1000);
    assert_true(s.oc->closed_by_user);
}

static void test_too_many_services(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    for (unsigned i = 0; i < 1500; i++) {
        memcpy(s.identity, &i, sizeof(i));
        s.since_ms = vw.now_ms;
        seek(&s);
        if (i % 500 == 499)
            vw_pass(31 * 1000); // they are left
    }
    unsigned waiting = 0;
    struct hsdir_request *r;
    TAILQ_FOREACH(r, &vw.requests, entry)
    waiting++;
    assert_true(waiting <= 1024);
}

// ---- proofs of work

static void ask_for_work(uint32_t effort)
{
    vw.descriptor.pow.present = true;
    vw.descriptor.pow.effort = effort;
    vw.descriptor.pow.expires_s = (uint64_t)vw.wall_s + 100;
}

static void test_proof_of_work(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    ask_for_work(50);
    reach_circuits(&s);
    establish();
    vw_opens(vw_intro());
    assert_int_equal(vw.introductions, 0);
    assert_int_equal(TAILQ_FIRST(&vw.solvings)->effort, 50);
    assert_true(onion_client_takes_longer(vw.origin.onion_client, s.identity));
    vw_solved();
    assert_int_equal(vw.introductions, 1);
    assert_true(vw.introduction.pow.present);
    assert_int_equal(vw.introduction.pow.effort, 50);
    // Each introduction has one of its own.
    vw_message(vw_intro(), 0, RELAY_INTRODUCE_ACK, nack, sizeof(nack));
    vw_opens(vw_intro());
    assert_int_equal(vw.introductions, 1);
    vw_solved();
    assert_int_equal(vw.introductions, 2);
    acknowledge();
    // Nobody comes: more is given.
    static const uint32_t growth[] = {100,  200,  400,  800,   1600, 2400,
                                      3600, 5400, 8100, 10000, 10000};
    for (size_t i = 0; i < sizeof(growth) / sizeof(growth[0]); i++) {
        for (unsigned second = 0; second < 20; second++) {
            seek(&s);
            vw.descriptor.pow.expires_s = (uint64_t)vw.wall_s + 100;
            vw_pass(1000);
        }
        seek(&s);
        establish();
        vw_opens(vw_intro());
        assert_int_equal(TAILQ_FIRST(&vw.solvings)->effort, growth[i]);
        vw_solved();
        acknowledge();
    }
    join();
    assert_int_equal(seek(&s), ONION_FOUND);
}

static void test_efforts(void **state)
{
    (void)state;
    const uint32_t asked[] = {0, 10001, 4000000000u}, given[] = {0, 10000, 10000};
    for (unsigned i = 0; i < 3; i++) {
        struct seeker s = seeker_of(20 + i);
        s.identity[9] = (uint8_t)i;
        ask_for_work(asked[i]);
        reach_circuits(&s);
        struct pow_solving *solving = TAILQ_FIRST(&vw.solvings);
        assert_int_equal(solving ? solving->effort : 0, given[i]);
        onion_client_new_identity(vw.origin.onion_client);
        assert_true(TAILQ_EMPTY(&vw.solvings));
    }
}

// Least of a retry: 8, when the service asks for nothing yet.
static void test_retry_without_effort(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A);
    ask_for_work(0);
    reach_introduced(&s);
    acknowledge();
    assert_false(vw.introduction.pow.present);
    for (unsigned second = 0; second < 20; second++) {
        seek(&s);
        vw_pass(1000);
    }
    seek(&s);
    assert_int_equal(TAILQ_FIRST(&vw.solvings)->effort, 8);
}

// Its seed is out of date: a newer descriptor is asked for, and if there is none, no proof made.
static void test_work_that_has_expired(void **state)
{
    (void)state;
    struct seeker s = seeker_of(GROUP_A), t;
    ask_for_work(50);
    vw.descriptor.pow.expires_s = (uint64_t)vw.wall_s - 1;
    reach_introduced(&s);
    assert_false(vw.introduction.pow.present);
    acknowledge();
    join();
    vw_pass(61 * 1000);
    t = seeker_of(GROUP_B);
    assert_int_equal(seek(&t), ONION_WAIT);
    assert_int_equal(vw.n_asked, 2);
    ask_for_work(50);
    vw.descriptor.revision++;
    vw_answer(HSDIR_REQUEST_DONE);
    assert_int_equal(TAILQ_FIRST(&vw.solvings)->effort, 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_meets),
        TEST(test_meets_before_the_acknowledgement),
        TEST(test_ready_circuits_are_used),
        TEST(test_congestion_control),
        TEST(test_nobody_has_the_descriptor),
        TEST(test_directories_are_left_alone),
        TEST(test_asked_again_after_15_minutes),
        TEST(test_excluded_directories_come_last),
        TEST(test_malformed_descriptor),
        TEST(test_authorisation),
        TEST(test_keys_that_cannot_be_read),
        TEST(test_no_introduction_points),
        TEST(test_points_that_cannot_be_reached),
        TEST(test_the_network_is_not_known),
        TEST(test_an_address_that_is_no_key),
        TEST(test_the_period_ends),
        TEST(test_an_older_descriptor_is_not_taken),
        TEST(test_points_refuse),
        TEST(test_all_points_refuse),
        TEST(test_a_dead_point),
        TEST(test_a_dead_middle),
        TEST(test_no_acknowledgement),
        TEST(test_all_points_are_silent),
        TEST(test_hostile_acknowledgements),
        TEST(test_nothing_can_be_said),
        TEST(test_early_rendezvous2),
        TEST(test_hostile_rendezvous2),
        TEST(test_established_twice),
        TEST(test_nobody_comes),
        TEST(test_waits_that_are_not_known),
        TEST(test_a_silent_rendezvous_point),
        TEST(test_the_rendezvous_point_dies),
        TEST(test_no_circuit_can_be_built),
        TEST(test_isolation),
        TEST(test_a_full_circuit),
        TEST(test_a_circuit_that_is_no_good),
        TEST(test_idle_ones_go),
        TEST(test_a_new_identity),
        TEST(test_too_many_services),
        TEST(test_proof_of_work),
        TEST(test_efforts),
        TEST(test_retry_without_effort),
        TEST(test_work_that_has_expired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
