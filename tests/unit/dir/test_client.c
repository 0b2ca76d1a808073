// SPDX-License-Identifier: BSD-3-Clause
// The directory client in virtual time: bootstrap, the schedule over days, directories that lie,
// fail and leave things out (6.29, 9.01–9.13).
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
#include "crypto/random.h"
#include "dir/client/client.h"
#include "dir/parameters.h"
#include "dir/publish/publish.h"
#include "dir/store/store.h"
#include "fake_network.h"
#include "identity/identity.h"
#include "netdoc/certificate.h"
#include "relay.h"
#include "temp_dir.h"

enum { HOUR = 3600 };

static struct temp_dir dir;
static struct config config;
static struct identity identity;
static struct relay relay;
static uv_loop_t loop;

// ---- what the publisher is told

static unsigned outdated_told;
static bool outdated;
static struct publisher_listing listing;

bool publisher_set_outdated(struct publisher *p, bool now)
{
    (void)p;
    bool news = now != outdated;
    outdated = now;
    outdated_told += news;
    return news;
}

void publisher_listed(struct publisher *p, const struct publisher_listing *now)
{
    (void)p;
    listing = *now;
}

static time_t clock_of_test(void)
{
    return fake.now;
}

static void start(void)
{
    relay.parameters = parameters_create(&relay);
    relay.store = directory_store_create(&relay);
    relay.directory_client = directory_client_create(&relay);
    assert_non_null(relay.store);
    assert_non_null(relay.directory_client);
}

static void stop(void)
{
    directory_client_free(relay.directory_client);
    directory_store_free(relay.store);
    parameters_free(relay.parameters);
    uv_run(&loop, UV_RUN_DEFAULT);
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
    config.or_port = 9001; // a relay, and so a cache
    snprintf(config.data_directory, sizeof(config.data_directory), "%s", dir.path);
    memset(identity.rsa_id, 0xff, sizeof(identity.rsa_id));
    uv_loop_init(&loop);
    relay.loop = &loop;
    relay.config = &config;
    relay.identity = &identity;
    relay.wall_clock = clock_of_test;
    start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop();
    assert_int_equal(uv_loop_close(&loop), 0);
    temp_dir_remove(&dir);
    return 0;
}

// Until nothing is asked and nothing is being read.
static void settle(void)
{
    for (int i = 0; i < 100000; i++) {
        unsigned answered = fake_network_answer();
        uv_run(&loop, UV_RUN_NOWAIT);
        if (answered == 0 &&
            directory_client_requests(relay.directory_client) == fake_network_open())
            return;
        if (answered == 0)
            usleep(100);
    }
    fail_msg("it does not settle");
}

static void pass(time_t seconds, time_t step)
{
    for (time_t end = fake.now + seconds; fake.now < end;) {
        fake.now += step;
        directory_client_tick(relay.directory_client);
        settle();
    }
}

static void bootstrap(void)
{
    directory_client_tick(relay.directory_client);
    settle();
    for (int i = 0; i < 60 && directory_client_progress(relay.directory_client) < 100; i++)
        pass(5, 5);
    assert_int_equal(directory_client_progress(relay.directory_client), 100);
    pass(10, 5);
}

static void count_one(void *user, struct blob *text)
{
    (void)text;
    ++*(unsigned *)user;
}

static unsigned count(enum store_kind kind)
{
    unsigned n = 0;
    store_each(relay.store, kind, count_one, &n);
    return n;
}

static const struct stored_consensus *held(enum consensus_flavour flavour)
{
    return store_consensus(relay.store, flavour, 0);
}

static void assert_whole(void)
{
    assert_non_null(held(CONSENSUS_NS));
    assert_non_null(held(CONSENSUS_MICRODESC));
    assert_in_range(count(STORE_MICRODESCRIPTOR), FAKE_RELAYS, 100 * FAKE_RELAYS);
    assert_in_range(count(STORE_DESCRIPTOR_BY_IDENTITY), FAKE_RELAYS, FAKE_RELAYS);
    assert_in_range(count(STORE_EXTRA_INFO_BY_IDENTITY), FAKE_RELAYS, FAKE_RELAYS);
    assert_int_equal(count(STORE_CERTIFICATE), FAKE_AUTHORITIES);
}

static void test_bootstrap(void **state)
{
    (void)state;
    size_t length;
    bootstrap();
    assert_whole();
    const char *text = fake_consensus(CONSENSUS_NS, fake_valid_after(fake.now), &length);
    assert_int_equal(held(CONSENSUS_NS)->text->length, length);
    assert_memory_equal(held(CONSENSUS_NS)->text->bytes, text, length);
    // Two consensuses; certificates once; each document once, in at least three batches of a kind.
    assert_int_equal(fake.consensus_requests, 2);
    assert_in_range(fake.certificate_requests, 1, 2);
    assert_int_equal(fake.documents, 3 * FAKE_RELAYS);
    assert_in_range(fake.by_authorities, 6, 12);
    assert_int_equal(fake.by_caches, 0);
    assert_in_range(fake.longest_path, 100, 4500);
    assert_int_equal(parameters_of(&relay)->circuit_window_cells, 900);
    assert_int_equal(relay.counters.directory_documents, 3 * FAKE_RELAYS + FAKE_AUTHORITIES);
    assert_int_equal(relay.counters.drop_directory_document, 0);
}

static void test_resume(void **state)
{
    (void)state;
    bootstrap();
    stop();
    assert_true(temp_exists(&dir, "cached-consensus"));
    assert_true(temp_exists(&dir, "cached-microdesc-consensus"));
    assert_true(temp_exists(&dir, "cached-certs"));
    fake.requests = 0;
    start();
    assert_whole();
    assert_int_equal(directory_client_progress(relay.directory_client), 100);
    pass(600, 10);
    assert_int_equal(fake.requests, 0);
    // Hours later only what is new is fetched, and the consensus by its difference.
    stop();
    fake.now += 4 * HOUR;
    start();
    pass(60, 5);
    assert_int_equal(fake.consensus_requests, 2 + 2);
    assert_int_equal(relay.counters.directory_diffs, 2);
    assert_in_range(fake.documents, 3 * FAKE_RELAYS + 3, 5 * FAKE_RELAYS);
    assert_whole();
}

// What is on disk is believed no more than what comes from the network.
static void test_damaged_disk(void **state)
{
    (void)state;
    static char text[1 << 20];
    bootstrap();
    stop();
    ssize_t n = temp_read(&dir, "cached-consensus", text, sizeof(text));
    char *at = memmem(text, (size_t)n, "circwindow=900", 14);
    memcpy(at, "circwindow=500", 14);
    temp_write(&dir, "cached-consensus", text, (size_t)n);
    const char *name =
        temp_exists(&dir, "cached-microdescs") ? "cached-microdescs" : "cached-microdescs.new";
    n = temp_read(&dir, name, text, sizeof(text));
    assert_true(n > 0);
    memcpy(memmem(text, (size_t)n, "ntor-onion-key", 14), "ntor-onion-kex", 14);
    temp_write(&dir, name, text, (size_t)n / 2); // cut off by a crash
    if (strcmp(name, "cached-microdescs") == 0)
        temp_write(&dir, "cached-microdescs.new", "", 0);
    temp_write(&dir, "cached-descriptors.new", "\0\0@\n@last-listed\nrouter", 22);
    start();
    assert_null(held(CONSENSUS_NS));
    assert_non_null(held(CONSENSUS_MICRODESC));
    unsigned micro = count(STORE_MICRODESCRIPTOR);
    assert_in_range(micro, FAKE_RELAYS / 3, FAKE_RELAYS / 2);
    bootstrap();
    assert_whole();
}

// A cache fetches after the consensus went stale and two minutes, in half an hour; and never holds
// one that has expired.
static void test_schedule(void **state)
{
    (void)state;
    bootstrap();
    time_t begun = fake.now;
    unsigned hours = 30;
    unsigned before = fake.consensus_requests;
    fake.documents = fake.by_authorities = fake.by_caches = 0;
    for (time_t last = 0; fake.now < begun + (time_t)hours * HOUR;) {
        pass(30, 30);
        assert_true(fake.now <= held(CONSENSUS_NS)->valid_until);
        assert_true(fake.now <= held(CONSENSUS_MICRODESC)->valid_until);
        time_t asked = fake.last_consensus_request;
        if (asked > begun && asked != last) {
            assert_in_range(asked % HOUR, 120, 120 + 1800 + 30);
            last = asked;
        }
    }
    assert_in_range(fake.consensus_requests - before, 2 * (hours - 1), 2 * (hours + 1));
    assert_int_equal(fake.diffs_sent, fake.consensus_requests - before);
    assert_int_equal(relay.counters.directory_diffs, fake.diffs_sent);
    assert_int_equal(relay.counters.drop_directory_request, 0);
    // Caches have what is new; no authority was asked for it.
    assert_in_range(fake.by_caches, 1, 3 * 3 * hours);
    assert_int_equal(fake.by_authorities, 0);
    assert_int_equal(fake.extra_infos_of_caches, 0); // few have them
    assert_whole();
    // Old consensuses are kept for others' diffs, within bounds.
    assert_non_null(store_consensus(relay.store, CONSENSUS_NS, STORE_CONSENSUSES_MAX - 1));
    assert_null(store_consensus(relay.store, CONSENSUS_NS, STORE_CONSENSUSES_MAX));
    // Documents that nobody lists go after their time.
    unsigned microdescriptors = count(STORE_MICRODESCRIPTOR);
    assert_true(microdescriptors > FAKE_RELAYS);
    pass(9 * 24 * HOUR, 600);
    assert_whole();
    assert_in_range(count(STORE_MICRODESCRIPTOR), FAKE_RELAYS, 40 * FAKE_RELAYS);
    assert_in_range(count(STORE_DESCRIPTOR), FAKE_RELAYS, 28 * FAKE_RELAYS);
}

// A testing network has a consensus each ten seconds.
static void test_short_intervals(void **state)
{
    (void)state;
    config.testing_network = true;
    fake.interval = 10;
    fake.testing = true;
    bootstrap();
    unsigned before = fake.consensus_requests;
    pass(100, 1);
    assert_in_range(fake.consensus_requests - before, 2 * 8, 2 * 13);
    assert_true(fake.now <= held(CONSENSUS_NS)->valid_until);
    assert_true(held(CONSENSUS_NS)->valid_after + 30 >= fake.now);
}

static void test_authorities_that_fail(void **state)
{
    (void)state;
    static const enum behaviour bad[] = {UNREACHABLE, NOT_FOUND, BUSY,
                                         GARBAGE,     ENDLESS,   SPEAKS_IN_TONGUES};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (i > 0)
            set_up(state);
        fake.authorities[0] = fake.authorities[1] = bad[i];
        bootstrap();
        pass(600, 10);
        assert_whole();
        assert_int_equal(relay.counters.drop_directory_consensus, 0);
        if (i + 1 < sizeof(bad) / sizeof(bad[0]))
            tear_down(state);
    }
}

static void test_forged(void **state)
{
    (void)state;
    fake.authorities[0] = FORGES;
    fake.authorities[1] = FORGES;
    bootstrap();
    pass(600, 10);
    assert_whole();
    assert_int_equal(parameters_of(&relay)->circuit_window_cells, 900);
    // All of them: nothing is believed.
    stop();
    temp_dir_remove(&dir);
    dir = temp_dir_make();
    snprintf(config.data_directory, sizeof(config.data_directory), "%s", dir.path);
    memset(&relay.counters, 0, sizeof(relay.counters));
    start();
    fake.authorities[2] = FORGES;
    pass(600, 5);
    assert_null(held(CONSENSUS_NS));
    assert_null(held(CONSENSUS_MICRODESC));
    assert_in_range(relay.counters.drop_directory_consensus, 4, 400);
    assert_int_equal(count(STORE_MICRODESCRIPTOR), 0);
}

// One that is as old as ours is not taken, and is no harm; the next try finds the new one.
static void test_old_consensus(void **state)
{
    (void)state;
    bootstrap();
    for (int i = 0; i < FAKE_AUTHORITIES; i++)
        fake.authorities[i] = LAGS;
    fake.caches = LAGS;
    time_t valid_after = held(CONSENSUS_NS)->valid_after;
    pass(100 * 60 - fake.now % HOUR, 30);
    assert_int_equal(held(CONSENSUS_NS)->valid_after, valid_after);
    fake.authorities[1] = ANSWERS;
    pass(60 * 60, 30);
    assert_true(held(CONSENSUS_NS)->valid_after > valid_after);
    assert_true(held(CONSENSUS_MICRODESC)->valid_after > valid_after);
    assert_whole();
}

static void test_certificates_missing(void **state)
{
    (void)state;
    fake.without_certificates = true;
    pass(120, 5);
    assert_null(held(CONSENSUS_NS)); // waits
    assert_int_equal(relay.counters.drop_directory_consensus, 0);
    assert_int_equal(fake.consensus_requests, 2);
    pass(900, 5);
    assert_in_range(fake.consensus_requests, 3, 20); // not for ever; another may be true
    fake.without_certificates = false;
    bootstrap();
    pass(900, 10);
    assert_whole();
    // New signing keys: the consensus waits for the certificates that it names.
    fake.key = 1;
    fake.certificate_requests = 0;
    pass(2 * HOUR, 30);
    assert_in_range(fake.certificate_requests, 1, 4);
    assert_true(held(CONSENSUS_NS)->valid_after + 2 * HOUR > fake.now);
    assert_int_equal(count(STORE_CERTIFICATE_BY_SIGNING_KEY), 2 * FAKE_AUTHORITIES);
    assert_int_equal(count(STORE_CERTIFICATE), FAKE_AUTHORITIES);
}

// Without its authorities a relay gets on with caches.
static void test_authorities_gone(void **state)
{
    (void)state;
    bootstrap();
    for (int i = 0; i < FAKE_AUTHORITIES; i++)
        fake.authorities[i] = UNREACHABLE;
    pass(12 * HOUR, 60);
    assert_true(fake.now <= held(CONSENSUS_NS)->valid_until);
    assert_true(fake.now <= held(CONSENSUS_MICRODESC)->valid_until);
    assert_whole();
    assert_in_range(relay.counters.drop_directory_request, 10, 2000);
}

static void test_caches_that_fail(void **state)
{
    (void)state;
    static const enum behaviour bad[] = {UNREACHABLE, NOT_FOUND, GARBAGE, FORGES, LEAVES_OUT};
    bootstrap();
    pass(55 * 60 - fake.now % HOUR, 5); // looked at when the new consensus' documents had time
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fake.caches = bad[i];
        pass(3 * HOUR, 20);
        size_t missing = 0;
        const struct consensus *c = held(CONSENSUS_MICRODESC)->parsed;
        for (size_t j = 0; j < c->n_routers; j++)
            missing += store_get(relay.store, STORE_MICRODESCRIPTOR, c->routers[j].digest) == NULL;
        assert_int_equal(missing, 0);
    }
    assert_true(relay.counters.drop_directory_document > 0);
}

// A directory that says nothing is given up by the request's own time limit; meanwhile it is not
// asked again, and not more than its share is under way.
static void test_silent(void **state)
{
    (void)state;
    for (int i = 0; i < FAKE_AUTHORITIES; i++)
        fake.authorities[i] = SILENT;
    pass(300, 5);
    assert_in_range(fake_network_open(), 1, 3);
    assert_in_range(fake.requests, 1, 3);
}

static void test_clock_set_back(void **state)
{
    (void)state;
    fake.now += 300 * 24 * HOUR;
    for (int i = 0; i < FAKE_AUTHORITIES; i++)
        fake.authorities[i] = UNREACHABLE;
    pass(HOUR, 60);
    fake.now -= 300 * 24 * HOUR;
    for (int i = 0; i < FAKE_AUTHORITIES; i++)
        fake.authorities[i] = ANSWERS;
    bootstrap();
    assert_whole();
}

// What waits for certificates does not wait until the clock is again where it was.
static void test_set_back_waiting(void **state)
{
    (void)state;
    fake.now += 12 * HOUR;
    fake.without_certificates = true;
    pass(10, 5);
    assert_int_equal(fake.consensus_requests, 2);
    fake.now -= 12 * HOUR;
    fake_network_forget();
    pass(900, 5);
    assert_true(fake.consensus_requests > 2);
    fake.without_certificates = false;
    bootstrap();
    pass(900, 10);
    assert_whole();
}

// 6.14, 6.34: whether it lists us, and what it requires of relays.
static void test_what_it_says_of_us(void **state)
{
    (void)state;
    relay.publisher = (struct publisher *)&relay; // for the doubles
    outdated = false;
    outdated_told = 0;
    bootstrap();
    assert_false(listing.listed);
    assert_int_equal(listing.valid_after, held(CONSENSUS_NS)->valid_after);
    memset(identity.rsa_id, 0x11, 20); // the fake network's
    identity.rsa_id[0] = 3;
    pass(2 * HOUR, 30);
    assert_true(listing.listed);
    assert_false(listing.stale);
    assert_false(outdated);
    fake.required = "Relay=2-4 Flying=7";
    fake_network_forget(); // consensuses that were made before
    pass(2 * HOUR, 30);
    assert_true(outdated);
    assert_int_equal(outdated_told, 1);
    fake.required = "Relay=2-4";
    fake_network_forget();
    pass(2 * HOUR, 30);
    assert_false(outdated);
    relay.publisher = NULL;
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
        TEST(test_bootstrap),        TEST(test_resume),           TEST(test_damaged_disk),
        TEST(test_schedule),         TEST(test_short_intervals),  TEST(test_authorities_that_fail),
        TEST(test_forged),           TEST(test_old_consensus),    TEST(test_certificates_missing),
        TEST(test_authorities_gone), TEST(test_caches_that_fail), TEST(test_silent),
        TEST(test_clock_set_back),   TEST(test_stopping),         TEST(test_what_it_says_of_us),
        TEST(test_set_back_waiting),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fake_network_drop();
    return failed;
}
