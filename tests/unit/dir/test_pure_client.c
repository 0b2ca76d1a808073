// SPDX-License-Identifier: BSD-3-Clause
// The directory client of a pure client in virtual time: how it begins, whom it asks, when, and for
// what (9.01–9.13).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "bootstrap.h"
#include "crypto/encoding.h"
#include "crypto/random.h"
#include "dir/client/client.h"
#include "dir/parameters.h"
#include "dir/store/store.h"
#include "fake_network.h"
#include "fake_origin.h"
#include "relay.h"
#include "temp_dir.h"

enum { HOUR = 3600 };

static struct temp_dir dir;
static struct config config;
static struct relay relay;
static uv_loop_t loop;

static time_t clock_of_test(void)
{
    return fake.now;
}

static void start(void)
{
    relay.bootstrap = bootstrap_create();
    relay.parameters = parameters_create(&relay);
    relay.store = directory_store_create(&relay);
    relay.directory_client = directory_client_create(&relay);
    assert_non_null(relay.bootstrap);
    assert_non_null(relay.store);
    assert_non_null(relay.directory_client);
}

static void stop(void)
{
    directory_client_free(relay.directory_client);
    directory_store_free(relay.store);
    parameters_free(relay.parameters);
    bootstrap_free(relay.bootstrap);
    uv_run(&loop, UV_RUN_DEFAULT);
    relay.bootstrap = NULL;
    relay.directory_client = NULL;
    relay.store = NULL;
    relay.parameters = NULL;
}

static int set_up(void **state)
{
    (void)state;
    dir = temp_dir_make();
    memset(&config, 0, sizeof(config));
    memset(&relay, 0, sizeof(relay));
    fake_network_reset(1800000000 + 5 * 60);
    fake_network_configure(&config);
    fake_network_add_fallbacks(&config);
    snprintf(config.data_directory, sizeof(config.data_directory), "%s", dir.path);
    uv_loop_init(&loop);
    relay.loop = &loop;
    relay.config = &config;
    relay.wall_clock = clock_of_test;
    fake_origin_set(&relay);
    start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop();
    assert_int_equal(uv_loop_close(&loop), 0);
    temp_dir_remove(&dir);
    // Every guard that was chosen is told how it went, once.
    assert_int_equal(fake_origin.chosen, fake_origin.failed + fake_origin.ended);
    assert_int_equal(fake.in_clear, 0);
    return 0;
}

// Until nothing is asked and nothing is being read. No time passes.
static void settle(void)
{
    for (int i = 0, idle = 0; i < 100000; i++) {
        unsigned answered = fake_network_answer();
        uv_run(&loop, UV_RUN_NOWAIT);
        bool reading = directory_client_requests(relay.directory_client) != fake_network_open();
        idle = answered > 0 || reading ? 0 : idle + 1;
        if (idle == 3) // what an answer wakes runs in the loop's next turn
            return;
        if (answered == 0 && reading)
            usleep(100);
    }
    fail_msg("it does not settle");
}

static void tick(void)
{
    directory_client_tick(relay.directory_client);
    settle();
}

static void pass(time_t seconds, time_t step)
{
    for (time_t end = fake.now + seconds; fake.now < end;) {
        fake.now += step;
        tick();
    }
}

static const struct stored_consensus *held(void)
{
    return store_consensus(relay.store, CONSENSUS_MICRODESC, 0);
}

static size_t missing(void)
{
    const struct stored_consensus *c = held();
    size_t n = 0;
    for (size_t i = 0; i < c->parsed->n_routers; i++)
        n += store_get(relay.store, STORE_MICRODESCRIPTOR, c->parsed->routers[i].digest) == NULL;
    return n;
}

static void assert_whole(void)
{
    assert_non_null(held());
    assert_int_equal(missing(), 0);
    assert_int_equal(directory_client_progress(relay.directory_client), 100);
    assert_null(store_consensus(relay.store, CONSENSUS_NS, 0));
}

static unsigned bootstrapped(void)
{
    unsigned percent;
    const char *text;
    bootstrap_progress(&relay, &percent, &text);
    assert_true(text[0] != '\0');
    return percent;
}

// One directory, one consensus, its certificates, and microdescriptors of the guards: all as soon
// as the last answer is there.
static void test_bootstrap(void **state)
{
    (void)state;
    assert_int_equal(bootstrapped(), 0);
    tick();
    assert_whole();
    assert_int_equal(fake.consensus_requests, 1);
    assert_int_equal(fake.certificate_requests, 1);
    assert_int_equal(fake.of_fallbacks, 2);
    assert_int_equal(fake.of_authorities, 0);
    assert_int_equal(fake.of_caches, 3); // batches
    assert_int_equal(fake.documents, FAKE_RELAYS);
    assert_int_equal(fake_origin.chosen, 3);
    assert_int_equal(fake_origin.succeeded, 3);
    assert_int_equal(fake_origin.failed, 0);
    assert_int_equal(fake_origin.changed, 1 + 3);
    assert_in_range(bootstrapped(), BOOTSTRAP_ENOUGH - 1, BOOTSTRAP_ENOUGH - 1);
}

static void test_progress_is_told(void **state)
{
    (void)state;
    const char *text;
    unsigned percent;
    for (int i = 0; i < FAKE_FALLBACKS; i++)
        fake.fallbacks[i] = STALLS;
    tick();
    assert_int_equal(bootstrapped(), BOOTSTRAP_LOADING_CONSENSUS);
    stop();
    fake_network_reset(fake.now);
    fake.caches = SILENT;
    start();
    tick();
    assert_int_equal(bootstrapped(), BOOTSTRAP_ASKING_MICRODESCRIPTORS);
    bootstrap_link_dialled(&relay); // another directory
    assert_int_equal(bootstrapped(), BOOTSTRAP_ASKING_MICRODESCRIPTORS);
    bootstrap_microdescriptors(&relay, 3, 7, 30);
    bootstrap_progress(&relay, &percent, &text);
    assert_int_equal(percent, 62);
    assert_string_equal(text, "loading microdescriptors (3 of 7)");
    bootstrap_reached(&relay, BOOTSTRAP_ENOUGH);
    bootstrap_microdescriptors(&relay, 4, 7, 100);
    bootstrap_reached(&relay, BOOTSTRAP_LOADING_CONSENSUS); // the next one
    assert_int_equal(bootstrapped(), BOOTSTRAP_ENOUGH);
    bootstrap_link_dialled(&relay);
    assert_int_equal(bootstrapped(), BOOTSTRAP_CONNECTING_TO_GUARD);
    bootstrap_link_opened(&relay);
    assert_int_equal(bootstrapped(), BOOTSTRAP_CONNECTED_TO_GUARD);
    bootstrap_reached(&relay, BOOTSTRAP_DONE);
    assert_int_equal(bootstrapped(), 100);
}

// A second start asks nobody.
static void test_resume(void **state)
{
    (void)state;
    tick();
    assert_whole();
    stop();
    fake.requests = 0;
    fake_origin.changed = 0;
    fake_origin.may_build = true;
    start();
    assert_int_equal(fake_origin.changed, 1);
    assert_int_equal(fake_origin.pool_ticks, 1); // circuits are begun at once
    assert_int_equal(bootstrapped(), BOOTSTRAP_ENOUGH);
    assert_whole();
    pass(600, 10);
    assert_int_equal(fake.requests, 0);
}

// 9.08: a consensus of yesterday is good enough for guards, who give the new one; one of last week
// is not.
static void test_resume_later(void **state)
{
    (void)state;
    tick();
    stop();
    fake.now += 12 * HOUR;
    fake_origin.changed = 0;
    fake.of_fallbacks = fake.of_authorities = fake.diffs_sent = 0;
    start();
    assert_int_equal(fake_origin.changed, 1);
    tick();
    assert_true(fake.now <= held()->valid_until);
    assert_int_equal(fake.of_fallbacks + fake.of_authorities, 0);
    assert_int_equal(fake.diffs_sent, 1);
    stop();
    fake.now += 60 * HOUR;
    start();
    tick();
    assert_true(fake.now <= held()->valid_until);
    assert_int_equal(fake.of_fallbacks, 1);
    assert_whole();
}

// 9.02: at a random time after three quarters of the next interval, well before the end; of guards,
// by differences.
static void test_schedule(void **state)
{
    (void)state;
    tick();
    unsigned before = fake.consensus_requests;
    time_t begun = fake.now, last = 0, earliest = HOUR * 4, latest = 0;
    fake_origin.may_build = true;
    fake.of_fallbacks = fake.of_authorities = 0;
    for (unsigned n = 0; n < 40;) {
        time_t valid_after = held()->valid_after;
        pass(30, 30);
        assert_true(fake.now <= held()->valid_until);
        if (fake.last_consensus_request <= begun || fake.last_consensus_request == last)
            continue;
        last = fake.last_consensus_request;
        n++;
        assert_in_range(last - valid_after, 6300, 6300 + 3938 + 30);
        earliest = last - valid_after < earliest ? last - valid_after : earliest;
        latest = last - valid_after > latest ? last - valid_after : latest;
    }
    assert_in_range(earliest, 6300, 7500); // spread
    assert_in_range(latest, 9000, 10300);
    assert_int_equal(fake.consensus_requests - before, 40);
    assert_int_equal(fake.diffs_sent, 40);
    assert_int_equal(fake.of_fallbacks + fake.of_authorities, 0);
    pass(20 * 60, 10);
    assert_whole();
}

// A testing network has a consensus each ten seconds.
static void test_short_intervals(void **state)
{
    (void)state;
    config.testing_network = true;
    fake.interval = 10;
    fake.testing = true;
    fake_origin.may_build = true;
    tick();
    for (int i = 0; i < 300; i++) {
        pass(1, 1);
        assert_true(fake.now <= held()->valid_until);
    }
    assert_in_range(fake.consensus_requests, 1 + 300 / 55, 1 + 300 / 15);
    assert_true(missing() < 16);
}

// Those that fail at once are passed over at once.
static void test_dead_fallbacks(void **state)
{
    (void)state;
    static const enum behaviour bad[] = {UNREACHABLE, NOT_FOUND, BUSY, GARBAGE, FORGES};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (i > 0)
            set_up(state);
        fake.fallbacks[0] = fake.fallbacks[1] = bad[i];
        tick();
        assert_whole();
        if (i + 1 < sizeof(bad) / sizeof(bad[0]))
            tear_down(state);
    }
}

// While nobody answers three are asked in turn; authorities are among them after some seconds.
static void test_silent_fallbacks(void **state)
{
    (void)state;
    for (int i = 0; i < FAKE_FALLBACKS; i++)
        fake.fallbacks[i] = SILENT;
    tick();
    assert_int_equal(fake.consensus_requests, 1);
    pass(5, 1);
    assert_in_range(fake.consensus_requests, 2, 3);
    assert_int_equal(fake.of_authorities, 0);
    pass(300, 1);
    assert_int_equal(fake.consensus_requests, 3);
    assert_null(held());
    // One of them wakes up; the others are not waited for.
    fake.fallbacks[0] = fake.fallbacks[1] = fake.fallbacks[2] = ANSWERS;
    settle();
    assert_whole();
    assert_int_equal(fake.consensus_requests, 3);
}

static void test_authorities_help(void **state)
{
    (void)state;
    fake.fallbacks[0] = fake.fallbacks[1] = fake.fallbacks[2] = fake.fallbacks[3] = SILENT;
    config.fallback_directory_count = 2;
    tick();
    pass(60, 1);
    assert_whole();
    assert_true(fake.of_authorities > 0);
}

static void test_without_fallbacks(void **state)
{
    (void)state;
    config.fallback_directory_count = 0;
    fake.authorities[0] = UNREACHABLE;
    tick();
    assert_whole();
    assert_true(fake.of_authorities > 0);
}

// Once one brings it, the others are left, and nobody else is asked.
static void test_one_answers(void **state)
{
    (void)state;
    for (int i = 0; i < FAKE_FALLBACKS; i++)
        fake.fallbacks[i] = SILENT;
    tick();
    pass(10, 1);
    unsigned requests = fake.consensus_requests;
    assert_in_range(requests, 2, 3);
    unsigned open = fake_network_open();
    for (int i = 0; i < FAKE_FALLBACKS; i++)
        fake.fallbacks[i] = STALLS;
    tick();
    assert_true(fake_network_open() < open);
    pass(100, 1);
    assert_int_equal(fake.consensus_requests, requests);
}

static void test_network_away(void **state)
{
    (void)state;
    for (int i = 0; i < FAKE_FALLBACKS; i++)
        fake.fallbacks[i] = UNREACHABLE;
    for (int i = 0; i < FAKE_AUTHORITIES; i++)
        fake.authorities[i] = UNREACHABLE;
    tick();
    assert_in_range(fake.consensus_requests, 3, 5); // at once
    pass(24 * HOUR, 5);
    assert_in_range(fake.consensus_requests, 24 * 12 / 2, 24 * 60);
    for (int i = 0; i < FAKE_FALLBACKS; i++)
        fake.fallbacks[i] = ANSWERS;
    for (int i = 0; i < FAKE_AUTHORITIES; i++)
        fake.authorities[i] = ANSWERS;
    pass(310, 5);
    assert_whole();
}

// What guards leave out, others have; who cannot be reached is told to the guards' keeper.
static void test_guards_that_fail(void **state)
{
    (void)state;
    static const enum behaviour bad[] = {UNREACHABLE, NOT_FOUND, GARBAGE, FORGES, LEAVES_OUT, BUSY};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (i > 0)
            set_up(state);
        fake.caches = bad[i];
        tick();
        assert_whole(); // of a fallback directory, when three guards were of no use
        assert_in_range(fake.of_fallbacks + fake.of_authorities, bad[i] == FORGES ? 2 : 3, 12);
        if (bad[i] == UNREACHABLE)
            assert_true(fake_origin.failed >= 3 && fake_origin.succeeded == 0);
        else
            assert_true(fake_origin.failed == 0 && fake_origin.succeeded >= 3);
        pass(6 * HOUR, 10);
        assert_true(missing() < 16);
        assert_true(fake.now <= held()->valid_until);
        if (i + 1 < sizeof(bad) / sizeof(bad[0]))
            tear_down(state);
    }
}

// The consensus may know none yet. Who gave it gives the rest, and the next one.
static void test_no_guard_can_be_used(void **state)
{
    (void)state;
    fake_origin.no_guards = true;
    tick();
    assert_whole();
    assert_int_equal(fake.of_caches, 0);
    time_t first = held()->valid_after;
    pass(6 * HOUR, 10);
    assert_true(held()->valid_after > first);
    assert_int_equal(fake.of_caches, 0);
    fake_origin.no_guards = false;
    pass(6 * HOUR, 10);
    assert_true(fake.of_caches > 0);
}

// Without an origin (nothing listens for applications) there are no guards to be asked.
static void test_without_origin(void **state)
{
    (void)state;
    relay.origin = NULL;
    tick();
    assert_whole();
    assert_int_equal(fake.of_caches, 0);
}

// 9.11
static void test_few_are_not_worth_it(void **state)
{
    (void)state;
    tick();
    fake_origin.may_build = true;
    unsigned before = fake.of_caches;
    time_t last = fake.now;
    for (int i = 0; i < 20 * 360; i++) {
        fake.now += 10;
        directory_client_tick(relay.directory_client);
        if (fake.of_caches > before && strstr(fake.last_path, "/tor/micro/") != NULL) {
            size_t n = 1;
            for (const char *at = fake.last_path; (at = strchr(at, '-')) != NULL; at++)
                n++;
            assert_true(n >= 16 || fake.now - last >= 600);
            last = fake.now;
        }
        before = fake.of_caches;
        settle();
    }
    // Circuits that need them are a reason.
    fake_origin.may_build = false;
    tick();
    pass(10, 5);
    assert_int_equal(missing(), 0);
}

// Circuits begin at the primary guards (the doubles' are the last relays).
static void test_primaries_first(void **state)
{
    (void)state;
    char name[64];
    config.fallback_directory_count = 1;
    fake.caches = SILENT;
    tick();
    assert_int_equal(fake.of_caches, 3);
    const struct consensus *c = held()->parsed;
    assert_int_equal(fake_network_open(), 3);
    for (size_t i = 127; i < 130; i++) {
        base64_encode(c->routers[i].digest, 32, false, name, sizeof(name));
        assert_non_null(strstr(fake.first_documents_path, name));
    }
}

static void test_certificates_missing(void **state)
{
    (void)state;
    fake.without_certificates = true;
    pass(100, 5);
    assert_null(held());
    assert_int_equal(fake.consensus_requests, 1); // it waits
    pass(1200, 5);
    assert_in_range(fake.consensus_requests, 2, 40); // not for ever
    fake.without_certificates = false;
    pass(900, 5);
    assert_whole();
    // New signing keys.
    fake.key = 1;
    pass(5 * HOUR, 30);
    assert_true(fake.now <= held()->valid_until);
    assert_int_equal(relay.counters.drop_directory_consensus, 0);
}

// 9.08: so much may a clock be wrong.
static void test_wrong_clock(void **state)
{
    (void)state;
    config.testing_network = false;
    fake.behind_s = -20 * HOUR; // the network's clock is ahead of ours
    tick();
    assert_whole();
    stop();
    temp_dir_remove(&dir);
    dir = temp_dir_make();
    snprintf(config.data_directory, sizeof(config.data_directory), "%s", dir.path);
    fake.behind_s = -30 * HOUR;
    start();
    tick();
    assert_null(held());
}

static void test_clock_set_back(void **state)
{
    (void)state;
    fake.now += 300 * 24 * HOUR;
    for (int i = 0; i < FAKE_FALLBACKS; i++)
        fake.fallbacks[i] = UNREACHABLE;
    for (int i = 0; i < FAKE_AUTHORITIES; i++)
        fake.authorities[i] = UNREACHABLE;
    pass(HOUR, 60);
    fake.now -= 300 * 24 * HOUR;
    fake_network_forget();
    for (int i = 0; i < FAKE_FALLBACKS; i++)
        fake.fallbacks[i] = ANSWERS;
    pass(600, 5);
    assert_whole();
}

static void test_stopping(void **state)
{
    (void)state;
    relay.stopping = true;
    pass(60, 5);
    assert_int_equal(fake.requests, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    if (crypto_init() < 0)
        return 1;
    log_set_level(getenv("VERBOSE") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
    fake_network_make();
    const struct CMUnitTest tests[] = {
        TEST(test_bootstrap),        TEST(test_progress_is_told),
        TEST(test_resume),           TEST(test_resume_later),
        TEST(test_schedule),         TEST(test_short_intervals),
        TEST(test_dead_fallbacks),   TEST(test_silent_fallbacks),
        TEST(test_authorities_help), TEST(test_without_fallbacks),
        TEST(test_one_answers),      TEST(test_network_away),
        TEST(test_guards_that_fail), TEST(test_no_guard_can_be_used),
        TEST(test_without_origin),   TEST(test_few_are_not_worth_it),
        TEST(test_primaries_first),  TEST(test_certificates_missing),
        TEST(test_wrong_clock),      TEST(test_clock_set_back),
        TEST(test_stopping),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fake_network_drop();
    return failed;
}
