// SPDX-License-Identifier: BSD-3-Clause
// Channels: messages both ways and in order, empty pools, full rings, wiping, and who wakes whom.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "base/channel.h"

enum { MESSAGES = 63 };

static int open_one(void **state)
{
    static struct channel ch;
    *state = &ch;
    return channel_open(&ch, 0, NULL, MESSAGES);
}

static int close_one(void **state)
{
    struct channel *ch = *state;
    // Nothing was lost: every message is back in its pool.
    int lost = rte_mempool_full(ch->down_pool) && rte_mempool_full(ch->up_pool) ? 0 : -1;
    channel_close(ch, true);
    return lost;
}

static bool take_wake(int fd)
{
    uint64_t count;
    return read(fd, &count, sizeof(count)) == sizeof(count) && count == 1;
}

static void test_down(void **state)
{
    struct channel *ch = *state;
    struct message *got[4];
    assert_int_equal(channel_receive_down(ch, got, 4), 0);
    for (unsigned i = 0; i < 5; i++) {
        struct message *m = channel_message_down(ch, MSG_CONN_SEND);
        assert_int_equal(m->type, MSG_CONN_SEND);
        assert_int_equal(m->worker, 0);
        assert_int_equal(m->length, 0);
        assert_int_equal(m->cookie, 0);
        assert_int_equal(m->conn.generation, 0);
        m->cookie = 100 + i;
        m->length = 3;
        memcpy(m->payload, "abc", 3);
        channel_send_down(ch, m);
    }
    assert_int_equal(channel_receive_down(ch, got, 4), 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(got[i]->cookie, 100 + i);
        assert_memory_equal(got[i]->payload, "abc", got[i]->length);
        channel_free(got[i]);
    }
    assert_int_equal(channel_receive_down(ch, got, 4), 1);
    channel_free(got[0]);
    assert_int_equal(channel_receive_down(ch, got, 4), 0);
}

static void test_up(void **state)
{
    struct channel *ch = *state;
    struct message *got[4];
    for (unsigned i = 0; i < 3; i++) {
        struct message *m = channel_message_up(ch, MSG_LINK_CELL);
        assert_non_null(m);
        m->offset = i;
        assert_true(channel_send_up(ch, m));
    }
    assert_int_equal(channel_receive_up(ch, got, 4), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(got[i]->type, MSG_LINK_CELL);
        assert_int_equal(got[i]->offset, i);
        channel_free(got[i]);
    }
}

// A worker gets NULL and goes on; what it gives back can be taken again. The control thread's
// messages are others.
static void test_pool_runs_out(void **state)
{
    struct channel *ch = *state;
    struct message *taken[MESSAGES + 1];
    unsigned n = 0;
    while (n <= MESSAGES && (taken[n] = channel_message_up(ch, MSG_CONN_DATA)))
        n++;
    assert_int_equal(n, MESSAGES - ch->up_reserve);
    assert_true(ch->up_reserve > 0);
    // What ended gets through.
    while (n <= MESSAGES &&
           (taken[n] = channel_message_up(ch, n % 2 ? MSG_CONN_CLOSED : MSG_CIRCUIT_CLOSED)))
        n++;
    assert_int_equal(n, MESSAGES);
    assert_null(channel_message_up(ch, MSG_CONN_DATA));
    struct message *down = channel_message_down(ch, MSG_CONN_SEND);
    assert_non_null(down);
    channel_free(down);
    channel_free(taken[--n]);
    taken[n] = channel_message_up(ch, MSG_CONN_CLOSED);
    assert_non_null(taken[n++]);
    while (n > 0)
        channel_free(taken[--n]);
}

// Full with `messages` of them, not one less.
static void test_ring_is_full(void **state)
{
    struct channel *ch = *state;
    struct message *got[MESSAGES];
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct message *m = channel_message_up(ch, MSG_CONN_CLOSED);
        assert_non_null(m);
        assert_true(channel_send_up(ch, m));
    }
    struct message *late = channel_message_down(ch, MSG_CONN_DATA); // any message will do
    assert_false(channel_send_up(ch, late));
    assert_int_equal(channel_receive_up(ch, got, 1), 1);
    channel_free(got[0]);
    assert_true(channel_send_up(ch, late)); // it stayed ours
    assert_int_equal(channel_receive_up(ch, got, MESSAGES), MESSAGES);
    for (unsigned i = 0; i < MESSAGES; i++)
        channel_free(got[i]);
}

static void test_reused_message_is_clean(void **state)
{
    struct channel *ch = *state;
    struct message *m = channel_message_up(ch, MSG_CONN_DATA);
    m->conn = (struct handle){7, 7};
    m->cookie = m->offset = 7;
    m->close.reason = 7;
    m->tls.rx.cipher = 7;
    m->length = 7;
    channel_free(m);
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct message *got[1];
        m = channel_message_up(ch, MSG_CONN_CLOSED);
        assert_int_equal(m->conn.index, 0);
        assert_true(m->cookie == 0 && m->offset == 0 && m->length == 0);
        assert_true(m->close.reason == 0 && m->tls.rx.cipher == 0);
        assert_true(channel_send_up(ch, m));
        assert_int_equal(channel_receive_up(ch, got, 1), 1);
        channel_free(got[0]);
    }
}

static void test_secrets_are_wiped(void **state)
{
    struct channel *ch = *state;
    static const uint8_t zeros[64];
    struct message *m = channel_message_down(ch, MSG_TLS_START);
    m->secret = 1;
    memset(&m->tls, 0xaa, sizeof(m->tls));
    m->length = 64;
    memset(m->payload, 0xaa, 64);
    channel_free(m);
    // The pool still owns the memory.
    assert_memory_equal(m->payload, zeros, 64);
    assert_memory_equal(m->tls.rx.key, zeros, sizeof(m->tls.rx.key));
    assert_memory_equal(m->tls.tx.key, zeros, sizeof(m->tls.tx.key));
}

// The worker is woken when it says that it sleeps, once, and not when it doesn't.
static void test_wake_worker(void **state)
{
    struct channel *ch = *state;
    struct message *got[2];
    channel_send_down(ch, channel_message_down(ch, MSG_CONN_SEND));
    assert_false(take_wake(ch->down_fd));
    atomic_store(&ch->worker_sleeps, 1);
    channel_send_down(ch, channel_message_down(ch, MSG_CONN_SEND));
    assert_int_equal(atomic_load(&ch->worker_sleeps), 0);
    assert_true(take_wake(ch->down_fd));
    assert_false(take_wake(ch->down_fd));
    assert_int_equal(channel_receive_down(ch, got, 2), 2);
    channel_free(got[0]);
    channel_free(got[1]);
}

// The control thread is woken by the notify, not by each message, and only when there was one.
static void test_wake_control(void **state)
{
    struct channel *ch = *state;
    struct message *got[2];
    atomic_store(ch->control_sleeps, 1);
    channel_notify_up(ch);
    assert_int_equal(atomic_load(ch->control_sleeps), 1);
    assert_true(channel_send_up(ch, channel_message_up(ch, MSG_CONN_DATA)));
    assert_false(take_wake(ch->up_fd));
    channel_notify_up(ch);
    assert_int_equal(atomic_load(ch->control_sleeps), 0);
    assert_true(take_wake(ch->up_fd));
    atomic_store(ch->control_sleeps, 1);
    channel_notify_up(ch); // nothing since
    assert_false(take_wake(ch->up_fd));
    assert_int_equal(channel_receive_up(ch, got, 2), 1);
    channel_free(got[0]);
}

// Two workers: their own rings and pools, one shared wake-up of the control thread.
static void test_two_workers(void **state)
{
    (void)state;
    struct channel ch[2];
    struct message *got[2];
    assert_int_equal(channel_open(&ch[0], 0, NULL, MESSAGES), 0);
    assert_int_equal(channel_open(&ch[1], 1, &ch[0], MESSAGES), 0);
    assert_int_equal(ch[0].up_fd, ch[1].up_fd);
    assert_int_not_equal(ch[0].down_fd, ch[1].down_fd);
    assert_ptr_equal(ch[0].control_sleeps, ch[1].control_sleeps);
    struct message *m = channel_message_up(&ch[1], MSG_CONN_DATA);
    assert_int_equal(m->worker, 1);
    atomic_store(ch[0].control_sleeps, 1);
    assert_true(channel_send_up(&ch[1], m));
    channel_notify_up(&ch[1]);
    assert_true(take_wake(ch[0].up_fd));
    assert_int_equal(channel_receive_up(&ch[0], got, 2), 0);
    assert_int_equal(channel_receive_up(&ch[1], got, 2), 1);
    channel_free(got[0]);
    channel_send_down(&ch[1], channel_message_down(&ch[1], MSG_LISTEN));
    assert_int_equal(channel_receive_down(&ch[0], got, 2), 0);
    assert_int_equal(channel_receive_down(&ch[1], got, 2), 1);
    channel_free(got[0]);
    channel_close(&ch[1], false);
    channel_close(&ch[0], true);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct channel ch;
    assert_int_equal(channel_open(&ch, 0, NULL, 1U << 22), -ENOMEM);
    assert_int_equal(channel_open(&ch, 0, NULL, MESSAGES), 0); // what was made is gone again
    channel_close(&ch, true);
}

// ---- both sides at once: nothing is lost, doubled or out of order, and no sleep is missed

enum { ROUNDS = 20000 };

static void worker_sleep(struct channel *ch)
{
    atomic_store(&ch->worker_sleeps, 1);
    struct pollfd fd = {.fd = ch->down_fd, .events = POLLIN};
    if (rte_ring_empty(ch->down) && poll(&fd, 1, 10000) != 1)
        fail_msg("a wake-up was lost");
    atomic_store(&ch->worker_sleeps, 0);
    take_wake(ch->down_fd);
}

// Sends everything back.
static void *echo(void *argument)
{
    struct channel *ch = argument;
    for (unsigned done = 0; done < ROUNDS;) {
        struct message *got[8];
        unsigned n = channel_receive_down(ch, got, 8);
        for (unsigned i = 0; i < n; i++) {
            struct message *m = channel_message_up(ch, MSG_CONN_DATA);
            while (!m)
                m = channel_message_up(ch, MSG_CONN_DATA);
            m->cookie = got[i]->cookie;
            channel_free(got[i]);
            while (!channel_send_up(ch, m))
                channel_notify_up(ch);
            done++;
        }
        channel_notify_up(ch);
        if (n == 0)
            worker_sleep(ch);
    }
    return NULL;
}

static unsigned receive_echoes(struct channel *ch, unsigned next)
{
    struct message *got[8];
    unsigned n = channel_receive_up(ch, got, 8);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(got[i]->cookie, next + i);
        channel_free(got[i]);
    }
    return next + n;
}

static void control_sleep(struct channel *ch)
{
    atomic_store(ch->control_sleeps, 1);
    struct pollfd fd = {.fd = ch->up_fd, .events = POLLIN};
    if (rte_ring_empty(ch->up) && poll(&fd, 1, 10000) != 1)
        fail_msg("a wake-up was lost");
    atomic_store(ch->control_sleeps, 0);
    take_wake(ch->up_fd);
}

static void test_two_threads(void **state)
{
    struct channel *ch = *state;
    pthread_t worker;
    assert_int_equal(pthread_create(&worker, NULL, echo, ch), 0);
    unsigned sent = 0, received = 0;
    while (received < ROUNDS) {
        for (unsigned i = 0; i < 16 && sent < ROUNDS && sent - received < MESSAGES; i++) {
            struct message *m = channel_message_down(ch, MSG_CONN_SEND);
            m->cookie = sent++;
            channel_send_down(ch, m);
        }
        unsigned before = received;
        received = receive_echoes(ch, received);
        if (received == before)
            control_sleep(ch);
    }
    pthread_join(worker, NULL);
}

int main(void)
{
    static char text[][24] = {"test", "--no-huge",      "--no-shconf",      "--no-pci",
                              "-m64", "--no-telemetry", "--log-level=error"};
    enum { COUNT = sizeof(text) / sizeof(text[0]) };
    char *arguments[COUNT + 1] = {NULL};
    for (int i = 0; i < COUNT; i++)
        arguments[i] = text[i];
    if (rte_eal_init(COUNT, arguments) < 0)
        return 1;
#define CHANNEL_TEST(test) cmocka_unit_test_setup_teardown(test, open_one, close_one)
    const struct CMUnitTest tests[] = {
        CHANNEL_TEST(test_down),
        CHANNEL_TEST(test_up),
        CHANNEL_TEST(test_pool_runs_out),
        CHANNEL_TEST(test_ring_is_full),
        CHANNEL_TEST(test_reused_message_is_clean),
        CHANNEL_TEST(test_secrets_are_wiped),
        CHANNEL_TEST(test_wake_worker),
        CHANNEL_TEST(test_wake_control),
        CHANNEL_TEST(test_two_threads),
        cmocka_unit_test(test_two_workers),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
