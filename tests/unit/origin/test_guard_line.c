// SPDX-License-Identifier: BSD-3-Clause
// Guards' lines in the state file: C tor's are read and written again as they are, what others keep
// in them stays, what is wrong is mended or left out.
//   test-origin-guard-line                 the tests
//   test-origin-guard-line write DIR       a state file with guards of all kinds
//   test-origin-guard-line rewrite DIR     reads it, and writes it anew
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard_world.h"

#define ID(n) "000000000000000000000000000000000000000" #n

static time_t wall_clock(void)
{
    return world_now;
}

// What becomes of a state file: all its lines with "Guard".
static char *pass_through(const char *text)
{
    struct relay relay = {.wall_clock = wall_clock};
    struct origin origin = {.relay = &relay};
    origin.state = state_file_create_of(&relay, text, strlen(text));
    origin.guards = guards_create(&origin);
    size_t length, kept = 0;
    char *all = state_file_text(origin.state, &length);
    for (char *line = all, *end; *line != '\0'; line = end) {
        end = strchr(line, '\n') + 1;
        if (strncmp(line, "Guard ", 6) != 0)
            continue;
        memmove(all + kept, line, (size_t)(end - line));
        kept += (size_t)(end - line);
    }
    all[kept] = '\0';
    guards_free(origin.guards);
    state_file_free(origin.state);
    return all;
}

static void check(const char *text, const char *expected)
{
    char *result = pass_through(text);
    assert_string_equal(result, expected);
    char *again = pass_through(result); // and so it stays
    assert_string_equal(again, expected);
    free(again);
    free(result);
}

static void test_as_tor_writes_them(void **state)
{
    (void)state;
    static const char text[] =
        "Guard in=default rsa_id=027DDDA0566C91191AEC01DFFD61FE962B0F3332 nickname=exit2 "
        "sampled_on=2026-11-11T15:33:48 sampled_idx=0 sampled_by=0.4.9.11 listed=1 "
        "confirmed_on=2026-11-19T10:14:52 confirmed_idx=1 pb_use_attempts=6.000000 "
        "pb_use_successes=6.000000 pb_circ_attempts=14.500000 pb_circ_successes=14.250000 "
        "pb_successful_circuits_closed=14.000000 pb_collapsed_circuits=1.000000 "
        "pb_unusable_circuits=2.000000 pb_timeouts=3.062500\n"
        "Guard in=default rsa_id=A98BA96CC3E86C8C06F6B896509FA444DDB7FD7C nickname=auth1 "
        "sampled_on=2026-11-16T01:53:29 sampled_idx=1 sampled_by=0.4.9.11 "
        "unlisted_since=2026-11-20T00:00:01 listed=0 confirmed_on=2026-11-21T01:26:06 "
        "confirmed_idx=0\n"
        "Guard in=default rsa_id=8F98E1BD8429F3C659D14690216EFD2C3AD76BEE "
        "sampled_on=2026-11-18T02:14:41 sampled_idx=2 sampled_by=0.4.9.11 listed=1\n"
        "Guard in=restricted rsa_id=41BC1C22FC008AE17F065D48FAF310018B12F963 nickname=auth2 "
        "sampled_on=2026-11-22T19:40:40 sampled_idx=0 sampled_by=0.4.9.11 listed=1\n"
        "Guard in=bridges rsa_id=9177B2011C7BB0D9CADDFC99F730540A707214E3 "
        "bridge_addr=192.0.2.7:443 sampled_on=2026-11-14T21:18:37 sampled_idx=0 "
        "sampled_by=0.4.9.11 listed=1\n";
    check(text, text);
}

static void test_what_others_keep_stays(void **state)
{
    (void)state;
    check("Guard future=1 in=default word rsa_id=" ID(
              1) " sampled_on=2026-11-18T02:14:41 "
                 "sampled_idx=0  listed=1 listed=0 =x ed_id=abc=\n",
          "Guard in=default rsa_id=" ID(1) " sampled_on=2026-11-18T02:14:41 sampled_idx=0 "
                                           "listed=1 future=1 word =x ed_id=abc=\n");
}

static void test_what_is_wrong_is_mended(void **state)
{
    (void)state;
    check("Guard in=default rsa_id=" ID(
              1) " nickname=not/a/name sampled_on=yesterday "
                 "sampled_idx=first listed=yes confirmed_on=2026-11-18T02:14:41 confirmed_idx=-1 "
                 "unlisted_since= pb_timeouts=1e5 pb_use_attempts=-1 pb_circ_attempts=9999999999 "
                 "pb_circ_successes=1.5x pb_use_successes=nan\n",
          "Guard in=default rsa_id=" ID(1) " sampled_on=2027-01-15T08:00:00 sampled_idx=0 "
                                           "listed=1\n");
}

static void test_what_is_no_guard_is_left_out(void **state)
{
    (void)state;
    check("Guard\n"
          "Guard rsa_id=" ID(
              1) "\n"
                 "Guard in=default\n"
                 "Guard in=default rsa_id=00\n"
                 "Guard in=default rsa_id=" ID(
                     1) "0\n"
                        "Guard in=default rsa_id=00000000000000000000000000000000000000xx\n"
                        "Guard in=default rsa_id=" ID(
                            2) " sampled_on=2026-11-18T02:14:41 listed=1\n"
                               "Guard in=default rsa_id=" ID(
                                   2) " sampled_on=2026-11-18T02:14:41 listed=1\n"
                                      "Guard in=other rsa_id=" ID(2) " anything\n",
          "Guard in=default rsa_id=" ID(2) " sampled_on=2026-11-18T02:14:41 sampled_idx=0 "
                                           "listed=1\n"
                                           "Guard in=other rsa_id=" ID(2) " anything\n");
}

// Whatever the indices, they are dense afterwards, and the order is theirs.
static void test_order(void **state)
{
    (void)state;
#define LINE(n, rest) "Guard in=default rsa_id=" ID(n) " sampled_on=2026-11-18T02:14:41 " rest "\n"
    check(LINE(1, "listed=1") LINE(2, "sampled_idx=2147483647 listed=1")
              LINE(3, "sampled_idx=5 listed=1 confirmed_on=2026-11-19T00:00:00 confirmed_idx=70")
                  LINE(4, "listed=1 confirmed_on=2026-11-19T00:00:00 confirmed_idx=3")
                      LINE(5, "sampled_idx=5 listed=1"),
          LINE(4, "sampled_idx=0 listed=1 confirmed_on=2026-11-19T00:00:00 confirmed_idx=0")
              LINE(3, "sampled_idx=1 listed=1 confirmed_on=2026-11-19T00:00:00 confirmed_idx=1")
                  LINE(5, "sampled_idx=2 listed=1") LINE(2, "sampled_idx=3 listed=1")
                      LINE(1, "sampled_idx=4 listed=1"));
}

// A line of any length neither harms nor grows from start to start until it can't be read.
static void test_long_lines(void **state)
{
    (void)state;
    static const size_t lengths[] = {100, 1900, 2047, 2048, 2049, 3000, 3900, 4096, 100000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char *text = malloc(lengths[i] + 200);
        int n = sprintf(text, "Guard in=default rsa_id=" ID(1) " sampled_by=");
        memset(text + n, 'x', lengths[i]);
        if (lengths[i] > 500)
            text[n + 300] = ' ';
        strcpy(text + n + lengths[i], "\n");
        char *result = pass_through(text), *again = pass_through(result);
        assert_string_equal(again, result);
        assert_true(strlen(result) < 3500);
        assert_true((strlen(result) == 0) == (lengths[i] > 4000));
        free(again);
        free(result);
        free(text);
    }
}

static void test_very_many(void **state)
{
    (void)state;
    char *text = malloc(3000 * 100), *at = text;
    for (unsigned i = 0; i < 3000; i++)
        at += sprintf(at, "Guard in=%s rsa_id=%040X listed=1\n", i % 2 ? "default" : "foreign", i);
    char *result = pass_through(text);
    size_t n = 0;
    for (at = result; *at != '\0'; at++)
        n += *at == '\n';
    assert_int_equal(n, GUARD_SAMPLE_MAX + GUARD_FOREIGN_MAX);
    free(result);
    free(text);
}

// ---- for tor

// Confirmed ones, one that is not listed, and some with counts.
static int write_for_tor(const char *directory)
{
    struct temp_dir to;
    snprintf(to.path, sizeof(to.path), "%s", directory);
    world_now = time(NULL);
    struct world *w = world_create(300);
    for (unsigned i = 0; i < 5; i++) {
        struct guard_use *use = world_choose(w);
        struct world_relay *r = world_guard_of(w, use);
        guard_use_succeeded(use);
        guard_use_count(use, GUARD_CIRCUIT_ATTEMPT);
        guard_use_count(use, GUARD_CIRCUIT_SUCCESS);
        guard_use_count(use, GUARD_CIRCUIT_COLLAPSED);
        guard_use_end(use);
        r->up = false;
        r->listed = i != 2;
        world_try(w, NULL);
    }
    world_publish(w);
    world_restart(w);
    temp_copy(&w->dir, &to, "state");
    world_free(w);
    return 0;
}

static int rewrite(const char *directory)
{
    struct config config = {0};
    struct relay relay = {.wall_clock = wall_clock, .config = &config};
    struct origin origin = {.relay = &relay};
    world_now = time(NULL);
    snprintf(config.data_directory, sizeof(config.data_directory), "%s", directory);
    origin.state = state_file_create(&relay);
    origin.guards = guards_create(&origin);
    state_file_changed(origin.state, 0);
    guards_free(origin.guards);
    state_file_free(origin.state);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_tor_writes_them),
        cmocka_unit_test(test_what_others_keep_stays),
        cmocka_unit_test(test_what_is_wrong_is_mended),
        cmocka_unit_test(test_what_is_no_guard_is_left_out),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_very_many),
    };
    if (argc == 3)
        return strcmp(argv[1], "write") == 0 ? write_for_tor(argv[2]) : rewrite(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
