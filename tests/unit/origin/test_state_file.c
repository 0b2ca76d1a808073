// SPDX-License-Identifier: BSD-3-Clause
// The state file: what it keeps of what it finds, what it does with what it can't read, and that it
// is whole whenever the process is killed.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "origin/state/state_file.h"
#include "origin/state/state_lines.h"
#include "relay.h"
#include "whole_file.h"

#include "../dir/temp_dir.h"

static time_t now_s = 1800000000;

static time_t wall_clock(void)
{
    return now_s;
}

struct desk {
    struct temp_dir dir;
    struct config config;
    uv_loop_t loop;
    struct relay relay;
};

static void desk_open(struct desk *d)
{
    uv_loop_init(&d->loop);
    d->relay = (struct relay){
        .loop = &d->loop, .config = &d->config, .wall_clock = wall_clock, .uptime_s = 1};
}

static int set_up(void **state)
{
    struct desk *d = calloc(1, sizeof(*d));
    d->dir = temp_dir_make();
    snprintf(d->config.data_directory, sizeof(d->config.data_directory), "%s", d->dir.path);
    desk_open(d);
    *state = d;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *d = *state;
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&d->loop), 0);
    temp_dir_remove(&d->dir);
    free(d);
    return 0;
}

static const char *read_state(const struct desk *d)
{
    static char text[1 << 16];
    ssize_t n = temp_read(&d->dir, "state", text, sizeof(text) - 1);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

// ---- a section

struct bag {
    char values[32][64];
    unsigned n;
};

static void bag_load(void *user, const char *keyword, const char *value)
{
    struct bag *bag = user;
    assert_true(strcmp(keyword, "Bag") == 0);
    assert_true(bag->n < 32);
    snprintf(bag->values[bag->n++], sizeof(bag->values[0]), "%s", value);
}

static void bag_save(void *user, struct state_writer *w)
{
    const struct bag *bag = user;
    for (unsigned i = 0; i < bag->n; i++)
        state_write(w, "Bag", "%s", bag->values[i]);
}

static const char *const bag_keywords[] = {"Bag", NULL};
static const struct state_section bag_section = {bag_keywords, bag_load, bag_save};

// ---- what is kept

static void test_first_file(void **state)
{
    struct desk *d = *state;
    struct bag bag = {.n = 1};
    struct stat st;
    strcpy(bag.values[0], "one");
    struct state_file *file = state_file_create(&d->relay);
    state_file_register(file, &bag_section, &bag);
    state_file_tick(file);
    assert_false(temp_exists(&d->dir, "state")); // nothing to say yet
    state_file_changed(file, 30);
    d->relay.uptime_s += 29;
    state_file_tick(file);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_false(temp_exists(&d->dir, "state"));
    d->relay.uptime_s++;
    state_file_tick(file);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_string_equal(read_state(d),
                        "# ramson state file, in the format of C tor; times are in UTC.\n"
                        "# There is no need to edit it.\n\n"
                        "TorVersion ramson " RAMSON_VERSION "\n"
                        "LastWritten 2027-01-15 08:00:00\n"
                        "Bag one\n");
    assert_int_equal(stat(temp_path(&d->dir, "state"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(temp_exists(&d->dir, "state.tmp"));
    state_file_free(file);
}

static void test_what_others_wrote_stays(void **state)
{
    struct desk *d = *state;
    static const char text[] = "# Tor state file last generated on 2026-11-23 01:34:44 local time\n"
                               "\n"
                               "Dormant 0\n"
                               "bag  one two \t\n"
                               "Guard in=default rsa_id=00\r\n"
                               "LastWritten 2026-11-23 01:34:44\n"
                               "BAG three # a remark\n"
                               "TorVersion Tor 0.4.9.11\n"
                               "Lonely\n"
                               "Bag\n"
                               "Quoted \"a\\\"b\"\n"
                               "Last 1";
    temp_write(&d->dir, "state", text, strlen(text));
    struct bag bag = {0};
    struct state_file *file = state_file_create(&d->relay);
    state_file_register(file, &bag_section, &bag);
    assert_int_equal(bag.n, 3);
    assert_string_equal(bag.values[0], "one two");
    assert_string_equal(bag.values[1], "three # a remark");
    assert_string_equal(bag.values[2], "");
    strcpy(bag.values[1], "THREE\nBag four");
    state_file_changed(file, 1000);
    state_file_free(file); // writes
    const char *written = strstr(read_state(d), "Bag");
    assert_non_null(written);
    assert_string_equal(written, "Bag one two\nBag THREE\nBag \n"
                                 "Dormant 0\n"
                                 "Guard in=default rsa_id=00\n"
                                 "Lonely\n"
                                 "Quoted \"a\\\"b\"\n"
                                 "Last 1\n");
}

// A section that goes leaves its lines to be written.
static void test_section_goes(void **state)
{
    struct desk *d = *state;
    struct bag bag = {.n = 1}, other = {0};
    strcpy(bag.values[0], "one");
    struct state_file *file = state_file_create(&d->relay);
    state_file_register(file, &bag_section, &bag);
    state_file_changed(file, 30);
    state_file_unregister(file, &bag);
    state_file_free(file);
    file = state_file_create(&d->relay);
    state_file_register(file, &bag_section, &other);
    assert_int_equal(other.n, 1);
    assert_string_equal(other.values[0], "one");
    state_file_free(file);
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        time_t time; // -1: none
    } cases[] = {{"2026-11-23T01:34:44", 1795397684},
                 {"2026-11-23 01:34:44", 1795397684},
                 {"1970-01-01T00:00:00", 0},
                 {"9999-12-31T23:59:59", 253402300799},
                 {"2026-11-23", -1},
                 {"2026-11-23T01:34:4", -1},
                 {"2026-13-23T01:34:44", -1},
                 {"", -1},
                 {"2026-11-23T01:34:44Z", -1},
                 {"2026-11-23TT1:34:44", -1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        time_t time = -1;
        struct text t = {cases[i].text, strlen(cases[i].text)};
        assert_int_equal(state_time_read(t, &time), cases[i].time == -1 ? -EINVAL : 0);
        assert_int_equal(time, cases[i].time);
        char out[STATE_TIME_SIZE];
        if (time != -1)
            assert_string_equal(state_time_write(time, cases[i].text[10], out), cases[i].text);
    }
}

// ---- what can't be read

static void begin_anew(struct desk *d, bool aside)
{
    struct bag bag = {0};
    struct state_file *file = state_file_create(&d->relay);
    assert_non_null(file);
    state_file_register(file, &bag_section, &bag);
    assert_int_equal(bag.n, 0);
    assert_true(temp_exists(&d->dir, "state.0") == aside);
    bag.n = 1;
    strcpy(bag.values[0], "new");
    state_file_changed(file, 0);
    state_file_free(file);
    assert_non_null(strstr(read_state(d), "\nBag new\n"));
}

static void test_malformed(void **state)
{
    struct desk *d = *state;
    static const char text[] = "Bag one\nBag \0\1two\n";
    temp_write(&d->dir, "state", text, sizeof(text) - 1);
    begin_anew(d, true);
    char aside[64];
    assert_int_equal(temp_read(&d->dir, "state.0", aside, sizeof(aside)), sizeof(text) - 1);
    assert_memory_equal(aside, text, sizeof(text) - 1);
}

static void test_too_long(void **state)
{
    struct desk *d = *state;
    size_t length = STATE_FILE_MAX + 1;
    char *text = malloc(length);
    memset(text, 'x', length);
    temp_write(&d->dir, "state", text, length);
    free(text);
    begin_anew(d, true);
}

static void test_empty(void **state)
{
    struct desk *d = *state;
    temp_write(&d->dir, "state", "", 0);
    begin_anew(d, false);
}

static void test_symbolic_link(void **state)
{
    struct desk *d = *state;
    temp_write(&d->dir, "elsewhere", "Bag one\n", 8);
    assert_int_equal(symlink("elsewhere", temp_path(&d->dir, "state")), 0);
    begin_anew(d, true);
    char text[16];
    assert_int_equal(temp_read(&d->dir, "elsewhere", text, sizeof(text)), 8); // untouched
}

static void test_directory(void **state)
{
    struct desk *d = *state;
    assert_int_equal(mkdir(temp_path(&d->dir, "state"), 0700), 0);
    begin_anew(d, true);
}

static void test_fifo(void **state)
{
    struct desk *d = *state;
    assert_int_equal(mkfifo(temp_path(&d->dir, "state"), 0600), 0);
    begin_anew(d, true);
}

// It is tried again, and what was to be written is still there.
static void test_cannot_be_written(void **state)
{
    struct desk *d = *state;
    struct bag bag = {.n = 1};
    strcpy(bag.values[0], "one");
    assert_int_equal(mkdir(temp_path(&d->dir, "state.tmp"), 0700), 0);
    struct state_file *file = state_file_create(&d->relay);
    state_file_register(file, &bag_section, &bag);
    state_file_changed(file, 0);
    state_file_tick(file);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_true(state_file_failed(file));
    assert_false(temp_exists(&d->dir, "state"));
    assert_int_equal(rmdir(temp_path(&d->dir, "state.tmp")), 0);
    d->relay.uptime_s += 3600;
    state_file_tick(file);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_false(state_file_failed(file));
    assert_non_null(strstr(read_state(d), "\nBag one\n"));
    state_file_free(file);
}

// What changes while a helper writes is written after it, and the end waits for it.
static void test_change_meanwhile(void **state)
{
    struct desk *d = *state;
    struct bag bag = {.n = 1};
    struct state_file *file = state_file_create(&d->relay);
    state_file_register(file, &bag_section, &bag);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(bag.values[0], sizeof(bag.values[0]), "%u", i);
        state_file_changed(file, 0);
        state_file_tick(file);
        if (i % 3 == 0)
            uv_run(&d->loop, UV_RUN_DEFAULT);
    }
    state_file_free(file);
    assert_non_null(strstr(read_state(d), "\nBag 19\n"));
}

// ---- killed

// Writes all the time: `n` lines that say the same number, which grows.
static void write_for_ever(const struct temp_dir *dir)
{
    struct desk *d = calloc(1, sizeof(*d));
    snprintf(d->config.data_directory, sizeof(d->config.data_directory), "%s", dir->path);
    desk_open(d);
    struct bag bag = {.n = 32};
    struct state_file *file = state_file_create(&d->relay);
    for (unsigned i = 0;; i++) {
        bag.n = 0;
        if (i == 0)
            state_file_register(file, &bag_section, &bag);
        bag.n = 32;
        for (unsigned k = 0; k < bag.n; k++)
            snprintf(bag.values[k], sizeof(bag.values[k]), "%u %0*u", i, (int)(i % 40) + 1, i);
        state_file_changed(file, 0);
        state_file_tick(file);
        uv_run(&d->loop, i % 2 ? UV_RUN_DEFAULT : UV_RUN_NOWAIT);
    }
}

static void check_whole(struct desk *d)
{
    struct bag bag = {0};
    struct state_file *file = state_file_create(&d->relay);
    state_file_register(file, &bag_section, &bag);
    assert_false(temp_exists(&d->dir, "state.0"));
    assert_true(bag.n == 0 || bag.n == 32);
    for (unsigned i = 1; i < bag.n; i++)
        assert_string_equal(bag.values[i], bag.values[0]);
    state_file_free(file);
}

// How long writing takes here: a child is given time for some of it.
static long measure_ns(const struct desk *d)
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(whole_file_write(temp_path(&d->dir, "measure"), "", 1, 0), 0);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
}

static void kill_one(const struct desk *d, long most_ns,
                     void (*write_them)(const struct temp_dir *dir))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        write_them(&d->dir);
        _exit(1);
    }
    struct timespec some = {.tv_nsec = 1000000 + random() % most_ns % 500000000};
    nanosleep(&some, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_killed(void **state)
{
    struct desk *d = *state;
    long most_ns = 10000000 + measure_ns(d);
    unsigned written = 0;
    for (unsigned round = 0; round < 200; round++) {
        kill_one(d, most_ns, write_for_ever);
        written += temp_exists(&d->dir, "state");
        check_whole(d);
    }
    assert_true(written > 100);
}

// The same with so much to write that it takes its time.
enum { LARGE = STATE_FILE_MAX };

static void write_large_for_ever(const struct temp_dir *dir)
{
    static char text[LARGE];
    for (unsigned i = 0;; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof(text));
        if (whole_file_write(temp_path(dir, "large"), text, sizeof(text), 0) < 0)
            _exit(1);
    }
}

static void test_killed_while_much_is_written(void **state)
{
    struct desk *d = *state;
    long most_ns = 10000000 + measure_ns(d);
    unsigned written = 0;
    for (unsigned round = 0; round < 100; round++) {
        char *text;
        size_t length;
        kill_one(d, most_ns, write_large_for_ever);
        if (!temp_exists(&d->dir, "large"))
            continue;
        assert_int_equal(whole_file_read(temp_path(&d->dir, "large"), LARGE, &text, &length), 0);
        assert_int_equal(length, LARGE);
        assert_memory_equal(text, text + 1, LARGE - 1);
        free(text);
        written++;
    }
    assert_true(written > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_file),
        cmocka_unit_test(test_what_others_wrote_stays),
        cmocka_unit_test(test_section_goes),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_symbolic_link),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_fifo),
        cmocka_unit_test(test_cannot_be_written),
        cmocka_unit_test(test_change_meanwhile),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_killed_while_much_is_written),
    };
    struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
        each[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
