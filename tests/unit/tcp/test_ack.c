// SPDX-License-Identifier: BSD-3-Clause
// When what came is acknowledged (RFC 9293, 3.8.6.3; RFC 5681, 4.2): two full segments at once or,
// where that is asked for, after more have come or some microseconds have passed.
#include "hand.h"

enum { SEGMENT = 1000, GATHER_US = 50 };

static const uint8_t bytes[SEGMENT];

static struct hand *open_with(uint32_t gather_us)
{
    static struct hand hand;
    struct sim_options options = sim_defaults;
    options.ack_gather_us = gather_us;
    hand_open(&hand, &options);
    hand_accept(&hand, NULL, 0);
    hand_forget(&hand);
    return &hand;
}

// The next segments in order.
static void send_segments(struct hand *h, unsigned n)
{
    for (; n > 0; n--) {
        hand_send(h, TCP_ACK, h->seq, bytes, SEGMENT);
        h->seq += SEGMENT;
    }
}

static void expect_ack(struct hand *h)
{
    assert_int_equal(h->n_replies, 1);
    assert_int_equal(hand_last(h)->ack, h->seq);
    hand_forget(h);
}

static void the_second_at_once(void **state)
{
    (void)state;
    struct hand *h = open_with(0);
    for (unsigned i = 0; i < 5; i++) {
        send_segments(h, 1);
        assert_int_equal(h->n_replies, 0);
        send_segments(h, 1);
        expect_ack(h);
    }
    hand_close(h);
}

static void one_alone_later(void **state)
{
    (void)state;
    for (uint32_t gather_us = 0; gather_us <= GATHER_US; gather_us += GATHER_US) {
        struct hand *h = open_with(gather_us);
        send_segments(h, 1);
        hand_wait(h, TCP_DELAYED_ACK_US - 1);
        assert_int_equal(h->n_replies, 0);
        hand_wait(h, 1000);
        expect_ack(h);
        hand_close(h);
    }
}

static void several_gather(void **state)
{
    (void)state;
    struct hand *h = open_with(GATHER_US);
    for (unsigned n = 2; n < TCP_ACK_SEGMENTS_MAX; n++) {
        send_segments(h, 2);
        hand_wait(h, GATHER_US / 2);
        send_segments(h, n - 2);
        hand_wait(h, GATHER_US / 2 - 1);
        assert_int_equal(h->n_replies, 0);
        hand_wait(h, 1);
        expect_ack(h);
    }
    hand_close(h);
}

static void many_do_not_wait(void **state)
{
    (void)state;
    struct hand *h = open_with(GATHER_US);
    for (unsigned i = 0; i < 5; i++) {
        send_segments(h, TCP_ACK_SEGMENTS_MAX - 1);
        assert_int_equal(h->n_replies, 0);
        send_segments(h, 1);
        expect_ack(h);
    }
    hand_close(h);
}

// What the peer must know at once: a hole, one that is filled, the end, what came twice.
static void other_reasons_do_not_wait(void **state)
{
    (void)state;
    struct hand *h = open_with(GATHER_US);
    send_segments(h, 3);
    hand_send(h, TCP_ACK, h->seq + SEGMENT, bytes, SEGMENT);
    expect_ack(h);
    send_segments(h, 1);
    h->seq += SEGMENT;
    expect_ack(h);
    send_segments(h, 3);
    hand_send(h, TCP_ACK, h->seq - SEGMENT, bytes, SEGMENT);
    expect_ack(h);
    send_segments(h, 3);
    hand_send(h, TCP_ACK | TCP_FIN, h->seq++, NULL, 0);
    expect_ack(h);
    hand_close(h);
}

// It goes with data, and then no more alone.
static void data_takes_it_along(void **state)
{
    (void)state;
    struct hand *h = open_with(GATHER_US);
    send_segments(h, 3);
    assert_int_equal(tcp_write(h->conn, "data", 4), 4);
    tcp_push(h->conn);
    hand_wait(h, 0);
    expect_ack(h);
    h->ack += 4;
    send_segments(h, 1);
    assert_int_equal(h->n_replies, 0);
    hand_close(h);
}

static void nobody_looks_for_long(void **state)
{
    (void)state;
    struct hand *h = open_with(GATHER_US);
    send_segments(h, 3);
    assert_int_equal(tcp_next_timer_us(h->stack), h->sim->now_us + GATHER_US);
    tcp_flush_acks(h->stack);
    hand_wait(h, 0);
    expect_ack(h);
    hand_wait(h, GATHER_US);
    assert_int_equal(h->n_replies, 0);
    hand_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_at_once),
        cmocka_unit_test(one_alone_later),
        cmocka_unit_test(several_gather),
        cmocka_unit_test(many_do_not_wait),
        cmocka_unit_test(other_reasons_do_not_wait),
        cmocka_unit_test(data_takes_it_along),
        cmocka_unit_test(nobody_looks_for_long),
    };
    sim_init_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
