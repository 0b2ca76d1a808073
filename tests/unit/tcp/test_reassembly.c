// SPDX-License-Identifier: BSD-3-Clause
// Reassembly: every order, overlaps, FIN among them; SACK blocks; floods of tiny segments.
#include "hand.h"

#include <string.h>

static const uint8_t sack_options[] = {2, 4, 0x05, 0xb4, 4, 2, 1, 1};

struct piece {
    uint16_t from, to; // of the text
};

static void check_text(struct tcp_conn *conn, size_t expected)
{
    size_t offset = 0, length;
    const uint8_t *bytes;

    assert_int_equal(tcp_readable(conn), expected);
    while ((bytes = tcp_peek(conn, offset, &length)))
        for (size_t i = 0; i < length; i++, offset++)
            assert_int_equal(bytes[i], (uint8_t)(offset * 7 + 3));
    assert_int_equal(offset, expected);
}

static void order(const struct piece *pieces, const unsigned *permutation, unsigned n, bool fin)
{
    uint8_t text[2000];
    uint16_t end = 0;
    struct hand hand;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 7 + 3);
    for (unsigned i = 0; i < n; i++)
        end = RTE_MAX(end, pieces[i].to);
    hand_open(&hand, &sim_defaults);
    hand.seq = UINT32_MAX - 300; // the numbers wrap on the way
    hand_accept(&hand, sack_options, sizeof(sack_options));
    for (unsigned i = 0; i < n; i++) {
        struct piece p = pieces[permutation[i]];
        uint8_t flags = fin && p.to == end ? TCP_ACK | TCP_FIN : TCP_ACK;
        hand_send(&hand, flags, hand.seq + p.from, text + p.from, (uint16_t)(p.to - p.from));
    }
    check_text(hand.conn, end);
    assert_int_equal(hand.conn->rcv_nxt, hand.seq + end + fin);
    assert_int_equal(hand.conn->runs_count, 0);
    assert_int_equal(!!(hand.events & TCP_EVENT_PEER_FIN), fin);
    tcp_consume(hand.conn, end);
    assert_int_equal(hand.stack->rx_held, 0);
    hand_close(&hand);
}

static void all_orders(const struct piece *pieces, bool fin)
{
    unsigned p[5];
    unsigned count = 0;

    for (unsigned code = 0; code < 5 * 5 * 5 * 5 * 5; code++) {
        unsigned rest = code, seen = 0;
        for (unsigned i = 0; i < 5; i++, rest /= 5) {
            p[i] = rest % 5;
            seen |= 1u << p[i];
        }
        if (seen != 31)
            continue;
        order(pieces, p, 5, fin);
        count++;
    }
    assert_int_equal(count, 120);
}

static void side_by_side(void **state)
{
    static const struct piece pieces[] = {
        {0, 100}, {100, 700}, {700, 701}, {701, 1300}, {1300, 1400}};
    (void)state;
    all_orders(pieces, false);
    all_orders(pieces, true);
}

static void overlapping(void **state)
{
    static const struct piece pieces[] = {
        {0, 300}, {200, 900}, {850, 860}, {100, 1200}, {700, 1400}};
    (void)state;
    all_orders(pieces, false);
    all_orders(pieces, true);
}

// RFC 2018, 4: the newest first, each a run of what is there; RFC 2883: a duplicate before them.
static void sack_blocks(void **state)
{
    uint8_t text[2000] = {0};
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, sack_options, sizeof(sack_options));
    hand_send(&hand, TCP_ACK, hand.seq + 100, text, 100);
    assert_int_equal(hand_last(&hand)->n_sacks, 1);
    assert_int_equal(hand_last(&hand)->ack, hand.seq);
    hand_send(&hand, TCP_ACK, hand.seq + 300, text, 100);
    hand_send(&hand, TCP_ACK, hand.seq + 500, text, 100);
    const struct tcp_header *h = hand_last(&hand);
    assert_int_equal(h->n_sacks, 3);
    assert_int_equal(h->sacks[0].start, hand.seq + 500);
    assert_int_equal(h->sacks[0].end, hand.seq + 600);
    assert_int_equal(h->sacks[1].start, hand.seq + 300);
    assert_int_equal(h->sacks[2].start, hand.seq + 100);
    hand_send(&hand, TCP_ACK, hand.seq + 200, text, 100);
    h = hand_last(&hand);
    assert_int_equal(h->n_sacks, 2);
    assert_int_equal(h->sacks[0].start, hand.seq + 100);
    assert_int_equal(h->sacks[0].end, hand.seq + 400);
    hand_send(&hand, TCP_ACK, hand.seq + 320, text, 20);
    h = hand_last(&hand);
    assert_int_equal(h->sacks[0].start, hand.seq + 320);
    assert_int_equal(h->sacks[0].end, hand.seq + 340);
    hand_send(&hand, TCP_ACK, hand.seq, text, 100);
    h = hand_last(&hand);
    assert_int_equal(h->ack, hand.seq + 400);
    assert_int_equal(h->n_sacks, 1);
    hand_send(&hand, TCP_ACK, hand.seq + 50, text, 100);
    assert_int_equal(hand_last(&hand)->sacks[0].start, hand.seq + 50);
    hand_close(&hand);
}

// CVE-2018-5390: the number of runs is bounded, and so is what they hold; the stream goes on.
static void flood_of_gaps(void **state)
{
    struct hand hand;
    uint8_t text[1500];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 7 + 3);
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, sack_options, sizeof(sack_options));
    for (uint16_t i = 1; i < 1400; i += 2)
        hand_send(&hand, TCP_ACK, hand.seq + i, text + i, 1);
    assert_int_equal(hand.conn->runs_count, TCP_RUNS_MAX);
    assert_int_equal(hand.stack->rx_held, TCP_RUNS_MAX);
    assert_true(hand.stack->counters->drop_tcp_buffer > 0);
    for (uint16_t i = 0; i < 1400; i += 1)
        hand_send(&hand, TCP_ACK, hand.seq + i, text + i, 1);
    check_text(hand.conn, 1400);
    hand_close(&hand);
}

// A window full of one-byte segments must not hold a buffer for each.
static void tiny_segments(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, sack_options, sizeof(sack_options));
    for (unsigned i = 0; i < 6000; i++) {
        uint8_t byte = (uint8_t)(i * 7 + 3);
        hand_send(&hand, TCP_ACK, hand.seq + i, &byte, 1);
    }
    check_text(hand.conn, 6000);
    assert_true(hand.stack->rx_held < 10);
    hand_close(&hand);
}

// Readers may look anywhere.
static void peeking(void **state)
{
    uint8_t text[1400];
    struct hand hand;
    size_t length;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 7 + 3);
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, sack_options, sizeof(sack_options));
    for (uint16_t at = 0; at < 1400; at += 700)
        hand_send(&hand, TCP_ACK, hand.seq + at, text + at, 700);
    static const uint16_t offsets[] = {0, 699, 700, 1399, 3, 1000, 1, 699};
    for (unsigned i = 0; i < RTE_DIM(offsets); i++) {
        const uint8_t *at = tcp_peek(hand.conn, offsets[i], &length);
        assert_non_null(at);
        assert_true(length > 0 && offsets[i] + length <= 1400);
        assert_memory_equal(at, text + offsets[i], length);
    }
    assert_null(tcp_peek(hand.conn, 1400, &length));
    assert_int_equal(length, 0);
    tcp_consume(hand.conn, 701);
    assert_int_equal(*tcp_peek(hand.conn, 0, &length), text[701]);
    tcp_consume(hand.conn, 100000);
    assert_int_equal(tcp_readable(hand.conn), 0);
    assert_null(tcp_peek(hand.conn, 0, &length));
    hand_close(&hand);
}

// RFC 5681, 4.2: every second segment, or soon: a peer with Nagle's algorithm waits for it.
static void delayed_ack(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, sack_options, sizeof(sack_options));
    hand_send(&hand, TCP_ACK, hand.seq, "ab", 2);
    assert_int_equal(hand.n_replies, 0);
    hand_wait(&hand, 5 * SIM_MS);
    assert_int_equal(hand.n_replies, 1);
    assert_int_equal(hand_last(&hand)->ack, hand.seq + 2);
    hand_send(&hand, TCP_ACK, hand.seq + 2, "ab", 2);
    assert_int_equal(hand.n_replies, 0);
    hand_send(&hand, TCP_ACK, hand.seq + 4, "ab", 2);
    assert_int_equal(hand_last(&hand)->ack, hand.seq + 6);
    hand_close(&hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(side_by_side),  cmocka_unit_test(overlapping),
        cmocka_unit_test(sack_blocks),   cmocka_unit_test(flood_of_gaps),
        cmocka_unit_test(tiny_segments), cmocka_unit_test(peeking),
        cmocka_unit_test(delayed_ack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
