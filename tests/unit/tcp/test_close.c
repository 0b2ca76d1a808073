// SPDX-License-Identifier: BSD-3-Clause
// Closing: from either side, at once, with losses, by RST; and what stays behind.
#include "hand.h"
#include "talk.h"

#define TCP_FLAGS_AT 33 // in a packet without IP options

static void expect_gone(struct sim *sim)
{
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(sim->hosts[i].stack->conns_count, 0);
        assert_int_equal(sim->hosts[i].counters.tcp_closed, 1);
    }
    sim_run(sim, TCP_TIME_WAIT_US + SIM_SECOND);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(TAILQ_EMPTY(&sim->hosts[i].stack->wait_ages));
        assert_true(tcp_next_timer_us(sim->hosts[i].stack) == UINT64_MAX);
    }
    assert_int_equal(sim_packets_used(sim), 0);
    sim_close(sim);
}

// Both send 100,000 bytes; `first` closes when it has sent them, `second` too (or on FIN).
static void close_scenario(bool first, bool second, uint32_t loss_ppm, uint64_t seed)
{
    struct sim_options options = sim_defaults;
    struct talk talk;

    options.seed = seed;
    struct sim *sim = sim_open(&options);
    sim->paths[0].loss_ppm = sim->paths[1].loss_ppm = loss_ppm;
    talk_open(&talk, sim);
    talk.ends[0].to_send = talk.ends[1].to_send = 100000;
    talk_establish(&talk);
    sim_run_until(sim, talk_all_received, &talk, 60 * SIM_SECOND);
    talk.ends[0].close_when_sent = first;
    talk.ends[1].close_when_sent = second;
    sim_run_until(sim, talk_both_closed, &talk, 200 * SIM_SECOND);
    sim_run(sim, 60 * SIM_SECOND);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(talk.ends[i].closed, 1);
        if (loss_ppm == 0)
            assert_int_equal(talk.ends[i].reason, CONN_CLOSE_DONE);
    }
    expect_gone(sim);
}

static void from_each_side(void **state)
{
    (void)state;
    close_scenario(true, false, 0, 1);
    close_scenario(false, true, 0, 1);
}

static void simultaneous(void **state)
{
    (void)state;
    close_scenario(true, true, 0, 1);
}

static void with_losses(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++)
        close_scenario(seed % 4 != 3, seed % 4 != 1, 200000, seed);
}

static unsigned fins_to_drop;

static bool drop_fins(struct sim *sim, unsigned from, uint8_t *packet, size_t length)
{
    (void)sim, (void)from, (void)length;
    return packet[TCP_FLAGS_AT] & TCP_FIN && fins_to_drop && fins_to_drop--;
}

static void fin_lost(void **state)
{
    (void)state;
    for (unsigned from = 0; from < 2; from++) {
        struct sim *sim = sim_open(&sim_defaults);
        struct talk talk;
        fins_to_drop = 3;
        sim->paths[from].drop = drop_fins;
        talk_open(&talk, sim);
        talk_establish(&talk);
        talk.ends[0].close_when_sent = true;
        sim_run_until(sim, talk_both_closed, &talk, 10 * SIM_SECOND);
        assert_int_equal(fins_to_drop, 0);
        expect_gone(sim);
    }
}

// The closer's queue leaves first, however small the window.
static void queued_data_goes_first(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    static uint8_t bytes[200000];
    struct talk talk;

    (void)state;
    talk_open(&talk, sim);
    talk_establish(&talk);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = talk_byte(0, i);
    assert_int_equal(tcp_write(talk.ends[0].conn, bytes, sizeof(bytes)), sizeof(bytes));
    tcp_close(talk.ends[0].conn);
    assert_int_equal(tcp_write(talk.ends[0].conn, bytes, 1), 0);
    sim_run_until(sim, talk_both_closed, &talk, 10 * SIM_SECOND);
    assert_int_equal(talk.ends[1].received, sizeof(bytes));
    expect_gone(sim);
}

static void closer_discards(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    (void)state;
    talk_open(&talk, sim);
    talk_establish(&talk);
    talk.ends[0].close_when_sent = true;
    talk.ends[1].close_on_fin = false;
    talk.ends[1].to_send = 3 << 20;
    sim_run(sim, SIM_SECOND);
    assert_int_equal(talk.ends[1].sent, 3 << 20);
    talk.ends[1].close_when_sent = true;
    sim_run_until(sim, talk_both_closed, &talk, 10 * SIM_SECOND);
    expect_gone(sim);
}

static void abort_resets(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    (void)state;
    talk_open(&talk, sim);
    talk.ends[0].to_send = 100000;
    talk_establish(&talk);
    tcp_abort(talk.ends[0].conn);
    sim_run_until(sim, talk_both_closed, &talk, SIM_SECOND);
    assert_int_equal(talk.ends[0].reason, CONN_CLOSE_DONE);
    assert_int_equal(talk.ends[1].reason, CONN_CLOSE_RESET);
    expect_gone(sim);
}

static void peer_vanishes(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    (void)state;
    talk_open(&talk, sim);
    talk_establish(&talk);
    sim->paths[0].loss_ppm = 1000000;
    talk.ends[0].to_send = 100000;
    sim_run(sim, 200 * SIM_SECOND);
    assert_int_equal(talk.ends[0].closed, 1);
    assert_int_equal(talk.ends[0].reason, CONN_CLOSE_TIMEOUT);
    assert_int_equal(sim->hosts[0].counters.tcp_timeouts, 1);
    sim_close(sim);
}

static void fin_wait_2_ends(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, NULL, 0);
    tcp_close(hand.conn);
    hand_wait(&hand, 0);
    assert_int_equal(hand_last(&hand)->flags & TCP_FIN, TCP_FIN);
    hand.ack++;
    hand_send(&hand, TCP_ACK, hand.seq, NULL, 0);
    assert_int_equal(hand.closed, 0);
    hand_wait(&hand, TCP_FIN_WAIT_2_US + SIM_SECOND);
    assert_int_equal(hand.closed, 1);
    assert_int_equal(hand.reason, CONN_CLOSE_DONE);
    hand_close(&hand);
}

static void closing_is_bounded(void **state)
{
    struct hand hand;
    uint8_t bytes[1000] = {0};

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, NULL, 0);
    hand.window = 0;
    hand_send(&hand, TCP_ACK, hand.seq, NULL, 0);
    assert_int_equal(tcp_write(hand.conn, bytes, sizeof(bytes)), sizeof(bytes));
    tcp_close(hand.conn);
    for (unsigned i = 0; i < 130 && !hand.closed; i++) {
        hand_send(&hand, TCP_ACK, hand.seq, NULL, 0); // alive, but never opens its window
        hand_wait(&hand, SIM_SECOND);
    }
    assert_int_equal(hand.closed, 1);
    assert_int_equal(hand.reason, CONN_CLOSE_TIMEOUT);
    hand_close(&hand);
}

// RFC 5961, 3: the exact number resets, others in the window are asked, the rest is ignored.
static void reset_numbers(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, NULL, 0);
    hand_send(&hand, TCP_RST, hand.seq - 1, NULL, 0);
    hand_send(&hand, TCP_RST, hand.seq + 100000, NULL, 0);
    assert_int_equal(hand.n_replies, 0);
    hand_send(&hand, TCP_RST, hand.seq + 1, NULL, 0);
    assert_int_equal(hand_last(&hand)->flags, TCP_ACK);
    assert_int_equal(hand_last(&hand)->ack, hand.seq);
    hand_send(&hand, TCP_RST, hand.seq + 1, NULL, 0);
    assert_int_equal(hand.n_replies, 0); // not too often
    assert_int_equal(hand.closed, 0);
    // RFC 5961, 4: a SYN gets the same answer.
    hand_wait(&hand, SIM_SECOND);
    hand_send(&hand, TCP_SYN, hand.seq + 5, NULL, 0);
    assert_int_equal(hand_last(&hand)->flags, TCP_ACK);
    hand_send(&hand, TCP_RST, hand.seq, NULL, 0);
    assert_int_equal(hand.closed, 1);
    assert_int_equal(hand.reason, CONN_CLOSE_RESET);
    assert_int_equal(hand.n_replies, 0);
    hand_close(&hand);
}

static void time_wait_answers(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, NULL, 0);
    tcp_close(hand.conn);
    hand_wait(&hand, 0);
    hand.ack++;
    hand_send(&hand, TCP_FIN | TCP_ACK, hand.seq, NULL, 0);
    assert_int_equal(hand.closed, 1);
    assert_int_equal(hand_last(&hand)->ack, hand.seq + 1);
    assert_int_equal(hand.stack->conns_count, 0);
    // The FIN again: the ACK again, and the wait begins anew.
    hand_wait(&hand, TCP_TIME_WAIT_US - SIM_SECOND);
    hand_send(&hand, TCP_FIN | TCP_ACK, hand.seq, NULL, 0);
    assert_int_equal(hand_last(&hand)->flags, TCP_ACK);
    assert_int_equal(hand_last(&hand)->ack, hand.seq + 1);
    hand_wait(&hand, 2 * SIM_SECOND);
    // RFC 1337: RST does not end it. An ACK is not answered.
    hand_send(&hand, TCP_RST, hand.seq + 1, NULL, 0);
    hand_send(&hand, TCP_ACK, hand.seq + 1, NULL, 0);
    assert_int_equal(hand.n_replies, 0);
    assert_false(TAILQ_EMPTY(&hand.stack->wait_ages));
    // An old SYN is answered with an ACK, a new one opens.
    hand_send(&hand, TCP_SYN, hand.seq - 1000, NULL, 0);
    assert_int_equal(hand_last(&hand)->flags, TCP_ACK);
    hand.seq += 100000;
    hand.events = 0;
    uint32_t old = hand.ack;
    hand_accept(&hand, NULL, 0);
    assert_true(seq_lt(old + 65535, hand.ack));
    assert_true(TAILQ_EMPTY(&hand.stack->wait_ages));
    // After it has expired nobody knows of it.
    tcp_abort(hand.conn);
    hand_close(&hand);
}

static void stray_segments(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_send_ack(&hand, TCP_ACK, 5, 77, NULL, 0);
    assert_int_equal(hand_last(&hand)->flags, TCP_RST);
    assert_int_equal(hand_last(&hand)->seq, 77);
    hand_send(&hand, TCP_FIN, 5, "ab", 2);
    assert_int_equal(hand_last(&hand)->flags, TCP_RST | TCP_ACK);
    assert_int_equal(hand_last(&hand)->ack, 8);
    hand_send(&hand, TCP_RST, 5, NULL, 0);
    assert_int_equal(hand.n_replies, 0);
    assert_int_equal(hand.stack->counters->drop_tcp_no_connection, 3);
    hand_close(&hand);
}

// A connection that ends before anyone has heard of it, and one closed with events on their way.
static void events_are_exact(void **state)
{
    struct tcp_event event;
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand.sim->app = NULL;
    hand_send(&hand, TCP_SYN, 1, NULL, 0);
    hand.ack = hand_last(&hand)->seq + 1;
    hand_send(&hand, TCP_ACK, 2, "abc", 3);
    hand_send(&hand, TCP_RST, 5, NULL, 0);
    assert_false(tcp_next_event(hand.stack, &event));
    assert_int_equal(hand.stack->conns_count, 0);

    hand.port++;
    hand_send(&hand, TCP_SYN, 1, NULL, 0);
    hand.ack = hand_last(&hand)->seq + 1;
    hand_send(&hand, TCP_ACK, 2, "abc", 3);
    assert_true(tcp_next_event(hand.stack, &event));
    assert_int_equal(event.events, TCP_EVENT_ACCEPTED | TCP_EVENT_READABLE);
    hand_send(&hand, TCP_ACK, 5, "def", 3);
    tcp_close(event.conn);
    assert_false(tcp_next_event(hand.stack, &event));
    hand_send(&hand, TCP_RST, 8, NULL, 0);
    assert_true(tcp_next_event(hand.stack, &event));
    assert_int_equal(event.events, TCP_EVENT_CLOSED);
    assert_false(tcp_next_event(hand.stack, &event));
    hand_close(&hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_each_side),
        cmocka_unit_test(simultaneous),
        cmocka_unit_test(with_losses),
        cmocka_unit_test(fin_lost),
        cmocka_unit_test(queued_data_goes_first),
        cmocka_unit_test(closer_discards),
        cmocka_unit_test(abort_resets),
        cmocka_unit_test(peer_vanishes),
        cmocka_unit_test(fin_wait_2_ends),
        cmocka_unit_test(closing_is_bounded),
        cmocka_unit_test(reset_numbers),
        cmocka_unit_test(time_wait_answers),
        cmocka_unit_test(stray_segments),
        cmocka_unit_test(events_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
