// SPDX-License-Identifier: BSD-3-Clause
// Learned time-outs of circuits: C tor's own numbers (src/test/test.c, circuit_timeout_xm_alpha and
// circuit_timeout), when all is learned anew, and the state file's lines.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "dir/parameters.h"
#include "netdoc/consensus.h"
#include "origin/circuit/build_time.h"
#include "origin/state/state_file.h"
#include "relay.h"

enum { INITIAL_MS = 60000 };

static struct relay relay;

// One parameter of the consensus; NULL: none.
static void set_parameter(const char *name, int32_t value)
{
    struct consensus_parameter parameter = {.value = value};
    struct consensus consensus = {.parameters = &parameter, .n_parameters = name ? 1 : 0};
    if (name)
        strcpy(parameter.name, name);
    parameters_update(&relay, &consensus);
}

static time_t wall_clock(void)
{
    return 1800000000;
}

static int set_up(void **state)
{
    (void)state;
    relay.wall_clock = wall_clock;
    relay.parameters = parameters_create(&relay);
    return relay.parameters ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    parameters_free(relay.parameters);
    return 0;
}

static struct build_times *make(void)
{
    struct build_times *b = build_times_create(&relay, NULL);
    assert_non_null(b);
    assert_int_equal(build_times_timeout_ms(b), INITIAL_MS);
    assert_int_equal(build_times_close_ms(b), INITIAL_MS);
    assert_false(build_times_enough(b));
    return b;
}

// ---- the estimate

static void test_xm_and_alpha(void **state)
{
    (void)state;
    static const struct {
        int modes;
        uint32_t xm_ms;
        double alpha;
    } expected[] = {{1, 205, 1.394401},  {3, 117, 0.902313},  {5, 146, 1.049032},
                    {10, 800, 4.851754}, {15, 800, 4.851754}, {20, 800, 4.851754}};
    static const uint32_t first[] = {100, 20, 1000, 500, 200, 5000, 30, 600, 200, 300};
    struct build_times *b = make();
    for (uint32_t i = 0; i < 10; i++) {
        for (unsigned k = 0; k < 10; k++)
            build_times_add(b, first[k] + i);
        build_times_add(b, BUILD_TIME_ABANDONED_MS);
    }
    for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        set_parameter("cbtnummodes", expected[i].modes);
        struct build_time_fit fit = build_times_fit(b);
        assert_int_equal(fit.xm_ms, expected[i].xm_ms);
        assert_true(fabs(fit.alpha - expected[i].alpha) < 0.00001);
    }
    build_times_free(b);
}

static void test_quantile(void **state)
{
    (void)state;
    struct build_time_fit fit = {.xm_ms = 3000, .alpha = INT32_MAX};
    assert_true(build_time_quantile_ms(&fit, .99999999) <= INT32_MAX);
    fit.alpha = 0;
    assert_true(build_time_quantile_ms(&fit, .5) <= INT32_MAX);
    fit.alpha = INFINITY; // all took the same time
    assert_true(fabs(build_time_quantile_ms(&fit, .8) - 3000) < 1);
    fit.alpha = 1;
    assert_true(fabs(build_time_quantile_ms(&fit, .75) - 12000) < 1);
}

// A distribution of which 80 % take 30 s at most.
static struct build_time_fit known_fit(void)
{
    return (struct build_time_fit){.xm_ms = 3000, .alpha = log(1 - .8) / log(3000.0 / 30000)};
}

static double part_below(const struct build_time_fit *fit, double ms)
{
    return 1 - pow(fit->xm_ms / ms, fit->alpha);
}

static void add_known(struct build_times *b, unsigned n)
{
    struct build_time_fit fit = known_fit();
    for (unsigned i = 0; i + 1 < n; i++)
        build_times_add(b, (uint32_t)build_time_quantile_ms(&fit, (i * 37 % n + .5) / n));
    build_times_built(b, 30000, true);
}

static void test_learned(void **state)
{
    (void)state;
    struct build_time_fit known = known_fit();
    struct build_times *b = make();
    set_parameter("cbtnummodes", 1); // the beginning is where the first bin is
    add_known(b, 99);
    assert_false(build_times_enough(b));
    assert_int_equal(build_times_timeout_ms(b), INITIAL_MS);
    add_known(b, 901);
    assert_true(build_times_enough(b));
    assert_int_equal(build_times_count(b), 1000);
    struct build_time_fit fit = build_times_fit(b);
    assert_true(fabs(part_below(&known, build_time_quantile_ms(&fit, .8)) - .8) < 0.02);
    double timeout_ms = (double)build_times_timeout_ms(b);
    assert_true(fabs(timeout_ms - build_time_quantile_ms(&fit, .8)) <= 1);
    assert_true(build_times_close_ms(b) > build_times_timeout_ms(b));
    add_known(b, 100); // the oldest make room
    assert_int_equal(build_times_count(b), 1000);
    build_times_free(b);
}

static void test_limits(void **state)
{
    (void)state;
    struct build_times *b = make();
    for (unsigned i = 0; i < 100; i++)
        build_times_built(b, i % 20 ? 0 : 3, true);
    assert_int_equal(build_times_timeout_ms(b), 10); // cbtmintimeout
    assert_int_equal(build_times_close_ms(b), INITIAL_MS);
    build_times_free(b);

    b = make();
    for (unsigned i = 0; i < 200; i++)
        build_times_built(b, i % 2 ? 100 : 40000, true);
    assert_true(build_times_timeout_ms(b) <= 40000); // the longest ever
    assert_in_range(build_times_close_ms(b), INITIAL_MS, 80000);
    uint64_t before_ms = build_times_timeout_ms(b);
    unsigned count = build_times_count(b);
    build_times_built(b, 2 * build_times_close_ms(b) + 1001, true); // the machine slept
    assert_int_equal(build_times_count(b), count);
    assert_int_equal(build_times_timeout_ms(b), before_ms);
    build_times_free(b);
}

static void test_all_abandoned(void **state)
{
    (void)state;
    struct build_times *b = make();
    build_times_heard(b, 10);
    for (unsigned i = 0; i < 150; i++)
        build_times_abandoned(b, 5);
    assert_int_equal(build_times_count(b), 150);
    assert_int_equal(build_times_timeout_ms(b), INITIAL_MS); // there is nothing to estimate from
    build_times_free(b);
}

// ---- another network

static void test_begins_anew(void **state)
{
    (void)state;
    struct build_times *b = make();
    for (unsigned i = 0; i < 200; i++)
        build_times_built(b, 100 + i, true);
    uint64_t learned_ms = build_times_timeout_ms(b);
    assert_true(learned_ms < 1000);
    for (unsigned i = 0; i < 100; i++)
        build_times_timed_out(b, false); // the guard's, or the link's fault
    for (unsigned i = 0; i < 17; i++)
        build_times_timed_out(b, true);
    assert_int_equal(build_times_timeout_ms(b), learned_ms);
    for (unsigned i = 0; i < 3; i++)
        build_times_built(b, 100, true);
    for (unsigned i = 0; i < 17; i++) // of the last twenty these only
        build_times_timed_out(b, true);
    assert_int_equal(build_times_count(b), 203);
    build_times_timed_out(b, true);
    assert_int_equal(build_times_count(b), 0);
    assert_false(build_times_enough(b));
    assert_int_equal(build_times_timeout_ms(b), INITIAL_MS);
    for (unsigned i = 0; i < 18; i++)
        build_times_timed_out(b, true);
    assert_int_equal(build_times_timeout_ms(b), 2 * INITIAL_MS); // not even that was enough
    assert_int_equal(build_times_close_ms(b), 2 * INITIAL_MS);
    for (unsigned i = 0; i < 18 * 40; i++)
        build_times_timed_out(b, true);
    assert_in_range(build_times_timeout_ms(b), INT32_MAX / 2, INT32_MAX);
    build_times_free(b);
}

static void test_recent_count_changes(void **state)
{
    (void)state;
    struct build_times *b = make();
    set_parameter("cbtrecentcount", 1000);
    for (unsigned i = 0; i < 500; i++)
        build_times_built(b, 100, true);
    for (unsigned i = 0; i < 17; i++)
        build_times_timed_out(b, true);
    set_parameter("cbtrecentcount", 3);
    build_times_timed_out(b, true);
    build_times_timed_out(b, true);
    assert_int_equal(build_times_count(b), 500); // 18 of 3 there can't be
    set_parameter("cbtmaxtimeouts", 3);
    build_times_timed_out(b, true);
    build_times_timed_out(b, true);
    build_times_timed_out(b, true);
    assert_int_equal(build_times_count(b), 0);
    build_times_free(b);
}

static void test_network_is_down(void **state)
{
    (void)state;
    struct build_times *b = make();
    build_times_heard(b, 1000);
    build_times_abandoned(b, 900);
    assert_int_equal(build_times_count(b), 1);
    build_times_abandoned(b, 1100); // since it began, nothing was heard
    build_times_abandoned(b, 900);
    build_times_built(b, 50, true);
    assert_int_equal(build_times_count(b), 2);
    build_times_heard(b, 5000);
    build_times_built(b, 50, true);
    build_times_abandoned(b, 1100);
    assert_int_equal(build_times_count(b), 4);
    build_times_free(b);
}

static void test_disabled(void **state)
{
    (void)state;
    struct build_times *b = make();
    for (unsigned i = 0; i < 200; i++)
        build_times_built(b, 100 + i, true);
    set_parameter("cbtdisabled", 1);
    assert_false(build_times_is_learning(b));
    assert_false(build_times_want_circuit(b, 0, 1000000));
    build_times_timed_out(b, true);
    assert_int_equal(build_times_timeout_ms(b), INITIAL_MS);
    build_times_free(b);
}

static void test_wants_circuits(void **state)
{
    (void)state;
    struct build_times *b = make();
    assert_false(build_times_want_circuit(b, 1000, 11000));
    assert_true(build_times_want_circuit(b, 1000, 11001));
    set_parameter("cbtmincircs", 2);
    build_times_built(b, 50, true);
    assert_true(build_times_want_circuit(b, 1000, 11001));
    build_times_built(b, 50, true);
    assert_false(build_times_want_circuit(b, 1000, 11001));
    build_times_free(b);
}

// ---- the state file

static struct build_times *of_text(const char *text, struct state_file **file)
{
    *file = state_file_create_of(&relay, text, strlen(text));
    assert_non_null(*file);
    struct build_times *b = build_times_create(&relay, *file);
    assert_non_null(b);
    return b;
}

static void test_kept(void **state)
{
    (void)state;
    struct state_file *file, *again;
    struct build_times *b = of_text("", &file);
    struct build_time_fit known = known_fit();
    set_parameter("cbtnummodes", 1);
    build_times_heard(b, 10);
    for (unsigned i = 0; i < 20; i++)
        build_times_abandoned(b, 5);
    add_known(b, 500);
    size_t length;
    char *text = state_file_text(file, &length);
    assert_non_null(text);
    assert_non_null(strstr(text, "TotalBuildTimes 520\n"));
    assert_non_null(strstr(text, "CircuitBuildAbandonedCount 20\n"));
    assert_non_null(strstr(text, "CircuitBuildTimeBin 3005 "));
    struct build_times *c = of_text(text, &again);
    assert_int_equal(build_times_count(c), 520);
    struct build_time_fit fit = build_times_fit(c);
    assert_true(fabs(part_below(&known, build_time_quantile_ms(&fit, .8)) - .8) < 0.05);
    assert_true(labs((long)build_times_timeout_ms(b) - (long)build_times_timeout_ms(c)) < 500);
    free(text);
    build_times_free(b);
    build_times_free(c);
    state_file_free(file);
    state_file_free(again);
}

static void test_lines_of_c_tor(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned count;
    } cases[] = {
        {"CircuitBuildTimeBin 105 3\nCircuitBuildTimeBin 115 2\nTotalBuildTimes 5\n", 5},
        {"TotalBuildTimes 7\nCircuitBuildAbandonedCount 2\nCircuitBuildTimeBin 105 5\n", 7},
        {"TotalBuildTimes 1500\nCircuitBuildTimeBin 105 1500\n", 1000},
        {"TotalBuildTimes 5\nCircuitBuildTimeBin 105 4\n", 0},
        {"TotalBuildTimes 5\nCircuitBuildTimeBin 105 6\n", 0},
        {"CircuitBuildAbandonedCount 2\n", 0}, // C tor: 40437
        {"TotalBuildTimes 5\nCircuitBuildTimeBin 105\n", 0},
        {"TotalBuildTimes 5\nCircuitBuildTimeBin 105 -5\n", 0},
        {"TotalBuildTimes 5\nCircuitBuildTimeBin 0 5\n", 0},
        {"TotalBuildTimes 5\nCircuitBuildTimeBin 99999999999 5\n", 0},
        {"TotalBuildTimes 4000000000\nCircuitBuildTimeBin 105 4000000000\n", 0},
        {"TotalBuildTimes x\nCircuitBuildTimeBin 105 5\n", 0},
        {"TotalBuildTimes 65537\nCircuitBuildAbandonedCount 65536\nCircuitBuildTimeBin 105 1\n", 0},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct state_file *file;
        struct build_times *b = of_text(cases[i].text, &file);
        assert_int_equal(build_times_count(b), cases[i].count);
        build_times_free(b);
        state_file_free(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_xm_and_alpha, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quantile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_learned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_abandoned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_recent_count_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_network_is_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_disabled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wants_circuits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lines_of_c_tor, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
