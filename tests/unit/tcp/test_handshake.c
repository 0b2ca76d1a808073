// SPDX-License-Identifier: BSD-3-Clause
// Opening: both ways, at once, with losses, refused, given up, and when there is no room.
#include "hand.h"
#include "talk.h"

#include <errno.h>

static unsigned drops_left;

static bool drop_first(struct sim *sim, unsigned from, uint8_t *packet, size_t length)
{
    (void)sim, (void)from, (void)packet, (void)length;
    return drops_left && drops_left--;
}

static bool drop_all(struct sim *sim, unsigned from, uint8_t *packet, size_t length)
{
    (void)sim, (void)from, (void)packet, (void)length;
    return true;
}

static void options_are_negotiated(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    (void)state;
    talk_open(&talk, sim);
    talk_establish(&talk);
    for (unsigned i = 0; i < 2; i++) {
        const struct tcp_conn *conn = talk.ends[i].conn;
        assert_int_equal(conn->state, TCP_STATE_ESTABLISHED);
        assert_int_equal(conn->peer_mss, 1460);
        assert_int_equal(conn->mss, 1448);
        assert_true(conn->timestamps && conn->sack && conn->scaling);
        assert_int_equal(conn->snd_shift, 5); // 1 MiB >> 5 fits 16 bits
        struct address remote = tcp_remote(conn);
        struct address local = tcp_local(talk.ends[1 - i].conn);
        assert_true(address_equal(&remote, &local));
    }
    assert_int_equal(sim->hosts[0].counters.tcp_connected, 1);
    assert_int_equal(sim->hosts[1].counters.tcp_accepted, 1);
    assert_int_equal(sim_packets_used(sim), 0); // an idle connection holds none
    sim_close(sim);
}

// RFC 9293, 3.7.1; RFC 7323, 2.2 and 3.2; RFC 2018, 2: what the peer does not offer is not used.
static void plain_peer(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, NULL, 0);
    assert_int_equal(hand.conn->mss, 536);
    assert_false(hand.conn->timestamps || hand.conn->sack || hand.conn->scaling);
    assert_int_equal(hand.conn->snd_wnd, 65535);
    assert_int_equal(tcp_window(hand.conn, false), 65535);
    hand_close(&hand);
}

static void small_mss(void **state)
{
    static const uint8_t options[] = {2, 4, 0, 48}; // CVE-2019-11477
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, options, sizeof(options));
    assert_int_equal(hand.conn->mss, TCP_MSS_MIN);
    hand_close(&hand);
}

static void handshake_with_losses(unsigned from, unsigned n)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    drops_left = n;
    sim->paths[from].drop = drop_first;
    talk_open(&talk, sim);
    talk.ends[0].to_send = talk.ends[1].to_send = 5000;
    talk_establish(&talk);
    sim_run_until(sim, talk_all_received, &talk, 10 * SIM_SECOND);
    assert_int_equal(sim->hosts[1].counters.tcp_accepted, 1);
    sim_close(sim);
}

static void syn_lost(void **state)
{
    (void)state;
    handshake_with_losses(0, 1);
    handshake_with_losses(0, 3);
}

static void syn_ack_lost(void **state)
{
    (void)state;
    handshake_with_losses(1, 1);
    handshake_with_losses(1, 3);
}

static bool drop_second(struct sim *sim, unsigned from, uint8_t *packet, size_t length)
{
    (void)packet, (void)length;
    return sim->paths[from].packets == 2;
}

// The last ACK is lost; data opens the connection.
static void last_ack_lost(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    (void)state;
    sim->paths[0].drop = drop_second;
    talk_open(&talk, sim);
    talk.ends[0].to_send = talk.ends[1].to_send = 5000;
    talk_establish(&talk);
    sim_run_until(sim, talk_all_received, &talk, 10 * SIM_SECOND);
    sim_close(sim);
}

static bool end_closed(void *arg)
{
    const struct talk_end *end = arg;
    return end->closed;
}

static void refused(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    (void)state;
    talk_open(&talk, sim);
    struct address local = sim_address(0, 0), remote = sim_address(1, SIM_PORT + 1);
    talk.ends[0].conn = tcp_connect(sim->hosts[0].stack, &local, &remote, &talk.ends[0]);
    assert_non_null(talk.ends[0].conn);
    sim_run_until(sim, end_closed, &talk.ends[0], SIM_SECOND);
    assert_int_equal(talk.ends[0].reason, CONN_CLOSE_REFUSED);
    assert_int_equal(sim->hosts[0].stack->conns_count, 0);
    sim_close(sim);
}

static void nobody_answers(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    (void)state;
    sim->paths[0].drop = drop_all;
    talk_open(&talk, sim);
    talk_connect(&talk);
    sim_run_until(sim, end_closed, &talk.ends[0], 70 * SIM_SECOND);
    assert_int_equal(talk.ends[0].reason, CONN_CLOSE_TIMEOUT);
    assert_int_equal(sim->paths[0].packets, 1 + TCP_SYN_RETRIES_MAX);
    assert_true(tcp_next_timer_us(sim->hosts[0].stack) == UINT64_MAX);
    sim_close(sim);
}

static void unreachable(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    (void)state;
    talk_open(&talk, sim);
    talk_connect(&talk);
    struct address local = tcp_local(talk.ends[0].conn), remote = tcp_remote(talk.ends[0].conn);
    tcp_unreachable(sim->hosts[0].stack, &local, &remote);
    sim_run_until(sim, end_closed, &talk.ends[0], SIM_MS);
    assert_int_equal(talk.ends[0].reason, CONN_CLOSE_UNREACHABLE);
    sim_close(sim);

    // A connection that is there does not care.
    sim = sim_open(&sim_defaults);
    talk_open(&talk, sim);
    talk_establish(&talk);
    local = tcp_local(talk.ends[0].conn), remote = tcp_remote(talk.ends[0].conn);
    tcp_unreachable(sim->hosts[0].stack, &local, &remote);
    sim_run(sim, SIM_SECOND);
    assert_int_equal(talk.ends[0].closed, 0);
    sim_close(sim);
}

// RFC 9293, 3.5, figure 8.
static void simultaneous_open(void **state)
{
    struct address local = sim_address(0, 0), remote;
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    remote = sim_address(1, hand.port);
    hand.conn = tcp_connect(hand.stack, &local, &remote, NULL);
    hand_wait(&hand, 0);
    uint32_t theirs = hand_last(&hand)->seq;
    hand.their_port = hand_last(&hand)->remote_port;
    hand.ack = theirs + 1;
    hand_send(&hand, TCP_SYN, hand.seq, NULL, 0);
    assert_int_equal(hand_last(&hand)->flags, TCP_SYN | TCP_ACK);
    assert_int_equal(hand_last(&hand)->seq, theirs);
    assert_int_equal(hand_last(&hand)->ack, hand.seq + 1);
    hand_send(&hand, TCP_SYN | TCP_ACK, hand.seq, NULL, 0);
    assert_int_equal(hand_last(&hand)->flags, TCP_ACK);
    hand_send(&hand, TCP_ACK, hand.seq + 1, NULL, 0);
    assert_int_equal(hand.events, TCP_EVENT_CONNECTED);
    assert_int_equal(hand.n_replies, 0);
    hand_close(&hand);
}

// RFC 9293, 3.10.7.3: in SYN-SENT only an acknowledged RST refuses, and a wrong ACK is answered.
static void answers_to_syn(void **state)
{
    struct address local = sim_address(0, 0), remote;
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    remote = sim_address(1, hand.port);
    hand.conn = tcp_connect(hand.stack, &local, &remote, NULL);
    hand_wait(&hand, 0);
    hand.their_port = hand_last(&hand)->remote_port;
    hand.ack = hand_last(&hand)->seq + 1;
    hand_send(&hand, TCP_RST, 0, NULL, 0);
    hand_send_ack(&hand, TCP_RST | TCP_ACK, 0, hand.ack + 1, NULL, 0);
    assert_int_equal(hand.n_replies, 0);
    hand_send_ack(&hand, TCP_SYN | TCP_ACK, 0, hand.ack + 1, NULL, 0);
    assert_int_equal(hand_last(&hand)->flags, TCP_RST);
    assert_int_equal(hand_last(&hand)->seq, hand.ack + 1);
    assert_int_equal(hand.closed, 0);
    hand_send(&hand, TCP_RST | TCP_ACK, 0, NULL, 0);
    assert_int_equal(hand.closed, 1);
    assert_int_equal(hand.reason, CONN_CLOSE_REFUSED);
    hand_close(&hand);
}

static void data_on_syn_ack(void **state)
{
    struct address local = sim_address(0, 0), remote;
    struct hand hand;
    size_t length;

    (void)state;
    hand_open(&hand, &sim_defaults);
    remote = sim_address(1, hand.port);
    hand.conn = tcp_connect(hand.stack, &local, &remote, NULL);
    hand_wait(&hand, 0);
    hand.their_port = hand_last(&hand)->remote_port;
    hand.ack = hand_last(&hand)->seq + 1;
    hand_send(&hand, TCP_SYN | TCP_ACK | TCP_FIN, hand.seq, "early", 5);
    assert_int_equal(hand.events, TCP_EVENT_CONNECTED | TCP_EVENT_READABLE | TCP_EVENT_PEER_FIN);
    assert_memory_equal(tcp_peek(hand.conn, 0, &length), "early", 5);
    assert_int_equal(hand_last(&hand)->ack, hand.seq + 7);
    hand_close(&hand);
}

// Data on a SYN is not kept; the peer sends it again.
static void data_on_syn(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_send(&hand, TCP_SYN, hand.seq, "early", 5);
    assert_int_equal(hand_last(&hand)->ack, hand.seq + 1);
    hand.ack = hand_last(&hand)->seq + 1;
    hand_send(&hand, TCP_ACK, hand.seq + 1, "early", 5);
    assert_int_equal(hand.events, TCP_EVENT_ACCEPTED | TCP_EVENT_READABLE);
    assert_int_equal(tcp_readable(hand.conn), 5);
    hand_close(&hand);
}

static void half_open(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_send(&hand, TCP_SYN, hand.seq, NULL, 0);
    uint32_t theirs = hand_last(&hand)->seq;
    // The same SYN again: the same answer.
    hand_send(&hand, TCP_SYN, hand.seq, NULL, 0);
    assert_int_equal(hand_last(&hand)->flags, TCP_SYN | TCP_ACK);
    assert_int_equal(hand_last(&hand)->seq, theirs);
    // A wrong ACK is answered with RST, and does not open.
    hand_send_ack(&hand, TCP_ACK, hand.seq + 1, theirs + 2, NULL, 0);
    assert_int_equal(hand_last(&hand)->flags, TCP_RST);
    assert_int_equal(hand.stack->half_open_count, 1);
    // Nothing more comes: the answer is repeated, then forgotten, and nobody hears of it.
    hand_forget(&hand);
    hand_wait(&hand, 40 * SIM_SECOND);
    assert_int_equal(hand.n_replies, TCP_SYN_ACK_RETRIES_MAX + 1); // a RST at last
    assert_int_equal(hand.stack->conns_count, 0);
    assert_int_equal(hand.events, 0);
    // A RST ends it at once.
    hand_send(&hand, TCP_SYN, hand.seq, NULL, 0);
    assert_int_equal(hand.stack->half_open_count, 1);
    hand_send(&hand, TCP_RST, hand.seq + 1, NULL, 0);
    assert_int_equal(hand.stack->conns_count, 0);
    assert_int_equal(hand.events, 0);
    hand_close(&hand);
}

static void syn_flood(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, NULL, 0);
    uint16_t port = hand.port;
    for (unsigned i = 0; i < 1000; i++) {
        hand.port++;
        hand_send(&hand, TCP_SYN, 77, NULL, 0);
        assert_int_equal(hand_last(&hand)->flags, TCP_SYN | TCP_ACK);
    }
    assert_int_equal(hand.stack->half_open_count, hand.stack->half_open_max);
    assert_true(hand.stack->half_open_max < sim_defaults.max_connections);
    assert_true(hand.stack->counters->drop_tcp_limit > 0);
    hand.port = port;
    hand_send(&hand, TCP_ACK, hand.seq, "x", 1);
    assert_int_equal(tcp_readable(hand.conn), 1);
    hand_close(&hand);
}

static void table_full(void **state)
{
    struct sim_options options = sim_defaults;
    struct hand hand;

    (void)state;
    options.max_connections = 4;
    hand_open(&hand, &options);
    for (unsigned i = 0; i < 4; i++) {
        hand.events = 0;
        hand.port++;
        hand_accept(&hand, NULL, 0);
    }
    struct tcp_conn *last = hand.conn;
    hand.port++;
    hand_send(&hand, TCP_SYN, 77, NULL, 0);
    assert_int_equal(hand.n_replies, 0);
    assert_true(hand.stack->counters->drop_tcp_limit > 0);
    struct address local = sim_address(0, 0), remote = sim_address(1, 5);
    assert_null(tcp_connect(hand.stack, &local, &remote, NULL));
    tcp_abort(last);
    hand_wait(&hand, 0);
    assert_int_equal(hand.closed, 1);
    hand_send(&hand, TCP_SYN, 77, NULL, 0);
    assert_int_equal(hand_last(&hand)->flags, TCP_SYN | TCP_ACK);
    hand_close(&hand);
}

static void listeners(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct tcp_stack *stack = sim->hosts[0].stack;

    (void)state;
    for (uint16_t i = 0; i < TCP_LISTENERS_MAX; i++) {
        struct address a = sim_address(0, (uint16_t)(100 + i));
        assert_int_equal(tcp_listen(stack, &a), 0);
        assert_int_equal(tcp_listen(stack, &a), -EADDRINUSE);
    }
    struct address a = sim_address(0, 99);
    assert_int_equal(tcp_listen(stack, &a), -ENOSPC);
    sim_close(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_negotiated),
        cmocka_unit_test(plain_peer),
        cmocka_unit_test(small_mss),
        cmocka_unit_test(syn_lost),
        cmocka_unit_test(syn_ack_lost),
        cmocka_unit_test(last_ack_lost),
        cmocka_unit_test(refused),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(unreachable),
        cmocka_unit_test(simultaneous_open),
        cmocka_unit_test(answers_to_syn),
        cmocka_unit_test(data_on_syn_ack),
        cmocka_unit_test(data_on_syn),
        cmocka_unit_test(half_open),
        cmocka_unit_test(syn_flood),
        cmocka_unit_test(table_full),
        cmocka_unit_test(listeners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
