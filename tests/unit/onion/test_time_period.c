// SPDX-License-Identifier: BSD-3-Clause
// Time periods, runs of the shared random value, and which goes with which: C tor's cases, and what
// must hold of them at every hour.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../crypto/hex.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "netdoc/consensus.h"
#include "onion/key/time_period.h"

static struct parameters parameters;

static time_t at(int year, int month, int day, int hour, int minute, int second)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};
    return timegm(&tm);
}

static struct consensus consensus_at(time_t valid_after, time_t interval)
{
    return (struct consensus){.valid_after = valid_after, .fresh_until = valid_after + interval};
}

static uint64_t number_at(time_t time)
{
    struct consensus c = consensus_at(time, 3600);
    return time_period_of(&c, &parameters, false).number;
}

// src/test/test_hs_common.c, time_period and blinding_basics.
static void test_tor_numbers(void **state)
{
    (void)state;
    assert_int_equal(number_at(at(2016, 4, 13, 11, 0, 0)), 16903);
    assert_int_equal(number_at(at(2016, 4, 13, 11, 59, 59)), 16903);
    assert_int_equal(number_at(at(2016, 4, 13, 12, 0, 0)), 16904);
    assert_int_equal(number_at(at(1973, 5, 20, 1, 50, 33)), 1234);
    struct consensus c = consensus_at(at(2016, 4, 13, 11, 59, 59), 3600);
    struct time_period t = time_period_of(&c, &parameters, false);
    assert_int_equal(t.length_minutes, 1440);
    assert_int_equal(time_period_start(t, &c), at(2016, 4, 12, 12, 0, 0));
    assert_int_equal(time_period_end(t, &c), at(2016, 4, 13, 12, 0, 0));
    assert_int_equal(time_period_next(t).number, 16904);
    assert_int_equal(time_period_previous(t).number, 16902);
    assert_int_equal(number_at(0), 0); // before the first one
}

// src/test/test_hs_common.c, start_time_of_next_time_period: 10 seconds between votes.
static void test_testing_network(void **state)
{
    (void)state;
    struct consensus c = consensus_at(at(2016, 4, 13, 0, 0, 0), 10);
    struct time_period t = time_period_of(&c, &parameters, true);
    assert_int_equal(t.length_minutes, 4);
    assert_int_equal(time_period_end(t, &c), at(2016, 4, 13, 0, 2, 0));
    c = consensus_at(at(2016, 4, 13, 0, 2, 0), 10);
    struct time_period next = time_period_of(&c, &parameters, true);
    assert_int_equal(next.number, t.number + 1);
    assert_int_equal(time_period_end(next, &c), at(2016, 4, 13, 0, 6, 0));
    // Outside of one the phases follow the votes, and the length the parameters.
    t = time_period_of(&c, &parameters, false);
    assert_int_equal(t.length_minutes, 1440);
    assert_int_equal(time_period_end(t, &c), at(2016, 4, 14, 0, 2, 0));
    // Votes that come so fast that no minute is left.
    c = consensus_at(at(2016, 4, 13, 0, 2, 0), 1);
    assert_int_equal(time_period_of(&c, &parameters, true).length_minutes, 1);
}

// src/test/test_shared_random.c, get_start_time_of_current_run and get_sr_protocol_duration.
static void test_runs(void **state)
{
    (void)state;
    struct consensus c = consensus_at(at(2015, 4, 20, 0, 0, 0), 3600);
    assert_int_equal(srv_run_start(&c), at(2015, 4, 20, 0, 0, 0));
    assert_int_equal(srv_run_length_s(&c), 24 * 60 * 60);
    c = consensus_at(at(2015, 4, 19, 23, 0, 0), 3600);
    assert_int_equal(srv_run_start(&c), at(2015, 4, 19, 0, 0, 0));
    c = consensus_at(at(2015, 4, 20, 0, 15, 30), 10);
    assert_int_equal(srv_run_start(&c), at(2015, 4, 20, 0, 12, 0));
    assert_int_equal(srv_run_length_s(&c), 4 * 60);
}

// src/test/test_hs_common.c, time_between_tp_and_srv.
static void test_new_period(void **state)
{
    (void)state;
    static const struct {
        int day, hour;
        bool is_new;
    } cases[] = {{26, 0, false}, {26, 11, false}, {26, 12, true}, {26, 23, true}, {27, 0, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct consensus c = consensus_at(at(1985, 10, cases[i].day, cases[i].hour, 0, 0), 3600);
        struct time_period t = time_period_of(&c, &parameters, false);
        assert_int_equal(time_period_is_new(t, &c), cases[i].is_new);
    }
}

// src/test/test_hs_common.c, disaster_srv.
static void test_missing_values(void **state)
{
    (void)state;
    static const char expected[] =
        "f8a4948707653837fa44abb5bbc75a12f6f101e7f8faf699b9715f4965d3507d";
    struct consensus c = consensus_at(at(2016, 4, 13, 0, 0, 0), 3600);
    uint8_t value[32], other[32];
    srv_current(&c, (struct time_period){1, 1440}, value);
    assert_hex(value, expected);
    srv_previous(&c, (struct time_period){1, 1440}, value);
    assert_hex(value, expected);
    srv_previous(&c, (struct time_period){2, 1440}, other);
    assert_memory_not_equal(value, other, 32);
    srv_previous(&c, (struct time_period){1, 1441}, other);
    assert_memory_not_equal(value, other, 32);
    c.has_srv_current = c.has_srv_previous = true;
    memset(c.srv_current, 1, 32);
    memset(c.srv_previous, 2, 32);
    srv_current(&c, (struct time_period){1, 1440}, value);
    assert_memory_equal(value, c.srv_current, 32);
    srv_previous(&c, (struct time_period){1, 1440}, value);
    assert_memory_equal(value, c.srv_previous, 32);
}

// ---- whoever looks for it finds it

// As the authorities make them: the run that ended last gave the current one.
static struct consensus network_at(time_t valid_after, time_t interval)
{
    struct consensus c = consensus_at(valid_after, interval);
    int64_t run = valid_after / (24 * interval);
    c.has_srv_current = c.has_srv_previous = true;
    memcpy(c.srv_current, &run, sizeof(run));
    run--;
    memcpy(c.srv_previous, &run, sizeof(run));
    return c;
}

static bool same(const struct onion_epoch *a, const struct onion_epoch *b)
{
    return a->period.number == b->period.number &&
           a->period.length_minutes == b->period.length_minutes &&
           memcmp(a->srv, b->srv, sizeof(a->srv)) == 0 && a->run_start == b->run_start;
}

static bool reaches(time_t client, time_t service, time_t interval, bool testing)
{
    struct consensus c = network_at(client, interval), s = network_at(service, interval);
    struct onion_epoch wanted = onion_epoch_of_client(&c, &parameters, testing), published[2];
    onion_epochs_of_service(&s, &parameters, testing, published);
    return same(&wanted, &published[0]) || same(&wanted, &published[1]);
}

// src/test/test_hs_common.c, the six scenarios of "reachability": valid-after of the service's and
// of the client's consensus, and which of the service's two descriptors it is.
static void test_tor_scenarios(void **state)
{
    (void)state;
    static const struct {
        int service_day, service_hour, client_day, client_hour, which;
    } cases[] = {
        {26, 13, 26, 15, 1}, {26, 23, 27, 1, 1}, {27, 3, 27, 5, 0},
        {27, 11, 27, 13, 1}, {27, 1, 26, 23, 0}, {27, 13, 27, 11, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct consensus s =
            network_at(at(1985, 10, cases[i].service_day, cases[i].service_hour, 0, 0), 3600);
        struct consensus c =
            network_at(at(1985, 10, cases[i].client_day, cases[i].client_hour, 0, 0), 3600);
        struct onion_epoch wanted = onion_epoch_of_client(&c, &parameters, false), published[2];
        onion_epochs_of_service(&s, &parameters, false, published);
        assert_true(same(&wanted, &published[cases[i].which]));
    }
}

static void test_reached_at_every_hour(void **state)
{
    (void)state;
    static const struct {
        time_t interval;
        bool testing;
    } networks[] = {{3600, false}, {10, true}, {20, true}, {5, true}, {300, true}};
    for (size_t i = 0; i < sizeof(networks) / sizeof(*networks); i++) {
        time_t interval = networks[i].interval, start = at(2024, 2, 27, 0, 0, 0);
        for (unsigned round = 0; round < 72; round++)
            for (int apart = -12; apart <= 12; apart++) {
                time_t client = start + round * interval;
                assert_true(
                    reaches(client, client + apart * interval, interval, networks[i].testing));
            }
    }
}

// A service's second descriptor becomes its first, with the same place on the ring.
static void test_rotation(void **state)
{
    (void)state;
    time_t start = at(2024, 2, 27, 0, 0, 0);
    struct onion_epoch before[2], now[2];
    for (unsigned hour = 0; hour < 96; hour++) {
        struct consensus c = network_at(start + hour * 3600, 3600);
        onion_epochs_of_service(&c, &parameters, false, now);
        assert_int_equal(now[0].period.number + 1, now[1].period.number);
        assert_int_equal(now[0].run_start + 24 * 3600, now[1].run_start);
        assert_true(now[1].run_start <= c.valid_after);
        if (hour % 24 == 0 && hour > 0)
            assert_true(same(&now[0], &before[1]));
        else if (hour > 0)
            assert_true(same(&now[0], &before[0]) && same(&now[1], &before[1]));
        memcpy(before, now, sizeof(now));
    }
}

int main(void)
{
    parameters_read(NULL, &parameters);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tor_numbers),
        cmocka_unit_test(test_testing_network),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_new_period),
        cmocka_unit_test(test_missing_values),
        cmocka_unit_test(test_tor_scenarios),
        cmocka_unit_test(test_reached_at_every_hour),
        cmocka_unit_test(test_rotation),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
