// SPDX-License-Identifier: BSD-3-Clause
// The sender's side of losses: what goes again, when, and what lying ACKs can do. The audit after
// every step recounts the bytes in flight.
#include "hand.h"

#include <string.h>

static const uint8_t sack_options[] = {2, 4, 0x05, 0xb4, 4, 2, 1, 1};
static const uint8_t plain_options[] = {2, 4, 0x05, 0xb4};
enum { MSS = 1460 };

struct sender {
    struct hand hand;
    uint32_t base; // number of the first byte
};

static void open_sender(struct sender *s, bool sack)
{
    hand_open(&s->hand, &sim_defaults);
    s->hand.rtt_us = 20 * SIM_MS;
    if (sack)
        hand_accept(&s->hand, sack_options, sizeof(sack_options));
    else
        hand_accept(&s->hand, plain_options, sizeof(plain_options));
    s->base = s->hand.ack;
}

static void write_segments(struct sender *s, unsigned n)
{
    static const uint8_t bytes[MSS];
    hand_forget(&s->hand);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(tcp_write(s->hand.conn, bytes, MSS), MSS);
    tcp_push(s->hand.conn);
    hand_wait(&s->hand, 0);
}

static void ack(struct sender *s, uint32_t segments)
{
    s->hand.ack = s->base + segments * MSS;
    s->hand.options_length = 0;
    hand_send(&s->hand, TCP_ACK, s->hand.seq, NULL, 0);
}

struct block {
    int from, to; // segments
};

static void put32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void ack_with_sacks(struct sender *s, uint32_t segments, const struct block *blocks,
                           unsigned n)
{
    uint8_t *o = s->hand.options;
    o[0] = o[1] = 1;
    o[2] = 5;
    o[3] = (uint8_t)(2 + 8 * n);
    for (unsigned i = 0; i < n; i++) {
        put32(o + 4 + 8 * i, s->base + (uint32_t)(blocks[i].from * MSS));
        put32(o + 8 + 8 * i, s->base + (uint32_t)(blocks[i].to * MSS));
    }
    s->hand.options_length = (uint8_t)(4 + 8 * n);
    s->hand.ack = s->base + segments * MSS;
    hand_send(&s->hand, TCP_ACK, s->hand.seq, NULL, 0);
    s->hand.options_length = 0;
}

static bool replied(const struct sender *s, uint32_t segment)
{
    for (unsigned i = 0; i < s->hand.n_replies; i++)
        if (s->hand.replies[i].length && s->hand.replies[i].seq == s->base + segment * MSS)
            return true;
    return false;
}

static void fast_retransmit(void **state)
{
    struct sender s;

    (void)state;
    open_sender(&s, true);
    write_segments(&s, 10);
    assert_int_equal(s.hand.n_replies, 10);
    hand_wait(&s.hand, 20 * SIM_MS);
    ack(&s, 1);
    ack_with_sacks(&s, 1, (struct block[]){{2, 3}}, 1);
    assert_false(replied(&s, 1));
    ack_with_sacks(&s, 1, (struct block[]){{2, 4}}, 1);
    assert_false(replied(&s, 1));
    ack_with_sacks(&s, 1, (struct block[]){{2, 5}}, 1);
    assert_true(replied(&s, 1));
    assert_int_equal(s.hand.conn->phase, TCP_PHASE_RECOVERY);
    assert_true(s.hand.conn->cc.threshold < 10 * MSS);
    // What the receiver has is not sent again.
    ack_with_sacks(&s, 1, (struct block[]){{2, 10}}, 1);
    for (unsigned i = 2; i < 10; i++)
        assert_false(replied(&s, i));
    ack(&s, 10);
    assert_int_equal(s.hand.conn->phase, TCP_PHASE_OPEN);
    assert_int_equal(s.hand.stack->counters->tcp_retransmits, 1);
    assert_int_equal(s.hand.stack->counters->tcp_rtos, 0);
    hand_close(&s.hand);
}

// The retransmission is lost as well: RACK sees it when something that was sent later arrives.
static void retransmission_lost(void **state)
{
    struct sender s;

    (void)state;
    open_sender(&s, true);
    write_segments(&s, 10);
    hand_wait(&s.hand, 20 * SIM_MS);
    ack_with_sacks(&s, 0, (struct block[]){{1, 5}}, 1);
    assert_true(replied(&s, 0));
    write_segments(&s, 6);
    assert_true(s.hand.conn->snd_nxt != s.base + 10 * MSS);
    hand_wait(&s.hand, 20 * SIM_MS);
    ack_with_sacks(&s, 0, (struct block[]){{1, 11}}, 1);
    hand_wait(&s.hand, 10 * SIM_MS);
    assert_true(replied(&s, 0));
    assert_int_equal(s.hand.stack->counters->tcp_rtos, 0);
    hand_close(&s.hand);
}

static void reno_without_sack(void **state)
{
    struct sender s;

    (void)state;
    open_sender(&s, false);
    write_segments(&s, 10);
    for (unsigned i = 0; i < 2; i++) {
        ack(&s, 0);
        assert_false(replied(&s, 0));
    }
    ack(&s, 0);
    assert_true(replied(&s, 0));
    // A partial ACK: the next one is lost, too.
    ack(&s, 3);
    assert_true(replied(&s, 3));
    ack(&s, 10);
    assert_int_equal(s.hand.conn->phase, TCP_PHASE_OPEN);
    hand_close(&s.hand);
}

static void two_time_outs(void **state)
{
    struct sender s;

    (void)state;
    open_sender(&s, true);
    write_segments(&s, 10);
    hand_wait(&s.hand, 20 * SIM_MS);
    ack_with_sacks(&s, 0, (struct block[]){{1, 5}}, 1);
    assert_true(replied(&s, 0));
    hand_forget(&s.hand);
    hand_wait(&s.hand, 300 * SIM_MS);
    assert_int_equal(s.hand.stack->counters->tcp_rtos, 1);
    assert_true(replied(&s, 0));
    assert_int_equal(s.hand.conn->cc.window, MSS);
    assert_int_equal(s.hand.conn->sacked, 4 * MSS);
    uint32_t threshold = s.hand.conn->cc.threshold;
    hand_wait(&s.hand, 600 * SIM_MS);
    assert_int_equal(s.hand.stack->counters->tcp_rtos, 2);
    assert_int_equal(s.hand.conn->cc.threshold, threshold);
    ack(&s, 5);
    assert_true(replied(&s, 5) && replied(&s, 6)); // slow start
    ack(&s, 10);
    assert_int_equal(s.hand.conn->phase, TCP_PHASE_OPEN);
    hand_close(&s.hand);
}

// RFC 2018, 8: a receiver may throw away what it has SACKed.
static void reneging(void **state)
{
    struct sender s;

    (void)state;
    open_sender(&s, true);
    write_segments(&s, 10);
    hand_wait(&s.hand, 20 * SIM_MS);
    ack_with_sacks(&s, 0, (struct block[]){{1, 10}}, 1);
    ack(&s, 1); // … and now it wants the second one
    hand_wait(&s.hand, SIM_SECOND);
    assert_true(s.hand.conn->sacked == 0);
    for (unsigned i = 2; i <= 10; i++)
        ack(&s, i);
    assert_int_equal(s.hand.conn->snd_una, s.hand.conn->snd_nxt);
    hand_close(&s.hand);
}

// RFC 8985, 7: the end of a burst is lost; the probe finds out before the time-out.
static void tail_loss(void **state)
{
    struct sender s;

    (void)state;
    for (unsigned lost = 1; lost <= 3; lost++) {
        open_sender(&s, true);
        write_segments(&s, 8);
        hand_wait(&s.hand, 20 * SIM_MS);
        ack(&s, 8 - lost);
        hand_wait(&s.hand, 120 * SIM_MS);
        assert_true(replied(&s, 7));
        if (lost > 1) {
            ack_with_sacks(&s, 8 - lost, (struct block[]){{7, 8}}, 1);
            hand_wait(&s.hand, 20 * SIM_MS);
            assert_true(replied(&s, 8 - lost));
        }
        ack(&s, 8);
        assert_int_equal(s.hand.stack->counters->tcp_rtos, 0);
        hand_close(&s.hand);
    }
}

static void nonsense_sacks(void **state)
{
    static const struct block sacks[][4] = {
        {{9, 12}, {10, 11}, {-5, -2}, {100, 200}}, // beyond snd_nxt, below snd_una
        {{5, 3}, {4, 4}, {7, 6}, {9, 2}},          // inverted, empty
        {{2, 8}, {3, 5}, {4, 5}, {2, 8}},          // nested
        {{0, 10}, {-1, 3}, {0, 1}, {9, 11}},       // all of it, across both ends
        {{-1000000, 1000000}, {1 << 20, 2}, {1, 2}, {1, 2}},
    };
    struct sender s;

    (void)state;
    for (unsigned i = 0; i < RTE_DIM(sacks); i++) {
        open_sender(&s, true);
        write_segments(&s, 10);
        hand_wait(&s.hand, 20 * SIM_MS);
        ack_with_sacks(&s, 0, sacks[i], 4);
        ack_with_sacks(&s, 2, sacks[i], 4);
        hand_wait(&s.hand, 5 * SIM_SECOND);
        s.hand.ack = s.hand.conn->snd_nxt;
        hand_send(&s.hand, TCP_ACK, s.hand.seq, NULL, 0);
        assert_int_equal(s.hand.conn->in_flight + s.hand.conn->sacked + s.hand.conn->lost, 0);
        assert_null(s.hand.conn->send_head);
        hand_close(&s.hand);
    }
}

// In the middle of a segment, old, ahead of what was sent (optimistic), in thousands of pieces.
static void lying_acks(void **state)
{
    struct sender s;

    (void)state;
    open_sender(&s, true);
    write_segments(&s, 10);
    uint32_t window = s.hand.conn->cc.window;
    for (uint32_t i = 1; i <= MSS; i++) {
        s.hand.ack = s.base + i;
        hand_send(&s.hand, TCP_ACK, s.hand.seq, NULL, 0);
    }
    assert_int_equal(s.hand.conn->cc.window, window + MSS); // by bytes, not by ACKs
    s.hand.ack = s.base + 10 * MSS + 1;
    hand_send(&s.hand, TCP_ACK, s.hand.seq, NULL, 0);
    assert_int_equal(s.hand.conn->snd_una, s.base + MSS);
    assert_int_equal(s.hand.conn->cc.window, window + MSS);
    assert_true(s.hand.stack->counters->drop_tcp_window > 0);
    s.hand.ack = s.base;
    hand_send(&s.hand, TCP_ACK, s.hand.seq, NULL, 0);
    assert_int_equal(s.hand.conn->snd_una, s.base + MSS);
    s.hand.ack = s.base - 70000; // RFC 5961, 5.2: older than any window
    hand_send(&s.hand, TCP_ACK, s.hand.seq, "x", 1);
    assert_int_equal(tcp_readable(s.hand.conn), 0);
    hand_close(&s.hand);
}

// An ACK that ends within a segment: the rest goes again, with the right number and bytes.
static void part_of_segment(void **state)
{
    uint8_t bytes[MSS];
    struct sender s;

    (void)state;
    for (unsigned i = 0; i < MSS; i++)
        bytes[i] = (uint8_t)i;
    open_sender(&s, true);
    tcp_write(s.hand.conn, bytes, MSS);
    tcp_push(s.hand.conn);
    hand_wait(&s.hand, 0);
    s.hand.ack = s.base + 1000;
    hand_send(&s.hand, TCP_ACK, s.hand.seq, NULL, 0);
    hand_forget(&s.hand);
    hand_wait(&s.hand, SIM_SECOND);
    assert_true(s.hand.n_replies > 0);
    assert_int_equal(s.hand.replies[0].seq, s.base + 1000);
    assert_int_equal(s.hand.replies[0].length, MSS - 1000);
    assert_memory_equal(s.hand.payloads[0], bytes + 1000, MSS - 1000);
    hand_close(&s.hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_retransmit),   cmocka_unit_test(retransmission_lost),
        cmocka_unit_test(reno_without_sack), cmocka_unit_test(two_time_outs),
        cmocka_unit_test(reneging),          cmocka_unit_test(tail_loss),
        cmocka_unit_test(nonsense_sacks),    cmocka_unit_test(lying_acks),
        cmocka_unit_test(part_of_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
