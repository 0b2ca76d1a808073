// SPDX-License-Identifier: BSD-3-Clause
// The status document, and the socket that gives it to the owner and nobody else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "bootstrap.h"
#include "doubles.h"
#include "identity/identity.h"
#include "relay.h"
#include "status/status.h"
#include "temp_dir.h"

static struct temp_dir dir;
static struct config config;
static struct identity identity;
static struct relay relay;
static uv_loop_t loop;

static time_t clock_of_test(void)
{
    return 1800000000;
}

static int set_up(void **state)
{
    (void)state;
    dir = temp_dir_make();
    memset(&config, 0, sizeof(config));
    memset(&relay, 0, sizeof(relay));
    doubles = (struct doubles){.host = "www.example.org"};
    snprintf(config.data_directory, sizeof(config.data_directory), "%s", dir.path);
    uv_loop_init(&loop);
    relay.loop = &loop;
    relay.config = &config;
    relay.wall_clock = clock_of_test;
    relay.uptime_s = 77;
    relay.bootstrap = bootstrap_create();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    status_server_free(relay.status);
    bootstrap_free(relay.bootstrap);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    temp_dir_remove(&dir);
    return 0;
}

static void start(void)
{
    char error[512] = "";
    relay.status = status_server_create(&relay, error, sizeof(error));
    if (!relay.status)
        fail_msg("%s", error);
}

static void assert_refused(const char *why)
{
    char error[512] = "";
    assert_null(status_server_create(&relay, error, sizeof(error)));
    if (!strstr(error, why))
        fail_msg("\"%s\" does not say \"%s\"", error, why);
    assert_null(strchr(error, '\n'));
    uv_run(&loop, UV_RUN_NOWAIT);
}

static struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/%s", dir.path, name);
    return address;
}

static int dial(void)
{
    struct sockaddr_un address = address_of(STATUS_SOCKET_NAME);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void turn(void)
{
    for (int i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

// Until the end; NULL: nothing came before it.
static json_t *read_document(int fd)
{
    static char text[16 << 20];
    size_t length = 0;
    for (int i = 0; i < 100000; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        ssize_t n = read(fd, text + length, sizeof(text) - length);
        if (n == 0)
            break;
        if (n > 0)
            length += (size_t)n;
        else
            assert_int_equal(errno, EAGAIN);
    }
    close(fd);
    json_error_t error;
    json_t *document = length ? json_loadb(text, length, 0, &error) : NULL;
    assert_true(length == 0 || document);
    turn();
    return document;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

static long long number_of(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

// ---- the document

static void sum(void *user, struct counters *out)
{
    assert_ptr_equal(user, &relay);
    out->rx_bytes += 1000;
}

static void test_of_a_client(void **state)
{
    (void)state;
    doubles =
        (struct doubles){.guards = 4, .circuits = 2, .streams = 3, .host = "a\x01\xffz.example"};
    doubles_set(&relay);
    relay.counters.rx_bytes = 24;
    relay.sum_counters = sum;
    relay.sum_counters_user = &relay;
    bootstrap_reached(&relay, BOOTSTRAP_CONNECTING);
    json_t *r = status_report(&relay);
    assert_string_equal(text_of(r, "role"), "client");
    assert_int_equal(number_of(r, "uptime_s"), 77);
    assert_null(json_object_get(r, "relay"));
    json_t *b = json_object_get(r, "bootstrap");
    assert_int_equal(number_of(b, "percent"), 5);
    assert_string_equal(text_of(b, "text"), "connecting to a directory");
    assert_string_equal(text_of(b, "why_not"), "there is no consensus yet");
    assert_int_equal(number_of(json_object_get(r, "counters"), "rx_bytes"), 1024);
    assert_int_equal(json_object_size(json_object_get(r, "counters")), 1);

    json_t *guards = json_object_get(r, "guards");
    assert_int_equal(json_array_size(guards), 4);
    json_t *g = json_array_get(guards, 1);
    assert_string_equal(text_of(g, "nickname"), "guard1");
    assert_string_equal(text_of(g, "fingerprint"), "0101010101010101010101010101010101010101");
    assert_true(json_is_true(json_object_get(g, "primary")));
    assert_string_equal(text_of(g, "reachable"), "no");

    json_t *circuits = json_object_get(r, "circuits");
    assert_int_equal(json_array_size(circuits), 2);
    json_t *c = json_array_get(circuits, 0), *hops = json_object_get(c, "hops");
    assert_string_equal(text_of(c, "state"), "open");
    assert_string_equal(text_of(c, "purpose"), "general");
    assert_int_equal(json_array_size(hops), 3);
    assert_string_equal(text_of(json_array_get(hops, 0), "nickname"), "relay");
    assert_null(json_object_get(json_array_get(hops, 1), "nickname"));
    assert_string_equal(text_of(json_array_get(hops, 1), "fingerprint"),
                        "1111111111111111111111111111111111111111");

    json_t *streams = json_object_get(r, "streams");
    assert_int_equal(json_array_size(streams), 3);
    assert_string_equal(text_of(json_array_get(streams, 0), "target"), "a??z.example:443");
    assert_string_equal(text_of(json_array_get(streams, 0), "state"), "waiting");
    assert_null(json_object_get(json_array_get(streams, 0), "circuit"));
    assert_string_equal(text_of(json_array_get(streams, 1), "state"), "connected");
    assert_int_equal(number_of(json_array_get(streams, 1), "circuit"), 2);
    assert_string_equal(text_of(json_array_get(streams, 2), "target"), "192.0.2.1");
    json_decref(r);
}

static void test_of_a_service(void **state)
{
    (void)state;
    doubles = (struct doubles){.services = 2, .host = ""};
    doubles_set(&relay);
    json_t *r = status_report(&relay), *services = json_object_get(r, "onion_services");
    assert_int_equal(json_array_size(services), 2);
    json_t *s = json_array_get(services, 1), *points = json_object_get(s, "introduction_points");
    assert_string_equal(text_of(s, "address"), "blog.onion");
    assert_string_equal(text_of(s, "directory"), "/var/lib/ramson/blog");
    assert_int_equal(number_of(s, "introduction_points_wanted"), 3);
    assert_int_equal(json_array_size(points), 2);
    assert_string_equal(text_of(json_array_get(points, 0), "state"), "established");
    assert_string_equal(text_of(json_array_get(points, 0), "nickname"), "relay");
    assert_int_equal(number_of(json_array_get(points, 0), "introductions"), 6);
    assert_string_equal(text_of(json_array_get(points, 1), "state"), "building");
    assert_null(json_object_get(json_array_get(points, 1), "nickname"));
    json_t *descriptors = json_object_get(s, "descriptors");
    assert_int_equal(json_array_size(descriptors), 1); // there is no second one yet
    assert_int_equal(number_of(json_array_get(descriptors, 0), "period"), 19000);
    assert_int_equal(number_of(json_array_get(descriptors, 0), "uploaded"), 7);
    assert_int_equal(number_of(json_array_get(descriptors, 0), "wanted"), 8);
    assert_int_equal(number_of(s, "visitors"), 4);
    assert_int_equal(number_of(s, "streams"), 5);
    assert_int_equal(number_of(s, "replays"), 1);
    assert_int_equal(number_of(s, "refused"), 2);
    assert_int_equal(number_of(s, "suggested_effort"), 33);
    json_decref(r);
    doubles.services = 0;
    r = status_report(&relay);
    assert_null(json_object_get(r, "onion_services"));
    json_decref(r);
}

static void test_of_a_relay(void **state)
{
    (void)state;
    bootstrap_free(relay.bootstrap);
    relay.bootstrap = NULL;
    config.or_port = 9001;
    snprintf(config.nickname, sizeof(config.nickname), "ramson0");
    memset(identity.rsa_id, 0xab, sizeof(identity.rsa_id));
    relay.identity = &identity;
    json_t *r = status_report(&relay), *o = json_object_get(r, "relay");
    assert_string_equal(text_of(r, "role"), "relay");
    assert_string_equal(text_of(o, "nickname"), "ramson0");
    assert_string_equal(text_of(o, "fingerprint"), "ABABABABABABABABABABABABABABABABABABABAB");
    assert_int_equal(number_of(o, "circuits"), 5);
    assert_int_equal(number_of(r, "links"), 2);
    assert_null(json_object_get(r, "bootstrap"));
    assert_null(json_object_get(r, "streams"));
    json_decref(r);
    doubles_set(&relay);
    r = status_report(&relay);
    assert_string_equal(text_of(r, "role"), "relay and client");
    json_decref(r);
}

static void test_lists_end(void **state)
{
    (void)state;
    doubles.circuits = STATUS_LIST_MAX + 5;
    doubles.streams = STATUS_LIST_MAX + 9;
    doubles_set(&relay);
    json_t *r = status_report(&relay);
    assert_int_equal(json_array_size(json_object_get(r, "circuits")), STATUS_LIST_MAX);
    assert_int_equal(number_of(r, "circuits_omitted"), 5);
    assert_int_equal(json_array_size(json_object_get(r, "streams")), STATUS_LIST_MAX);
    assert_int_equal(number_of(r, "streams_omitted"), 9);
    json_decref(r);
}

// ---- the socket

static void test_dialogue(void **state)
{
    (void)state;
    struct stat st;
    doubles.streams = 1000;
    doubles.circuits = 30;
    doubles_set(&relay);
    umask(0); // the mode does not come from there
    start();
    umask(022);
    struct sockaddr_un address = address_of(STATUS_SOCKET_NAME);
    assert_int_equal(stat(address.sun_path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    for (int i = 0; i < 3; i++) {
        json_t *r = read_document(dial());
        assert_int_equal(json_array_size(json_object_get(r, "streams")), 1000);
        json_decref(r);
    }
    assert_int_equal(status_server_readers(relay.status), 0);
    status_server_free(relay.status);
    relay.status = NULL;
    assert_int_equal(stat(address.sun_path, &st), -1);
    assert_int_equal(dial(), -1);
}

// More than a socket holds, made quickly.
static void fill_document(void)
{
    static char host[250];
    memset(host, 'h', sizeof(host) - 1);
    doubles.host = host;
    doubles.streams = 2000;
}

static void test_who_leaves_at_once(void **state)
{
    (void)state;
    fill_document();
    doubles_set(&relay);
    start();
    for (int i = 0; i < 50; i++) {
        close(dial());
        turn();
    }
    assert_int_equal(status_server_readers(relay.status), 0);
    json_decref(read_document(dial()));
}

// Those who do not read hold up nobody for long, and not many of them are let in.
static void test_slow_readers(void **state)
{
    (void)state;
    int slow[STATUS_CONNECTIONS_MAX];
    fill_document();
    doubles_set(&relay);
    start();
    for (int i = 0; i < STATUS_CONNECTIONS_MAX; i++) {
        slow[i] = dial();
        turn();
    }
    assert_int_equal(status_server_readers(relay.status), STATUS_CONNECTIONS_MAX);
    assert_null(read_document(dial())); // one too many
    status_server_tick(relay.status, uv_now(&loop) + STATUS_READ_MAX_MS - 1000);
    turn();
    assert_int_equal(status_server_readers(relay.status), STATUS_CONNECTIONS_MAX);
    status_server_tick(relay.status, uv_now(&loop) + STATUS_READ_MAX_MS + 1);
    turn();
    assert_int_equal(status_server_readers(relay.status), 0);
    json_t *r = read_document(dial());
    assert_non_null(r);
    json_decref(r);
    for (int i = 0; i < STATUS_CONNECTIONS_MAX; i++)
        close(slow[i]);
}

static void test_freed_under_readers(void **state)
{
    (void)state;
    fill_document();
    doubles_set(&relay);
    start();
    int a = dial(), b = dial();
    turn();
    assert_int_equal(status_server_readers(relay.status), 2);
    status_server_free(relay.status);
    relay.status = NULL;
    turn();
    close(a);
    close(b);
}

// ---- what is in its place

static int occupy(bool listening)
{
    struct sockaddr_un address = address_of(STATUS_SOCKET_NAME);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    if (listening)
        assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void test_stale_socket(void **state)
{
    (void)state;
    doubles_set(&relay);
    close(occupy(true)); // of a process that was killed
    start();
    json_decref(read_document(dial()));
}

static void test_somebody_listens(void **state)
{
    (void)state;
    int fd = occupy(true);
    assert_refused("another process listens");
    assert_int_equal(access(address_of(STATUS_SOCKET_NAME).sun_path, F_OK), 0);
    close(fd);
}

static void test_no_socket(void **state)
{
    (void)state;
    temp_write(&dir, STATUS_SOCKET_NAME, "precious", 8);
    assert_refused("which is no socket");
    assert_true(temp_exists(&dir, STATUS_SOCKET_NAME));
}

static void test_directory_of_others(void **state)
{
    (void)state;
    assert_int_equal(chmod(dir.path, 0770), 0);
    assert_refused("a directory that others can write");
    assert_int_equal(chmod(dir.path, 0750), 0);
    start();
    snprintf(config.data_directory, sizeof(config.data_directory), "%s/none", dir.path);
    assert_refused("No such file");
}

// A path that is longer than a socket's may be.
static void test_long_path(void **state)
{
    (void)state;
    struct stat st;
    char name[160], path[CONFIG_PATH_MAX + 1];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(config.data_directory, sizeof(config.data_directory), "%s/%s", dir.path, name);
    assert_int_equal(mkdir(config.data_directory, 0700), 0);
    start();
    snprintf(path, sizeof(path), "%.800s/status.sock", config.data_directory);
    assert_int_equal(stat(path, &st), 0);
    status_server_free(relay.status);
    relay.status = NULL;
    assert_int_equal(stat(path, &st), -1);
    turn();
    assert_int_equal(rmdir(config.data_directory), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    signal(SIGPIPE, SIG_IGN); // as in the program
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        TEST(test_of_a_client),  TEST(test_of_a_service),
        TEST(test_of_a_relay),   TEST(test_lists_end),
        TEST(test_dialogue),     TEST(test_who_leaves_at_once),
        TEST(test_slow_readers), TEST(test_freed_under_readers),
        TEST(test_stale_socket), TEST(test_somebody_listens),
        TEST(test_no_socket),    TEST(test_directory_of_others),
        TEST(test_long_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
