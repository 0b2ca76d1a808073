// SPDX-License-Identifier: BSD-3-Clause
// A whole control plane over real channels, with the test as its worker: connections that come and
// go in every order, stale handles and cookies, and the orderly stop.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "../dir/temp_dir.h"
#include "base/channel.h"
#include "base/log.h"
#include "controlplane/controlplane.h"
#include "crypto/random.h"

enum { MESSAGES = 511, INBOX_MAX = 64 };

static struct temp_dir directory;
static uv_loop_t loop;
static struct channel channel;
static struct channel *channels[] = {&channel};
static struct config config;
static struct controlplane *controlplane;
static struct message *inbox[INBOX_MAX];
static unsigned inbox_length;
static bool stopped;

// Lets the control plane do all that is due, and takes what it says.
static void run(void)
{
    for (int i = 0; i < 4; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    inbox_length += channel_receive_down(&channel, inbox + inbox_length, INBOX_MAX - inbox_length);
}

// The first message of this type; the caller frees it. NULL: there is none.
static struct message *take(enum message_type type)
{
    for (unsigned i = 0; i < inbox_length; i++) {
        struct message *m = inbox[i];
        if (m->type != type)
            continue;
        inbox_length--;
        memmove(inbox + i, inbox + i + 1, (inbox_length - i) * sizeof(*inbox));
        return m;
    }
    return NULL;
}

static bool took(enum message_type type, struct handle conn)
{
    struct message *m = take(type);
    bool right = m && m->conn.index == conn.index && m->conn.generation == conn.generation;
    if (m)
        channel_free(m);
    return right;
}

static void forget_inbox(void)
{
    while (inbox_length > 0)
        channel_free(inbox[--inbox_length]);
}

static void tell(enum message_type type, struct handle conn, uint64_t cookie)
{
    struct message *m = channel_message_up(&channel, type);
    assert_non_null(m);
    m->conn = conn;
    m->cookie = cookie;
    m->address = address_ipv4(0xC6336401, 4000);
    m->local_address = address_ipv4(0xCB007105, 9001);
    assert_true(channel_send_up(&channel, m));
    run();
}

// The first dial, to the authority; others, as the directory client's, fail.
static uint64_t take_dial(void)
{
    struct message *m = take(MSG_CONN_CONNECT), *other;
    assert_non_null(m);
    uint64_t cookie = m->cookie;
    channel_free(m);
    while ((other = take(MSG_CONN_CONNECT))) {
        uint64_t failed = other->cookie;
        channel_free(other);
        tell(MSG_CONN_CLOSED, (struct handle){0}, failed);
    }
    return cookie;
}

static void tell_data(struct handle conn, uint64_t offset, const void *bytes, size_t length)
{
    struct message *m = channel_message_up(&channel, MSG_CONN_DATA);
    assert_non_null(m);
    m->conn = conn;
    m->offset = offset;
    m->length = (uint16_t)length;
    memcpy(m->payload, bytes, length);
    assert_true(channel_send_up(&channel, m));
    run();
}

static void on_stopped(void *user)
{
    (void)user;
    stopped = true;
}

static int set_up(void **state)
{
    (void)state;
    char error[512];
    stopped = false;
    directory = temp_dir_make();
    config = (struct config){.nickname = "test",
                             .or_port = 9001,
                             .address_count = 1,
                             .testing_network = true,
                             .exit_policy = {"reject *:*"},
                             .exit_policy_count = 1,
                             .directory_authority_count = 1};
    config.addresses[0] = address_ipv4(0xCB007105, 9001);
    config.directory_authorities[0] = (struct config_authority){
        .nickname = "auth", .address = address_ipv4(0xC6336464, 5100), .dir_port = 7100};
    snprintf(config.data_directory, sizeof(config.data_directory), "%s", directory.path);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(channel_open(&channel, 0, NULL, MESSAGES), 0);
    controlplane = controlplane_start(&loop, &config, channels, 1, 1, error, sizeof(error));
    assert_non_null(controlplane);
    run();
    struct message *m = take(MSG_LISTEN);
    assert_non_null(m);
    assert_true(address_equal(&m->address, &config.addresses[0]));
    channel_free(m);
    return 0;
}

static void stop_by_time(void)
{
    controlplane_stop(controlplane, on_stopped, NULL); // does nothing the second time
    for (int i = 0; i < 500 && !stopped; i++) {
        uv_sleep(10);
        run();
    }
    assert_true(stopped);
}

static int tear_down(void **state)
{
    (void)state;
    if (!stopped) // the test failed
        stop_by_time();
    controlplane_free(controlplane);
    forget_inbox();
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_true(rte_mempool_full(channel.down_pool));
    assert_true(rte_mempool_full(channel.up_pool));
    channel_close(&channel, true);
    temp_dir_remove(&directory);
    return 0;
}

// Ends at once, not when the time for an orderly stop is over.
static void stop_now(void)
{
    uint64_t began = uv_hrtime();
    if (!stopped)
        controlplane_stop(controlplane, on_stopped, NULL);
    while (!stopped && uv_hrtime() - began < UINT64_C(1000000000))
        run();
    assert_true(stopped);
}

static void stop_with_upload_dialled(void **state)
{
    (void)state;
    const struct handle conn = {7, 1};
    uint64_t cookie = take_dial();
    controlplane_stop(controlplane, on_stopped, NULL);
    run();
    // It has no handle yet; once it has one, it is closed.
    assert_null(take(MSG_CONN_CLOSE));
    tell(MSG_CONN_CONNECTED, conn, cookie);
    assert_true(took(MSG_CONN_CLOSE, conn));
    assert_null(take(MSG_CONN_SEND));
    assert_false(stopped);
    tell(MSG_CONN_CLOSED, conn, cookie);
    stop_now();
}

static void stop_during_upload(void **state)
{
    (void)state;
    const struct handle conn = {7, 1};
    uint64_t cookie = take_dial();
    tell(MSG_CONN_CONNECTED, conn, cookie);
    assert_true(took(MSG_CONN_SEND, conn));
    controlplane_stop(controlplane, on_stopped, NULL);
    run();
    assert_true(took(MSG_CONN_CLOSE, conn)); // an authority may take its time
    tell_data(conn, 0, "HTTP/1.0 200 OK\r\n\r\n", 19);
    tell(MSG_CONN_CLOSED, conn, cookie);
    stop_now();
}

static void connections_end_once(void **state)
{
    (void)state;
    const struct handle conn = {3, 9}, old = {3, 8}, far = {1000000, 1};
    uint64_t cookie = take_dial();
    tell(MSG_CONN_CLOSED, (struct handle){0}, cookie); // the dial failed
    tell(MSG_CONN_CLOSED, (struct handle){0}, cookie);
    tell(MSG_CONN_CLOSED, far, 0);
    tell(MSG_CONN_CONNECTED, conn, cookie); // of a dial that is over: turned away
    assert_true(took(MSG_CONN_CLOSE, conn));
    tell(MSG_CONN_CLOSED, conn, cookie);

    tell(MSG_CONN_ACCEPTED, conn, 0);
    tell_data(old, 0, "garbage", 7); // of its handle's last owner
    tell(MSG_CONN_CLOSED, old, 0);
    assert_null(take(MSG_CONN_CLOSE));
    tell_data(conn, 0, "garbage that is no TLS", 22);
    assert_true(took(MSG_CONN_SEND, conn)); // an alert
    assert_true(took(MSG_CONN_CLOSE, conn));
    forget_inbox();
    tell_data(conn, 22, "more of it", 10);
    tell(MSG_TLS_HANDSHAKE, conn, 0);
    tell(MSG_TLS_KEY_OLD, conn, 0);
    assert_int_equal(inbox_length, 0);
    tell(MSG_CONN_CLOSED, conn, 0);
    tell(MSG_CONN_CLOSED, conn, 0);
    assert_int_equal(controlplane_counters(controlplane)->drop_link_tls, 1);
    stop_now();
}

// Messages that only records bring, before there are any.
static void messages_before_their_time(void **state)
{
    (void)state;
    const struct handle conn = {3, 9};
    tell(MSG_CONN_ACCEPTED, conn, 0);
    tell(MSG_TLS_HANDSHAKE, conn, 0);
    tell(MSG_TLS_KEY_OLD, conn, 0);
    tell(MSG_LINK_CELL, conn, 0);
    tell(MSG_CIRCUIT_CREATE, conn, 0);
    take_dial();
    controlplane_stop(controlplane, on_stopped, NULL);
    tell(MSG_CONN_ACCEPTED, (struct handle){4, 1}, 0); // comes too late
    assert_true(took(MSG_CONN_CLOSE, conn));
    assert_true(took(MSG_CONN_CLOSE, (struct handle){4, 1}));
    // Nobody answers any more: the stop comes to its end all the same, by time.
    stop_by_time();
}

int main(void)
{
#define CONTROLPLANE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CONTROLPLANE_TEST(stop_with_upload_dialled),
        CONTROLPLANE_TEST(stop_during_upload),
        CONTROLPLANE_TEST(connections_end_once),
        CONTROLPLANE_TEST(messages_before_their_time),
    };
    const char *const arguments[] = {"test", "--no-huge",      "--no-shconf",       "--no-pci",
                                     "-m64", "--no-telemetry", "--log-level=error", NULL};
    log_set_level(LOG_LEVEL_ERROR);
    if (crypto_init() != 0 || rte_eal_init(7, (char **)(uintptr_t)arguments) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
