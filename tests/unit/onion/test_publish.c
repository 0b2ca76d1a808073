// SPDX-License-Identifier: BSD-3-Clause
// A service's descriptors over days: at every time, a client that goes by the specification finds
// them where it looks; and no more is uploaded than there is to say (protocol 8.02–8.13).
#include "publish_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/curve25519.h"
#include "onion/key/onion_keys.h"
#include "origin/circuit/origin_circuit.h"

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S, SETTLED_S = 60, DIRECTORIES = 8 };

static struct publish_world *w;

static int tear_down(void **state)
{
    (void)state;
    publish_world_close();
    return 0;
}

static void open_at(time_t offset_s)
{
    w = publish_world_open(offset_s, HOUR_S);
}

// A client with the newest consensus finds it, and so do those with older ones that are still good.
static void expect_found_by_all(void)
{
    publish_world_expect_found();
    for (unsigned back = 1; back <= 2; back++) {
        struct onion_descriptor d;
        enum descriptor_result result = DESCRIPTOR_MALFORMED;
        unsigned of, found = publish_world_find(w->network->valid_after -
                                                    (time_t)(back * w->network->interval_s),
                                                NULL, &of, &result, &d);
        assert_int_equal(found, of);
        assert_int_equal(result, DESCRIPTOR_GOOD);
    }
}

// ---- the edges

static void test_days(void **state)
{
    (void)state;
    open_at(DAY_S + 7 * HOUR_S + 1234);
    publish_world_pass(SETTLED_S);
    for (unsigned hour = 0; hour < 4 * 24; hour++) {
        expect_found_by_all();
        publish_world_pass(HOUR_S);
    }
    assert_int_equal(w->n_refused, 0);
    // New texts each 60 to 120 minutes and one at each day's edge, two descriptors, 8 directories.
    assert_in_range(w->n_requests, 48 * 2 * DIRECTORIES, (96 + 4) * 2 * DIRECTORIES);
    assert_int_equal(w->n_stored, w->n_requests);
}

// By the minute, before and after: the second descriptor becomes the first, and stays where it is.
static void test_srv_edge(void **state)
{
    (void)state;
    open_at(DAY_S - 600);
    publish_world_pass(SETTLED_S);
    expect_found_by_all();
    const struct service_descriptor second = w->service.descriptors[1];
    publish_world_pass(600 - SETTLED_S - 1);
    expect_found_by_all();
    unsigned before = w->n_requests;
    publish_world_pass(1); // the consensus of 00:00
    expect_found_by_all(); // at once
    assert_memory_equal(w->service.descriptors[0].blinded_public, second.blinded_public, 32);
    assert_memory_equal(w->service.descriptors[0].signing.public_key, second.signing.public_key,
                        32);
    assert_memory_not_equal(w->service.descriptors[1].blinded_public, second.blinded_public, 32);
    assert_int_equal(w->service.descriptors[0].uploaded, DIRECTORIES);
    publish_world_pass(SETTLED_S);
    expect_found_by_all();
    assert_int_equal(w->n_requests, before + DIRECTORIES); // only the new one
    assert_int_equal(w->service.descriptors[1].uploaded, DIRECTORIES);
    assert_int_equal(w->service.descriptors[1].wanted, DIRECTORIES);
}

static void test_period_edge(void **state)
{
    (void)state;
    open_at(DAY_S / 2 - 600);
    publish_world_pass(SETTLED_S);
    const struct service_descriptor first = w->service.descriptors[0];
    const struct service_descriptor second = w->service.descriptors[1];
    unsigned before = w->n_requests;
    for (unsigned i = 0; i < 20; i++) {
        expect_found_by_all();
        publish_world_pass(60);
    }
    assert_int_equal(w->n_requests, before); // nothing had to be said
    assert_memory_equal(w->service.descriptors[0].blinded_public, first.blinded_public, 32);
    assert_memory_equal(w->service.descriptors[1].blinded_public, second.blinded_public, 32);
    assert_int_equal(w->service.descriptors[0].period.number + 1,
                     w->service.descriptors[1].period.number);
}

// Runs of four minutes, as a testing network has them.
static void test_testing_network(void **state)
{
    (void)state;
    w = publish_world_open(DAY_S + 33, 10);
    publish_world_pass(12);
    for (unsigned i = 0; i < 200; i++) {
        publish_world_expect_found();
        publish_world_pass(3);
        if (network_now % 240 < 3) // a new run: what is new is not asked for before half of it
            publish_world_pass(4);
    }
    assert_int_equal(w->n_refused, 0);
}

static void test_no_srv(void **state)
{
    (void)state;
    open_at(DAY_S + 3 * HOUR_S);
    publish_world_pass(SETTLED_S);
    w->no_srv = true;
    publish_world_jump(0);
    publish_world_pass(SETTLED_S);
    for (unsigned hour = 0; hour < 30; hour++) {
        publish_world_expect_found();
        publish_world_pass(HOUR_S);
    }
    w->no_srv = false;
    publish_world_pass(HOUR_S);
    publish_world_expect_found();
}

// Asleep for days; awake, all is new.
static void test_jump(void **state)
{
    (void)state;
    static const time_t jumps[] = {3 * DAY_S, DAY_S, 13 * HOUR_S, 11 * HOUR_S, -DAY_S, -5 * HOUR_S};
    open_at(5 * DAY_S + 20 * HOUR_S);
    publish_world_pass(SETTLED_S);
    for (unsigned i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        publish_world_jump(jumps[i]);
        publish_world_pass(SETTLED_S);
        publish_world_expect_found();
    }
}

// ---- again and again

static void test_restarts(void **state)
{
    (void)state;
    open_at(DAY_S + 20 * HOUR_S);
    publish_world_pass(SETTLED_S);
    for (unsigned i = 0; i < 60; i++) {
        publish_world_stop();
        publish_world_pass((unsigned)network_random(w->network, 600));
        publish_world_start();
        publish_world_pass(1 + (unsigned)network_random(w->network, 2 * SETTLED_S));
        publish_world_pass(SETTLED_S);
        publish_world_expect_found();
        publish_world_pass((unsigned)network_random(w->network, HOUR_S));
    }
    assert_int_equal(w->n_refused, 0); // each revision was newer
}

// Within one second, and with the clock put back.
static void test_revision_grows(void **state)
{
    (void)state;
    open_at(DAY_S + HOUR_S + 30);
    publish_world_pass(SETTLED_S);
    for (unsigned i = 0; i < 5; i++) {
        service_descriptors_changed(&w->service);
        network_now -= 7; // and one passes
        publish_world_pass(1);
        w->now_ms += 60000;
        network_now -= 5;
        publish_world_pass(5);
    }
    assert_int_equal(w->n_refused, 0);
    assert_int_equal(w->n_stored, 6 * 2 * DIRECTORIES);
}

// 8.13: of n = seconds since the run began, and 1 more; as C tor has it, so that a service may be
// taken from the one to the other.
static void test_revision_is_tors(void **state)
{
    (void)state;
    open_at(DAY_S + HOUR_S + 30);
    publish_world_pass(SETTLED_S);
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++) {
        const struct publish_slot *slot = w->service.publish->slots[i];
        const struct service_descriptor *d = slot->descriptor;
        bool found = false;
        uint64_t at_least = (uint64_t)(network_now - SETTLED_S - slot->run_start);
        assert_in_range(slot->revision_seconds, at_least + 1, at_least + SETTLED_S + 1);
        uint64_t revision = onion_revision_counter(&d->blinded, slot->revision_seconds - 1);
        for (unsigned j = 0; j < WORLD_STORED_MAX; j++)
            if (w->stored[j].text && memcmp(w->stored[j].blinded, d->blinded_public, 32) == 0) {
                assert_true(w->stored[j].revision == revision);
                found = true;
            }
        assert_true(found);
    }
}

static void test_directories_come_and_go(void **state)
{
    (void)state;
    open_at(DAY_S + 6 * HOUR_S);
    publish_world_pass(SETTLED_S);
    for (unsigned hour = 0; hour < 72; hour++) {
        for (unsigned i = 0; i < 4; i++)
            w->network->relays[network_random(w->network, WORLD_RELAYS)].flags ^= ROUTER_HSDIR;
        publish_world_pass(HOUR_S);
        publish_world_pass(SETTLED_S);
        publish_world_expect_found();
        network_now -= SETTLED_S; // consensuses stay hourly
    }
    // A directory that is responsible again gets what it has already.
    assert_true(w->n_refused * 20 < w->n_requests);
}

// Only those that are new get it, and it is the text that the others have.
static void test_one_more_directory(void **state)
{
    (void)state;
    open_at(DAY_S + HOUR_S);
    publish_world_pass(SETTLED_S);
    assert_int_equal(w->n_requests, 2 * DIRECTORIES);
    for (unsigned i = 0; i < WORLD_RELAYS; i++)
        if (w->stored[0].text && w->stored[0].relay == i)
            w->network->relays[i].flags &= ~(unsigned)ROUTER_HSDIR;
    publish_world_jump(0);
    publish_world_pass(SETTLED_S);
    publish_world_expect_found();
    assert_in_range(w->n_requests, 2 * DIRECTORIES + 1, 2 * DIRECTORIES + 2);
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++)
        assert_int_equal(w->service.descriptors[i].uploaded, DIRECTORIES);
}

// ---- failures

static void test_failures(void **state)
{
    (void)state;
    open_at(DAY_S + HOUR_S);
    w->failing_pct = 50;
    for (unsigned hour = 0; hour < 12; hour++) {
        publish_world_pass(HOUR_S / 2);
        w->failing_pct = 0;
        publish_world_pass(HOUR_S / 2);
        publish_world_expect_found();
        w->failing_pct = 50;
    }
    assert_true(w->n_failed > 20);
    assert_int_equal(w->n_refused, 0);
}

// A directory that has one of the two descriptors, and not the other.
static size_t directory_of_one(void)
{
    for (unsigned i = 0; i < WORLD_STORED_MAX; i++) {
        unsigned n = 0;
        for (unsigned j = 0; j < WORLD_STORED_MAX; j++)
            n += w->stored[i].text && w->stored[j].text && w->stored[j].relay == w->stored[i].relay;
        if (n == 1)
            return w->stored[i].relay;
    }
    fail_msg("all have both");
    return 0;
}

static void test_dead_directory(void **state)
{
    (void)state;
    open_at(DAY_S + HOUR_S);
    publish_world_pass(SETTLED_S);
    w->dead = directory_of_one();
    service_descriptors_changed(&w->service);
    unsigned before = w->n_requests;
    publish_world_pass(50 * 60);
    assert_int_equal(w->n_to_dead, PUBLISH_TRIES_MAX);
    assert_int_equal(w->n_requests, before + 2 * DIRECTORIES - 1 + PUBLISH_TRIES_MAX);
    assert_int_equal(w->service.descriptors[0].uploaded + w->service.descriptors[1].uploaded,
                     2 * DIRECTORIES - 1);
    publish_world_pass(2 * HOUR_S); // and again with the next text
    assert_true(w->n_to_dead > PUBLISH_TRIES_MAX);
}

static void test_waiting(void **state)
{
    (void)state;
    open_at(DAY_S + HOUR_S);
    w->ready = false;
    publish_world_pass(HOUR_S);
    assert_int_equal(w->n_requests, 0);
    assert_true(w->service.descriptors[0].in_force);
    w->ready = true;
    w->may_build = false;
    publish_world_pass(HOUR_S);
    assert_int_equal(w->n_requests, 0);
    w->may_build = true;
    w->building = ORIGIN_BUILDING_MAX;
    publish_world_pass(60);
    assert_int_equal(w->n_requests, 0);
    w->building = 0;
    publish_world_pass(SETTLED_S);
    publish_world_expect_found();
    assert_true(w->most_under_way <= PUBLISH_UPLOADS_MAX);
}

// ---- what there is to say

static void test_changes(void **state)
{
    (void)state;
    open_at(DAY_S + HOUR_S);
    publish_world_pass(SETTLED_S);
    w->n_points = 2;
    service_descriptors_changed(&w->service);
    publish_world_pass(SETTLED_S);
    publish_world_expect_found(); // with two
    assert_int_equal(w->n_requests, 2 * 2 * DIRECTORIES);
    // Each second: as often as is allowed, and the last word is said.
    for (unsigned i = 0; i < HOUR_S; i++) {
        w->n_points = 1 + i % 3;
        service_descriptors_changed(&w->service);
        publish_world_pass(1);
    }
    assert_true(w->n_requests <= (2 + PUBLISH_CHANGES_MAX + 60) * 2 * DIRECTORIES);
    publish_world_pass(2 * SETTLED_S);
    publish_world_expect_found();
}

static void test_new_text_ends_uploads(void **state)
{
    (void)state;
    open_at(DAY_S + HOUR_S);
    publish_world_pass(1);
    assert_int_equal(w->under_way, 2 * DIRECTORIES);
    service_descriptors_changed(&w->service);
    publish_world_pass(1);
    assert_int_equal(w->under_way, 2 * DIRECTORIES);
    publish_world_pass(SETTLED_S);
    assert_int_equal(w->n_stored, 2 * DIRECTORIES);
    publish_world_expect_found();
}

static void test_pow(void **state)
{
    (void)state;
    struct onion_descriptor d;
    enum descriptor_result result;
    unsigned of;
    open_at(DAY_S + HOUR_S);
    w->service.pow = (struct pow_defence *)w;
    w->pow = (struct onion_pow_params){true, {1}, 100, (uint64_t)network_now + 7000};
    publish_world_pass(SETTLED_S);
    unsigned before = w->n_requests;
    w->pow.effort = 333;
    w->pow_changed = true;
    publish_world_pass(SETTLED_S);
    assert_int_equal(w->n_requests, before + 2 * DIRECTORIES);
    (void)publish_world_find(w->network->valid_after, NULL, &of, &result, &d);
    assert_int_equal(result, DESCRIPTOR_GOOD);
    assert_int_equal(d.pow.effort, 333);
    publish_world_pass(SETTLED_S);
    assert_int_equal(w->n_requests, before + 2 * DIRECTORIES);
}

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[1300];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static enum descriptor_result read_as(const uint8_t *client)
{
    struct onion_descriptor d;
    enum descriptor_result result = DESCRIPTOR_MALFORMED;
    unsigned of;
    assert_true(publish_world_find(w->network->valid_after, client, &of, &result, &d) > 0);
    return result;
}

// The operator lets somebody in, and one more, and all.
static void test_clients(void **state)
{
    (void)state;
    char directory[] = "/tmp/ramson-publish-XXXXXX", path[1200];
    struct curve25519_key keys[2];
    open_at(DAY_S + HOUR_S);
    assert_non_null(mkdtemp(directory));
    snprintf(w->config.directory, sizeof(w->config.directory), "%s", directory);
    publish_world_pass(2 * SETTLED_S);
    assert_int_equal(read_as(NULL), DESCRIPTOR_GOOD);
    w->files.clients = calloc(2, sizeof(*w->files.clients));
    for (unsigned i = 0; i < 2; i++) {
        curve25519_generate(&keys[i]);
        memcpy(w->files.clients[i].public_key, keys[i].public_key, 32);
    }
    snprintf(path, sizeof(path), "%s/authorized_clients", directory);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(path, "a.auth", "one");
    w->files.n_clients = 1;
    publish_world_pass(2 * SETTLED_S);
    assert_int_equal(read_as(NULL), DESCRIPTOR_NEEDS_AUTH);
    assert_int_equal(read_as(keys[0].secret), DESCRIPTOR_GOOD);
    assert_int_equal(read_as(keys[1].secret), DESCRIPTOR_BAD_AUTH);
    write_file(path, "a.auth", "another"); // the directory is as it was
    w->files.n_clients = 2;
    publish_world_pass(2 * SETTLED_S);
    assert_int_equal(read_as(keys[1].secret), DESCRIPTOR_GOOD);
    write_file(path, "a.auth", "nobody can read this");
    w->unreadable = true;
    publish_world_pass(2 * SETTLED_S);
    assert_int_equal(read_as(NULL), DESCRIPTOR_NEEDS_AUTH); // it is not open for all
    unsigned before = w->n_requests;
    publish_world_pass(600);
    assert_true(w->n_requests <= before + 2 * DIRECTORIES);
    snprintf(path, sizeof(path), "%s/authorized_clients/a.auth", directory);
    unlink(path);
    w->unreadable = false;
    w->files.n_clients = 0;
    publish_world_pass(2 * SETTLED_S);
    assert_int_equal(read_as(NULL), DESCRIPTOR_GOOD);
    snprintf(path, sizeof(path), "%s/authorized_clients", directory);
    rmdir(path);
    rmdir(directory);
}

// What introductions may be made with: both descriptors', and each master's of three periods.
static void test_credentials(void **state)
{
    (void)state;
    struct service_credential c[SERVICE_SUBCREDENTIALS_MAX];
    struct ed25519_key master;
    open_at(DAY_S + HOUR_S);
    publish_world_pass(1);
    assert_int_equal(service_credentials(&w->service, c, SERVICE_SUBCREDENTIALS_MAX), 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_memory_equal(c[i].subcredential, w->service.descriptors[i].subcredential, 32);
        assert_memory_equal(c[i].blinded_public, w->service.descriptors[i].blinded_public, 32);
    }
    publish_world_stop();
    w->config.onionbalance = true;
    w->service.keys.masters = calloc(30, 32);
    w->service.keys.n_masters = 30;
    ed25519_generate(&master);
    for (unsigned i = 0; i < 30; i++)
        memcpy(w->service.keys.masters[i], master.public_key, 32);
    publish_world_start();
    publish_world_pass(1);
    assert_int_equal(service_credentials(&w->service, c, 5), 5);
    assert_int_equal(service_credentials(&w->service, c, SERVICE_SUBCREDENTIALS_MAX),
                     SERVICE_SUBCREDENTIALS_MAX);
    assert_memory_not_equal(c[2].subcredential, c[3].subcredential, 32);
    assert_memory_equal(c[2].subcredential, c[5].subcredential, 32);
    free(w->service.keys.masters);
    w->service.keys.masters = NULL;
    w->service.keys.n_masters = 0;
}

// With keys for a week that were made ahead, and nothing secret besides; later for another.
static void test_offline_master(void **state)
{
    (void)state;
    char *text = NULL, why[200];
    size_t length;
    open_at(DAY_S + HOUR_S);
    publish_world_pass(SETTLED_S);
    struct key_directory *keys = &w->service.keys;
    const struct ed25519_key identity = keys->identity;
    struct time_period first = w->service.descriptors[0].period;
    publish_world_stop();
    memset(keys->identity.expanded, 0, 64);
    keys->has_secret = false;
    assert_int_equal(premade_keys_make(&identity, first, 7, &text, &length), 0);
    const struct keyfile_error error = {.text = why, .size = sizeof(why)};
    assert_int_equal(premade_keys_parse("keys", text, length, identity.public_key, &keys->premade,
                                        &keys->n_premade, &error),
                     0);
    free(text);
    publish_world_start();
    for (unsigned hour = 0; hour < 5 * 24; hour++) {
        publish_world_pass(HOUR_S);
        if (hour < 3)
            continue; // what was stored before may be of a higher revision
        publish_world_expect_found();
    }
    // The last one is that of the day after the next.
    publish_world_jump(3 * DAY_S);
    publish_world_pass(HOUR_S);
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++)
        assert_false(w->service.descriptors[i].in_force);
    assert_int_equal(service_credentials(&w->service, NULL, 0), 0);
    publish_world_stop();
    free(keys->premade);
    keys->premade = NULL;
    keys->n_premade = 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_days),
        TEST(test_srv_edge),
        TEST(test_period_edge),
        TEST(test_testing_network),
        TEST(test_no_srv),
        TEST(test_jump),
        TEST(test_restarts),
        TEST(test_revision_grows),
        TEST(test_revision_is_tors),
        TEST(test_directories_come_and_go),
        TEST(test_one_more_directory),
        TEST(test_failures),
        TEST(test_dead_directory),
        TEST(test_waiting),
        TEST(test_changes),
        TEST(test_new_text_ends_uploads),
        TEST(test_pow),
        TEST(test_clients),
        TEST(test_credentials),
        TEST(test_offline_master),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
