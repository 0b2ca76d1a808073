// SPDX-License-Identifier: BSD-3-Clause
// The HSDir's cache: what it keeps, what it gives out, and who gives way (protocol 7.03–7.06,
// 13.32). With --big MB N BYTES it gets N descriptors of that size in a cache of so many megabytes,
// and says what that takes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/counters.h"
#include "config/config.h"
#include "crypto/random.h"
#include "descriptors.h"
#include "onion/relay/hsdir.h"
#include "relay.h"

enum { NOW_S = 1800000000 };

static time_t fixed_clock(void)
{
    return NOW_S;
}

struct desk {
    struct relay relay;
    struct config config;
    struct hsdir *hsdir;
};

static struct desk *desk_open(unsigned cache_mb)
{
    struct desk *desk = calloc(1, sizeof(*desk));
    assert_non_null(desk);
    desk->config.hsdir_cache_mb = cache_mb;
    desk->relay.config = &desk->config;
    desk->relay.wall_clock = fixed_clock;
    desk->relay.uptime_s = 1;
    desk->hsdir = hsdir_create(&desk->relay);
    assert_non_null(desk->hsdir);
    return desk;
}

static void desk_close(struct desk *desk)
{
    hsdir_free(desk->hsdir);
    assert_int_equal(desk->relay.counters.hsdir_descriptors, 0);
    free(desk);
}

static bool publish(struct desk *desk, const struct sample *s)
{
    size_t length;
    char *text = sample_write(s, &length);
    bool stored = hsdir_publish(desk->hsdir, (uint8_t *)text, length) == HSDIR_STORED;
    free(text);
    return stored;
}

// Whether it is there; a fetch.
static bool has(struct desk *desk, const struct sample *s)
{
    struct blob *text = hsdir_fetch(desk->hsdir, s->blinded.public_key);
    if (!text)
        return false;
    size_t length;
    char *expected = sample_write(s, &length);
    assert_int_equal(text->length, length);
    assert_memory_equal(text->bytes, expected, length);
    free(expected);
    blob_drop(text);
    return true;
}

static void test_stored_and_fetched(void **state)
{
    (void)state;
    struct desk *desk = desk_open(1);
    struct sample a = sample_of(1, NOW_S), b = sample_of(2, NOW_S), c = sample_of(3, NOW_S);
    assert_true(publish(desk, &a));
    assert_true(publish(desk, &b));
    assert_true(has(desk, &a));
    assert_true(has(desk, &b));
    assert_false(has(desk, &c));
    assert_int_equal(desk->relay.counters.hsdir_stored, 2);
    assert_int_equal(desk->relay.counters.hsdir_fetched, 2);
    assert_int_equal(desk->relay.counters.hsdir_missed, 1);
    assert_int_equal(desk->relay.counters.hsdir_descriptors, 2);
    // Who holds one keeps it.
    struct blob *text = hsdir_fetch(desk->hsdir, a.blinded.public_key);
    a.revision++;
    assert_true(publish(desk, &a));
    assert_memory_equal(text->bytes, "hs-descriptor 3\n", 16);
    blob_drop(text);
    desk_close(desk);
}

static void test_only_newer_ones(void **state)
{
    (void)state;
    struct desk *desk = desk_open(1);
    struct sample s = sample_of(1, NOW_S);
    s.revision = 100;
    assert_true(publish(desk, &s));
    assert_false(publish(desk, &s));
    struct sample older = s;
    older.revision = 99;
    assert_false(publish(desk, &older));
    assert_true(has(desk, &s));
    assert_int_equal(desk->relay.counters.drop_hsdir_stale, 2);
    s.revision = 101;
    assert_true(publish(desk, &s));
    assert_true(has(desk, &s));
    assert_int_equal(desk->relay.counters.hsdir_descriptors, 1);
    // A newer number alone is nothing: it must be signed.
    struct sample forged = s;
    forged.revision = 102;
    forged.signed_under = "";
    assert_false(publish(desk, &forged));
    assert_int_equal(desk->relay.counters.drop_hsdir_signature, 1);
    assert_true(has(desk, &s));
    desk_close(desk);
}

static void test_refused(void **state)
{
    (void)state;
    struct desk *desk = desk_open(1);
    struct sample s = sample_of(1, NOW_S);
    size_t length;
    s.size = 51000;
    assert_false(publish(desk, &s));
    assert_int_equal(desk->relay.counters.drop_hsdir_large, 1);
    s.size = 49000;
    assert_true(publish(desk, &s));
    assert_int_equal(hsdir_publish(desk->hsdir, NULL, 0), HSDIR_REFUSED);
    s = sample_of(2, NOW_S);
    char *text = sample_write(&s, &length);
    assert_int_equal(hsdir_publish(desk->hsdir, (uint8_t *)text, length - 2), HSDIR_REFUSED);
    assert_int_equal(desk->relay.counters.drop_hsdir_malformed, 2);
    free(text);
    s.expires_hours = NOW_S / 3600 - 1;
    assert_false(publish(desk, &s));
    assert_int_equal(desk->relay.counters.drop_hsdir_signature, 1);
    desk_close(desk);
}

static void tick_to(struct desk *desk, uint32_t uptime_s)
{
    desk->relay.uptime_s = uptime_s;
    hsdir_tick(desk->hsdir);
}

static void test_lifetimes_pass(void **state)
{
    (void)state;
    struct desk *desk = desk_open(1);
    tick_to(desk, 1000);
    struct sample shortest = sample_of(1, NOW_S), longest = sample_of(2, NOW_S);
    shortest.lifetime_min = 1;
    longest.lifetime_min = 720;
    assert_true(publish(desk, &shortest));
    assert_true(publish(desk, &longest));
    tick_to(desk, 1059);
    assert_true(has(desk, &shortest));
    tick_to(desk, 1060);
    assert_false(has(desk, &shortest)); // at once, though its memory is given back within a minute
    tick_to(desk, 1120);
    assert_int_equal(desk->relay.counters.hsdir_descriptors, 1);
    assert_int_equal(desk->relay.counters.hsdir_expired, 1);
    tick_to(desk, 1000 + 720 * 60 - 1);
    assert_true(has(desk, &longest));
    tick_to(desk, 1000 + 720 * 60 + 60);
    assert_int_equal(desk->relay.counters.hsdir_descriptors, 0);
    // It may come again, with the same revision.
    assert_true(publish(desk, &shortest));
    // One that was replaced expires by the newer one's lifetime.
    shortest.revision++;
    shortest.lifetime_min = 10;
    assert_true(publish(desk, &shortest));
    tick_to(desk, desk->relay.uptime_s + 300);
    assert_true(has(desk, &shortest));
    desk_close(desk);
}

// Of 20 KB: some fifty fill the cache of the test.
static struct sample large_sample(unsigned n)
{
    struct sample s = sample_of(n, NOW_S);
    s.size = 20000;
    return s;
}

enum { USED = 20, FAKES = 300 };

// 13.32: what somebody fetches stays, however many come that nobody does.
static void test_a_flood_of_fakes(void **state)
{
    (void)state;
    struct desk *desk = desk_open(1);
    for (unsigned i = 0; i < USED; i++) {
        struct sample s = large_sample(i);
        assert_true(publish(desk, &s));
        assert_true(has(desk, &s));
    }
    for (unsigned i = 0; i < FAKES; i++) {
        struct sample s = large_sample(1000 + i);
        assert_true(publish(desk, &s)); // none is refused
        struct blob *text = hsdir_fetch(desk->hsdir, s.blinded.public_key);
        assert_non_null(text);
        blob_drop(text);
        assert_true(desk->relay.counters.hsdir_bytes <= 1 << 20);
    }
    assert_true(desk->relay.counters.hsdir_evicted > FAKES / 2);
    desk_close(desk);

    desk = desk_open(1);
    for (unsigned i = 0; i < USED; i++) {
        struct sample s = large_sample(i);
        assert_true(publish(desk, &s));
        assert_true(has(desk, &s));
        assert_true(has(desk, &s));
    }
    for (unsigned i = 0; i < FAKES; i++) {
        struct sample s = large_sample(1000 + i);
        assert_true(publish(desk, &s));
        if (i % 2)
            assert_true(has(desk, &s));
    }
    for (unsigned i = 0; i < USED; i++) {
        struct sample s = large_sample(i);
        assert_true(has(desk, &s));
    }
    desk_close(desk);
}

// How often it was fetched is kept when the service publishes again.
static void test_fetches_are_kept(void **state)
{
    (void)state;
    struct desk *desk = desk_open(1);
    struct sample used = large_sample(0);
    assert_true(publish(desk, &used));
    assert_true(has(desk, &used));
    used.revision++;
    assert_true(publish(desk, &used));
    for (unsigned i = 0; i < FAKES; i++) {
        struct sample s = large_sample(1000 + i);
        assert_true(publish(desk, &s));
    }
    assert_true(has(desk, &used));
    desk_close(desk);
}

// Among those that nobody fetched it is neither the oldest nor the newest that give way.
static void test_equals_by_chance(void **state)
{
    (void)state;
    struct desk *desk = desk_open(1);
    unsigned old = 0, young = 0;
    for (unsigned i = 0; i < FAKES; i++) {
        struct sample s = large_sample(i);
        assert_true(publish(desk, &s));
    }
    for (unsigned i = 0; i < FAKES; i++) {
        struct sample s = large_sample(i);
        bool there = has(desk, &s);
        old += there && i < FAKES / 2;
        young += there && i >= FAKES / 2;
    }
    // Some fifty of 300 are left; that all are of one half happens once in 10^15 times.
    assert_in_range(old + young, 40, 60);
    assert_true(old > 0 && young > 0);
    desk_close(desk);
}

// A list of what should be there beside it, for a while of everything at once.
static void test_against_a_list(void **state)
{
    (void)state;
    enum { SERVICES = 64, STEPS = 4000 };
    struct desk *desk = desk_open(64);
    struct sample services[SERVICES];
    uint32_t until_s[SERVICES] = {0};
    for (unsigned i = 0; i < SERVICES; i++)
        services[i] = sample_of(i, NOW_S);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = random_uniform(SERVICES);
        if (random_uniform(4) == 0) {
            services[i].revision++;
            services[i].lifetime_min = 1 + random_uniform(30);
            assert_true(publish(desk, &services[i]));
            until_s[i] = desk->relay.uptime_s + services[i].lifetime_min * 60;
        } else if (random_uniform(4) == 0) {
            tick_to(desk, desk->relay.uptime_s + random_uniform(60));
        } else {
            assert_int_equal(has(desk, &services[i]), until_s[i] > desk->relay.uptime_s);
        }
    }
    desk_close(desk);
}

// ---- the big one

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double resident_mb(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void fill(unsigned cache_mb, unsigned descriptors, size_t size)
{
    struct desk *desk = desk_open(cache_mb);
    double before_mb = resident_mb(), spent_s = 0, longest_s = 0;
    unsigned there = 0;
    for (unsigned i = 0; i < descriptors; i++) {
        struct sample s = sample_of(i, NOW_S);
        size_t length;
        s.size = size;
        char *text = sample_write(&s, &length);
        double start_s = cpu_s();
        hsdir_publish(desk->hsdir, (uint8_t *)text, length);
        double took_s = cpu_s() - start_s;
        spent_s += took_s;
        longest_s = took_s > longest_s ? took_s : longest_s;
        free(text);
    }
    for (unsigned i = 0; i < descriptors; i++) {
        struct sample s = sample_of(i, NOW_S);
        struct blob *text = hsdir_fetch(desk->hsdir, s.blinded.public_key);
        there += text != NULL;
        blob_drop(text);
    }
    printf("bound %u MB: %u descriptors uploaded, %.0f us of CPU each, %.0f us at most; %u held, "
           "%.1f MB by count, %.1f MB resident\n",
           cache_mb, descriptors, spent_s / descriptors * 1e6, longest_s * 1e6, there,
           (double)desk->relay.counters.hsdir_bytes / (1 << 20), resident_mb() - before_mb);
    desk_close(desk);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_and_fetched),
        cmocka_unit_test(test_only_newer_ones),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lifetimes_pass),
        cmocka_unit_test(test_a_flood_of_fakes),
        cmocka_unit_test(test_fetches_are_kept),
        cmocka_unit_test(test_equals_by_chance),
        cmocka_unit_test(test_against_a_list),
    };
    assert_int_equal(crypto_init(), 0);
    if (argc == 5 && strcmp(argv[1], "--big") == 0) {
        fill((unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]), (size_t)atoi(argv[4]));
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
