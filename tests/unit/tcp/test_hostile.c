// SPDX-License-Identifier: BSD-3-Clause
// Segments that no well-behaved peer sends: malformed, mutated, and of every kind in every state.
#include "hand.h"
#include "talk.h"

#include <string.h>

static void malformed(void **state)
{
    struct hand hand;
    uint8_t good[SIM_PACKET_MAX], bad[SIM_PACKET_MAX];
    uint64_t expected = 0;

    (void)state;
    hand_open(&hand, &sim_defaults);
    struct sim_segment s = {.from_ip = SIM_IP(1),
                            .to_ip = SIM_IP(0),
                            .from_port = 7,
                            .to_port = SIM_PORT,
                            .flags = TCP_SYN,
                            .window = 100,
                            .payload = "abc",
                            .payload_length = 3,
                            .options_length = 8};
    memcpy(s.options, (uint8_t[]){2, 4, 5, 0xb4, 1, 3, 3, 7}, 8);
    size_t length = sim_write(good, &s);

    const struct {
        uint8_t at, value;
    } changes[] = {
        {32, 0x40}, {32, 0x00}, // data offset below 5
        {32, 0xd0},             // … beyond the packet's end
        {0, 0x44},  {0, 0x4f},  // IP header length
        {3, 45},                // total length within the TCP header
        {2, 1},                 // … beyond the packet's end
        {41, 0},    {41, 1},    // option length 0, 1
        {41, 9},                // … beyond the options
        {46, 4},                // … beyond their end, the last one
        {0, 0x65},              // not IPv4
    };
    for (unsigned i = 0; i < RTE_DIM(changes); i++) {
        memcpy(bad, good, length);
        bad[changes[i].at] = changes[i].value;
        sim_inject(hand.sim, 0, bad, length);
        assert_int_equal(hand.stack->counters->drop_tcp_malformed, ++expected);
    }
    for (size_t cut = 0; cut < length; cut++) {
        sim_inject(hand.sim, 0, good, cut);
        assert_int_equal(hand.stack->counters->drop_tcp_malformed, ++expected);
    }
    // An option whose length is missing.
    memcpy(bad, good, length);
    bad[40] = bad[41] = bad[42] = bad[43] = bad[44] = bad[45] = bad[46] = 1;
    bad[47] = 2;
    sim_inject(hand.sim, 0, bad, length);
    assert_int_equal(hand.stack->counters->drop_tcp_malformed, ++expected);
    assert_int_equal(hand.n_replies, 0);
    sim_inject(hand.sim, 0, good, length);
    assert_int_equal(hand.stack->counters->drop_tcp_malformed, expected);
    assert_int_equal(hand.stack->half_open_count, 1);
    hand_close(&hand);
}

// RFC 7323, 5: an old timestamp is not taken, unless the connection has slept for 24 days.
static void old_timestamps(void **state)
{
    uint8_t options[] = {1, 1, 8, 10, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 0};
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    memcpy(hand.options, options, sizeof(options));
    hand.options_length = sizeof(options);
    hand_send(&hand, TCP_SYN, hand.seq++, NULL, 0);
    hand.ack = hand_last(&hand)->seq + 1;
    hand_send(&hand, TCP_ACK, hand.seq, NULL, 0);
    assert_int_equal(hand.events, TCP_EVENT_ACCEPTED);
    hand.options_length = 0; // once negotiated, it must be there
    hand_send(&hand, TCP_ACK, hand.seq, "x", 1);
    assert_int_equal(tcp_readable(hand.conn), 0);
    hand.options_length = sizeof(options);
    hand_send(&hand, TCP_ACK, hand.seq, "x", 1);
    assert_int_equal(tcp_readable(hand.conn), 1);
    memcpy(hand.options + 4, (uint8_t[]){0, 0, 0, 5}, 4); // it has wrapped: newer
    hand_send(&hand, TCP_ACK, hand.seq + 1, "y", 1);
    assert_int_equal(tcp_readable(hand.conn), 2);
    // RFC 7323, 4.3: of the two acknowledged, the earlier one's is echoed.
    assert_int_equal(hand_last(&hand)->timestamp_echo, 0xfffffff0);
    hand_send(&hand, TCP_ACK, hand.seq + 2, "y", 1);
    memcpy(hand.options + 4, (uint8_t[]){0xff, 0xff, 0xff, 0xff}, 4);
    hand_send(&hand, TCP_ACK, hand.seq + 3, "z", 1);
    assert_int_equal(tcp_readable(hand.conn), 3);
    assert_int_equal(hand_last(&hand)->ack, hand.seq + 3);
    assert_int_equal(hand_last(&hand)->timestamp_echo, 5);
    hand_wait(&hand, 25 * 24 * 3600 * SIM_SECOND);
    hand_send(&hand, TCP_ACK, hand.seq + 3, "z", 1);
    assert_int_equal(tcp_readable(hand.conn), 4);
    hand_close(&hand);
}

// ---- every state, every set of flags, at the edges of what is acceptable
static uint32_t pick(struct sim *sim, const uint32_t *from, unsigned n)
{
    return from[sim_random(sim) % n];
}

// Brings a new connection into `state`; false for TIME-WAIT, where there is none.
static struct tcp_conn *enter(struct hand *hand, enum tcp_state state)
{
    hand->port++;
    hand->events = hand->closed = 0;
    hand->conn = NULL;
    hand->options_length = 0;
    hand->their_port = SIM_PORT;
    if (state == TCP_STATE_SYN_SENT) {
        struct address local = sim_address(0, 0), remote = sim_address(1, hand->port);
        hand->conn = tcp_connect(hand->stack, &local, &remote, NULL);
        hand->their_port = tcp_local(hand->conn).port;
        hand_wait(hand, 0);
        hand->ack = hand->conn->snd_nxt;
        return hand->conn;
    }
    if (state == TCP_STATE_SYN_RECEIVED) {
        hand_send(hand, TCP_SYN, hand->seq++, NULL, 0);
        hand->ack = hand_last(hand)->seq + 1;
        return TAILQ_FIRST(&hand->stack->half_open);
    }
    hand_accept(hand, (uint8_t[]){4, 2, 1, 1}, 4);
    struct tcp_conn *conn = hand->conn;
    if (state == TCP_STATE_CLOSE_WAIT || state == TCP_STATE_LAST_ACK)
        hand_send(hand, TCP_FIN | TCP_ACK, hand->seq++, NULL, 0);
    if (state == TCP_STATE_ESTABLISHED || state == TCP_STATE_CLOSE_WAIT) {
        tcp_write(conn, "0123456789", 10);
        tcp_push(conn);
        return conn;
    }
    tcp_close(conn);
    hand_wait(hand, 0);
    if (state == TCP_STATE_CLOSING)
        hand_send(hand, TCP_FIN | TCP_ACK, hand->seq++, NULL, 0);
    hand->ack++;
    if (state == TCP_STATE_FIN_WAIT_2)
        hand_send(hand, TCP_ACK, hand->seq, NULL, 0);
    return conn;
}

static void try_segment(struct hand *hand, enum tcp_state state)
{
    struct tcp_conn *conn = enter(hand, state);
    assert_non_null(conn);
    assert_int_equal(conn->state, state);
    const uint32_t nxt = conn->rcv_nxt, edge = conn->rcv_edge;
    const uint32_t seqs[] = {nxt - 1, nxt,      nxt + 1, nxt - 70000, edge - 1,
                             edge,    edge + 1, nxt + 5, conn->irs,   sim_random(hand->sim)};
    const uint32_t acks[] = {conn->snd_una,         conn->snd_una - 1,    conn->snd_una + 1,
                             conn->snd_nxt,         conn->snd_nxt + 1,    conn->iss,
                             conn->snd_una - 70000, sim_random(hand->sim)};
    uint32_t seq = pick(hand->sim, seqs, RTE_DIM(seqs));
    uint32_t ack = pick(hand->sim, acks, RTE_DIM(acks));
    uint8_t flags = (uint8_t)(sim_random(hand->sim) % 64);
    uint16_t length = sim_random(hand->sim) % 3 ? 0 : (uint16_t)(sim_random(hand->sim) % 10);
    uint32_t last = conn->snd_nxt;

    hand_send_ack(hand, flags, seq, ack, "abcdefghij", length);
    bool gone = conn->state == TCP_STATE_CLOSED;
    if (state != TCP_STATE_SYN_SENT && flags & TCP_RST)
        assert_true(gone == (seq == nxt)); // RFC 5961, 3.2
    else if (state >= TCP_STATE_ESTABLISHED && flags & TCP_SYN)
        assert_int_equal(conn->state, state); // RFC 5961, 4.2
    else if (!(flags & TCP_ACK) && state != TCP_STATE_SYN_SENT)
        assert_int_equal(conn->state, state);
    if (flags & TCP_RST && !gone)
        assert_true(hand->n_replies == 0 || !(hand_last(hand)->flags & TCP_RST));
    if (!gone)
        assert_true(seq_le(conn->snd_una, conn->snd_nxt) && conn->snd_nxt - last <= 1);
    if (!gone)
        tcp_abort(conn);
    hand_wait(hand, 0);
    while (!TAILQ_EMPTY(&hand->stack->half_open)) // not announced: only a RST ends it
        tcp_conn_end(TAILQ_FIRST(&hand->stack->half_open), CONN_CLOSE_DONE);
    assert_int_equal(hand->stack->conns_count, 0);
    assert_int_equal(hand->stack->rx_held, 0);
}

static void every_state(void **state)
{
    struct sim_options options = sim_defaults;
    struct hand hand;

    (void)state;
    options.max_connections = 8;
    hand_open(&hand, &options);
    for (enum tcp_state s = TCP_STATE_SYN_SENT; s <= TCP_STATE_LAST_ACK; s++)
        for (unsigned i = 0; i < 3000; i++)
            try_segment(&hand, s);
    assert_int_equal(sim_packets_used(hand.sim), 0);
    hand_close(&hand);
}

// The same, at TIME-WAIT: it ends by time, or by a newer SYN.
static void time_wait(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    for (unsigned i = 0; i < 3000; i++) {
        enter(&hand, TCP_STATE_FIN_WAIT_2);
        hand_send(&hand, TCP_FIN | TCP_ACK, hand.seq++, NULL, 0);
        assert_int_equal(hand.closed, 1);
        const uint32_t seqs[] = {hand.seq, hand.seq - 1, hand.seq + 1, sim_random(hand.sim)};
        uint32_t seq = pick(hand.sim, seqs, RTE_DIM(seqs));
        uint8_t flags = (uint8_t)(sim_random(hand.sim) % 64);
        hand_send(&hand, flags, seq, "x", sim_random(hand.sim) % 2);
        bool reopens = (flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN && seq_lt(hand.seq, seq);
        assert_int_equal(TAILQ_EMPTY(&hand.stack->wait_ages), reopens);
        hand_wait(&hand, 2 * TCP_TIME_WAIT_US);
        assert_true(TAILQ_EMPTY(&hand.stack->wait_ages));
        while (!TAILQ_EMPTY(&hand.stack->half_open))
            tcp_conn_end(TAILQ_FIRST(&hand.stack->half_open), CONN_CLOSE_DONE);
    }
    hand_close(&hand);
}

// ---- segments of a real conversation, with bytes changed
enum { MUTANTS = 12000, KEPT = 64 };

struct mutants {
    struct {
        uint8_t bytes[SIM_PACKET_MAX];
        size_t length;
        unsigned to;
    } kept[KEPT];
    unsigned n, injected;
};

static struct mutants mutants;

static bool keep_mutant(struct sim *sim, unsigned from, uint8_t *packet, size_t length)
{
    if (sim_random(sim) % 4 || mutants.n == KEPT)
        return false;
    uint8_t *bytes = mutants.kept[mutants.n].bytes;
    memcpy(bytes, packet, length);
    size_t headers = 20 + (size_t)(packet[32] >> 4) * 4;
    for (unsigned i = sim_random(sim) % 4 + 1; i; i--) {
        size_t at =
            sim_random(sim) % 4 ? 20 + sim_random(sim) % (headers - 20) : sim_random(sim) % length;
        if (at >= 12 && at < 24 && sim_random(sim) % 8)
            continue; // mostly the same connection
        bytes[at] = sim_random(sim) % 2 ? (uint8_t)sim_random(sim)
                                        : (uint8_t)(bytes[at] ^ 1u << sim_random(sim) % 8);
    }
    if (sim_random(sim) % 8 == 0)
        length = sim_random(sim) % length;
    mutants.kept[mutants.n].length = length;
    mutants.kept[mutants.n++].to = 1 - from;
    return false;
}

static void mutated(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;
    unsigned conversations = 0;

    (void)state;
    memset(&mutants, 0, sizeof(mutants));
    talk_open(&talk, sim);
    for (unsigned i = 0; i < 2; i++) {
        sim->paths[i].loss_ppm = 20000;
        sim->paths[i].drop = keep_mutant;
    }
    while (mutants.injected < MUTANTS) {
        for (unsigned i = 0; i < 2; i++) {
            struct tcp_stack *stack = talk.ends[i].stack;
            talk.ends[i] = (struct talk_end){.stack = stack,
                                             .salt = (uint8_t)i,
                                             .to_send = 300000,
                                             .unchecked = true,
                                             .close_on_fin = true,
                                             .close_when_sent = true};
        }
        talk_connect(&talk);
        conversations++;
        for (unsigned turn = 0; turn < 3000 && !talk.ends[0].closed; turn++) {
            sim_step(sim, sim->now_us + SIM_SECOND);
            for (; mutants.n; mutants.injected++) {
                mutants.n--;
                sim_inject(sim, mutants.kept[mutants.n].to, mutants.kept[mutants.n].bytes,
                           mutants.kept[mutants.n].length);
            }
        }
        // Whatever is left, a forged SYN's connection too, must go.
        for (unsigned i = 0; i < 2; i++)
            for (uint32_t c = 0; c < talk.ends[i].stack->conns_touched; c++)
                tcp_abort(&talk.ends[i].stack->conns[c]);
        sim->app = NULL;
        struct tcp_event event;
        for (unsigned i = 0; i < 2; i++)
            while (tcp_next_event(talk.ends[i].stack, &event))
                ;
        sim_run(sim, 40 * SIM_SECOND);
        sim->app = talk_app;
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(talk.ends[i].stack->conns_count, 0);
        assert_int_equal(sim_packets_used(sim), 0);
    }
    print_message("%u mutants in %u conversations\n", mutants.injected, conversations);
    sim_close(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed),   cmocka_unit_test(old_timestamps),
        cmocka_unit_test(every_state), cmocka_unit_test(time_wait),
        cmocka_unit_test(mutated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
