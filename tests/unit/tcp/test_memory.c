// SPDX-License-Identifier: BSD-3-Clause
// Packet memory runs out and comes back; connections come and go; timers far and near.
#include "hand.h"
#include "talk.h"

#include <stdlib.h>
#include <string.h>

struct grab {
    struct rte_mbuf *packets[SIM_POOL];
    unsigned n;
};

static struct grab grabbed;

static void grab_all(struct rte_mempool *pool)
{
    while (grabbed.n < SIM_POOL) {
        struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
        if (!m)
            return;
        grabbed.packets[grabbed.n++] = m;
    }
}

static void give_back(unsigned keep)
{
    while (grabbed.n > keep)
        rte_pktmbuf_free(grabbed.packets[--grabbed.n]);
}

// Every 50 ms the pool is empty for a while; in between there are only a few packets.
static void pool_runs_empty(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    (void)state;
    sim->paths[0].loss_ppm = sim->paths[1].loss_ppm = 5000;
    talk_open(&talk, sim);
    for (unsigned i = 0; i < 2; i++) {
        talk.ends[i].to_send = 1 << 20;
        talk.ends[i].records = i;
    }
    grab_all(sim->hosts[0].pool);
    talk_connect(&talk);
    sim_run(sim, 100 * SIM_MS);
    assert_int_equal(sim->hosts[0].sent, 0);
    give_back(0);
    sim_run_until(sim, talk_established, &talk, SIM_SECOND);
    for (unsigned i = 0; i < 100 && !talk_all_received(&talk); i++) {
        grab_all(sim->hosts[i % 2].pool);
        sim_run(sim, 50 * SIM_MS);
        give_back(grabbed.n < 20 ? 0 : grabbed.n - 20);
        sim_run(sim, 50 * SIM_MS);
        give_back(0);
        sim_run(sim, 50 * SIM_MS);
    }
    sim_run_until(sim, talk_all_received, &talk, 5 * SIM_SECOND);
    assert_true(sim->hosts[0].counters.drop_no_packet > 0);
    grab_all(sim->hosts[0].pool);
    tcp_close(talk.ends[0].conn);
    sim_run(sim, SIM_SECOND);
    assert_int_equal(talk.ends[1].peer_fin, false);
    give_back(0);
    sim_run_until(sim, talk_both_closed, &talk, 5 * SIM_SECOND);
    sim_close(sim);
}

static void nothing_to_write_to(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;
    size_t length = 100;

    (void)state;
    talk_open(&talk, sim);
    talk_establish(&talk);
    struct tcp_conn *conn = talk.ends[0].conn;
    talk.ends[1].unchecked = true;
    grab_all(sim->hosts[0].pool);
    assert_false(tcp_write_reserve(conn, 1));
    assert_null(tcp_write_span(conn, &length));
    assert_int_equal(length, 0);
    assert_int_equal(tcp_write(conn, "x", 1), 0);
    give_back(grabbed.n - 3);
    assert_false(tcp_write_reserve(conn, 4u * conn->mss));
    assert_int_equal(rte_mempool_avail_count(sim->hosts[0].pool), 3); // nothing kept
    assert_true(tcp_write_reserve(conn, 3u * conn->mss));
    static uint8_t bytes[3 * 1448];
    assert_int_equal(rte_mempool_avail_count(sim->hosts[0].pool), 0);
    assert_int_equal(tcp_write(conn, bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(tcp_write(conn, bytes, 1), 0);
    give_back(0);
    // What was reserved and not used goes back.
    assert_true(tcp_write_reserve(conn, 20000));
    assert_int_equal(tcp_write(conn, bytes, 100), 100);
    tcp_push(conn);
    assert_int_equal(rte_mempool_in_use_count(sim->hosts[0].pool), 4);
    assert_false(tcp_write_reserve(conn, sim_defaults.send_buffer_bytes + 1));
    sim_run(sim, SIM_SECOND);
    assert_int_equal(sim_packets_used(sim), 0 + sim->hosts[1].stack->rx_held);
    sim_close(sim);
}

// A writer that waits to be told, with nothing in flight: no ACK will wake it.
static void writer_is_told(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    (void)state;
    talk_open(&talk, sim);
    talk.ends[0].patient = talk.ends[0].records = true;
    grab_all(sim->hosts[0].pool);
    give_back(grabbed.n - 2); // enough to connect
    talk_establish(&talk);
    grab_all(sim->hosts[0].pool);
    talk.ends[0].to_send = 100000;
    talk.ends[0].told = true;
    sim_run(sim, SIM_SECOND);
    assert_int_equal(talk.ends[0].sent, 0);
    give_back(0);
    sim_run_until(sim, talk_all_received, &talk, SIM_SECOND);
    sim_close(sim);
}

// What the send queues hold of the pool is bounded, so that there is room for what comes in.
static void send_queues_are_bounded(void **state)
{
    struct sim_options options = sim_defaults;
    struct hand hand;
    static uint8_t bytes[1 << 20];
    unsigned full = 0;

    (void)state;
    options.mtu = 300;
    hand_open(&hand, &options);
    for (unsigned i = 0; i < 8; i++) {
        hand.port++;
        hand.events = 0;
        hand_accept(&hand, NULL, 0);
        full += tcp_write(hand.conn, bytes, sizeof(bytes)) < sizeof(bytes);
    }
    assert_true(full > 0);
    assert_int_equal(hand.stack->tx_held, hand.stack->tx_held_max);
    assert_true(rte_mempool_avail_count(hand.sim->hosts[0].pool) > SIM_POOL / 2);
    hand_close(&hand);
}

static void buffer_is_bounded(void **state)
{
    struct sim_options options = sim_defaults;
    struct talk talk;
    static uint8_t bytes[100000];

    (void)state;
    options.send_buffer_bytes = 50000;
    struct sim *sim = sim_open(&options);
    talk_open(&talk, sim);
    talk_establish(&talk);
    assert_true(tcp_writable(talk.ends[0].conn) <= 14600);
    assert_int_equal(tcp_write(talk.ends[0].conn, bytes, sizeof(bytes)), 50000);
    assert_int_equal(tcp_writable(talk.ends[0].conn), 0);
    sim_close(sim);
}

// Readers that are behind: half of the pool is theirs at most.
static void slow_readers(void **state)
{
    struct sim_options options = sim_defaults;
    struct hand hand;
    static const uint8_t bytes[1400];

    (void)state;
    options.receive_window_bytes = 4 << 20;
    hand_open(&hand, &options);
    uint32_t limit = hand.stack->rx_held_max;
    static const uint8_t scaled[] = {1, 3, 3, 7};
    for (unsigned i = 0; i < 8; i++) {
        hand.port++;
        hand.events = 0;
        hand_accept(&hand, scaled, sizeof(scaled));
        for (unsigned n = 0; n < 1000; n++, hand.seq += 1400) {
            hand_send(&hand, TCP_ACK, hand.seq, bytes, 1400);
            if (hand.n_replies && hand_last(&hand)->ack != hand.seq + 1400)
                break;
        }
    }
    assert_true(hand.stack->rx_held > limit / 2);
    sim_run(hand.sim, SIM_SECOND);
    assert_true(tcp_window(hand.conn, false) << hand.conn->rcv_shift <= (int)(4 << 20));
    hand_close(&hand);
}

struct churn {
    struct sim *sim;
    unsigned open, made, ended;
};

static void churn_client(struct churn *c)
{
    struct tcp_event event;

    while (tcp_next_event(c->sim->hosts[0].stack, &event)) {
        if (event.events & TCP_EVENT_CLOSED) {
            c->ended++;
            c->open--;
        } else if (event.events & TCP_EVENT_CONNECTED) {
            tcp_write(event.conn, "hello", 5);
            tcp_push(event.conn);
        } else if (event.events & TCP_EVENT_PEER_FIN) {
            tcp_close(event.conn);
        }
    }
}

static void churn_server(struct churn *c)
{
    struct tcp_event event;

    while (tcp_next_event(c->sim->hosts[1].stack, &event)) {
        if (event.events & TCP_EVENT_CLOSED || !(event.events & TCP_EVENT_READABLE))
            continue;
        if (sim_random(c->sim) % 10)
            tcp_close(event.conn);
        else
            tcp_abort(event.conn);
    }
}

static void churn(void **state)
{
    struct address local = sim_address(0, 0), remote = sim_address(1, SIM_PORT);
    struct sim_options options = sim_defaults;
    struct talk talk;

    (void)state;
    options.max_connections = 32;
    struct churn c = {.sim = sim_open(&options)};
    struct sim *sim = c.sim;
    talk_open(&talk, sim);
    sim->app = NULL;
    for (unsigned i = 0; i < 2; i++) {
        sim->paths[i].loss_ppm = 10000;
        sim->paths[i].jitter_us = 100 * SIM_MS;
    }
    for (unsigned turn = 0; turn < 6000; turn++) {
        if (c.open < 20 && c.made < 800 &&
            tcp_connect(sim->hosts[0].stack, &local, &remote, NULL)) {
            c.open++;
            c.made++;
        }
        sim_run(sim, 10 * SIM_MS);
        churn_client(&c);
        churn_server(&c);
    }
    sim_run(sim, 300 * SIM_SECOND);
    churn_client(&c);
    churn_server(&c);
    assert_int_equal(c.made, 800);
    assert_int_equal(c.ended, 800);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(sim->hosts[i].stack->conns_count, 0);
        assert_true(tcp_next_timer_us(sim->hosts[i].stack) == UINT64_MAX);
    }
    assert_int_equal(sim_packets_used(sim), 0);
    sim_close(sim);
}

// Deadlines from now to five hours ahead come in time, each once, and in whatever steps time moves.
static void wheel(void **state)
{
    enum { N = 2000 };
    struct sim_options options = sim_defaults;
    struct tcp_event event;

    (void)state;
    options.max_connections = N;
    options.only_first = true;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        options.seed = seed;
        struct sim *sim = sim_open(&options);
        struct tcp_stack *stack = sim->hosts[0].stack;
        unsigned ended = 0;
        uint64_t random_bits = 0;
        for (uint32_t i = 0; i < N; i++) {
            struct tcp_conn *conn = tcp_conn_new(stack, 1, 2, 3, (uint16_t)i);
            conn->announced = true;
            conn->state = TCP_STATE_FIN_WAIT_2;
            random_bits = (uint64_t)sim_random(sim) << 32 | sim_random(sim);
            conn->close_at = sim->now_us + random_bits % (UINT64_C(1) << (i % 35));
            conn->user = conn;
            tcp_timer_set(conn);
            if (i % 3 == 0) { // move it: back, or forth
                conn->close_at = sim->now_us + sim_random(sim) % 1000000000;
                tcp_timer_set(conn);
            }
        }
        while (ended < N) {
            uint64_t due = tcp_next_timer_us(stack);
            assert_true(due != UINT64_MAX);
            uint64_t late = seed % 2 ? 0 : sim_random(sim) % 100000;
            sim->now_us = RTE_MAX(sim->now_us, due + late);
            tcp_advance(stack);
            while (tcp_next_event(stack, &event)) {
                assert_true(event.conn->close_at <= sim->now_us);
                assert_true(sim->now_us - event.conn->close_at <= 2048 + late);
                ended++;
            }
        }
        assert_true(tcp_next_timer_us(stack) == UINT64_MAX);
        sim_close(sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_runs_empty),
        cmocka_unit_test(nothing_to_write_to),
        cmocka_unit_test(buffer_is_bounded),
        cmocka_unit_test(writer_is_told),
        cmocka_unit_test(send_queues_are_bounded),
        cmocka_unit_test(slow_readers),
        cmocka_unit_test(churn),
        cmocka_unit_test(wheel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
