// SPDX-License-Identifier: BSD-3-Clause
// Flow control: zero windows, lost updates, windows smaller than a segment, writers that wait.
#include "hand.h"
#include "talk.h"

static bool zero_window(void *arg)
{
    const struct talk *talk = arg;
    const struct tcp_conn *conn = talk->ends[0].conn;
    return conn->snd_wnd < conn->mss && conn->snd_una == conn->snd_nxt;
}

static void reader_pauses(bool late)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    talk_open(&talk, sim);
    talk.ends[0].to_send = 4 << 20;
    talk.ends[0].late = late;
    talk.ends[1].paused = true;
    talk_establish(&talk);
    sim_run_until(sim, zero_window, &talk, 5 * SIM_SECOND);
    sim_run(sim, 60 * SIM_SECOND);
    assert_int_equal(talk.ends[1].closed + talk.ends[0].closed, 0);
    assert_true(tcp_readable(talk.ends[1].conn) <= sim_defaults.receive_window_bytes);
    assert_true(tcp_readable(talk.ends[1].conn) > sim_defaults.receive_window_bytes - 3000);
    talk.ends[1].paused = false;
    sim_run_until(sim, talk_all_received, &talk, 2 * SIM_SECOND);
    if (late)
        assert_true(talk.ends[0].writable_events > 0);
    sim_close(sim);
}

static void pause_and_go_on(void **state)
{
    (void)state;
    reader_pauses(false);
    reader_pauses(true);
}

static bool drop_all(struct sim *sim, unsigned from, uint8_t *packet, size_t length)
{
    (void)sim, (void)from, (void)packet, (void)length;
    return true;
}

// The update is lost: probes find out. Also for a writer that queues nothing into a closed window.
static void update_lost(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct sim *sim = sim_open(&sim_defaults);
        struct talk talk;
        talk_open(&talk, sim);
        talk.ends[0].to_send = 2 << 20;
        talk.ends[0].late = late;
        talk.ends[1].paused = true;
        talk_establish(&talk);
        sim_run_until(sim, zero_window, &talk, 5 * SIM_SECOND);
        sim->paths[1].drop = drop_all;
        talk.ends[1].paused = false;
        sim_run(sim, SIM_SECOND);
        talk.ends[1].paused = true;
        sim->paths[1].drop = NULL;
        sim_run(sim, 5 * SIM_SECOND);
        talk.ends[1].paused = false;
        sim_run_until(sim, talk_all_received, &talk, 10 * SIM_SECOND);
        sim_close(sim);
    }
}

static void both_pause(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    (void)state;
    talk_open(&talk, sim);
    for (unsigned i = 0; i < 2; i++) {
        talk.ends[i].to_send = 2 << 20;
        talk.ends[i].paused = true;
    }
    talk_establish(&talk);
    sim_run(sim, 10 * SIM_SECOND);
    uint64_t sent = sim->hosts[0].sent + sim->hosts[1].sent;
    sim_run(sim, 300 * SIM_SECOND);
    assert_true(sim->hosts[0].sent + sim->hosts[1].sent - sent < 60); // no livelock of ACKs
    talk.ends[0].paused = talk.ends[1].paused = false;
    sim_run_until(sim, talk_all_received, &talk, 120 * SIM_SECOND);
    sim_close(sim);
}

static void zero_window_peer_vanishes(void **state)
{
    struct sim *sim = sim_open(&sim_defaults);
    struct talk talk;

    (void)state;
    talk_open(&talk, sim);
    talk.ends[0].to_send = 4 << 20;
    talk.ends[1].paused = true;
    talk_establish(&talk);
    sim_run_until(sim, zero_window, &talk, 5 * SIM_SECOND);
    sim->paths[1].drop = drop_all;
    sim_run(sim, 300 * SIM_SECOND);
    assert_int_equal(talk.ends[0].reason, CONN_CLOSE_TIMEOUT);
    sim_close(sim);
}

static size_t sent_bytes(const struct hand *hand)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < hand->n_replies; i++)
        bytes += hand->replies[i].length;
    return bytes;
}

static void write_bytes_pushed(struct hand *hand, size_t length)
{
    static const uint8_t bytes[8000];
    hand_forget(hand);
    assert_int_equal(tcp_write(hand->conn, bytes, length), length);
    tcp_push(hand->conn);
    hand_wait(hand, 0);
}

// A window between 1 and MSS - 1 while the first segment is larger.
static void window_smaller_than_segment(void **state)
{
    static const uint8_t mss[] = {2, 4, 0x05, 0xb4};
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, mss, sizeof(mss));
    hand.window = 100;
    hand_send(&hand, TCP_ACK, hand.seq, NULL, 0);
    write_bytes_pushed(&hand, 1460);
    assert_int_equal(sent_bytes(&hand), 0); // silly window: not at once
    assert_int_equal(tcp_writable(hand.conn), 0);
    hand_wait(&hand, 2 * SIM_SECOND);
    assert_true(hand.n_replies > 0);
    assert_int_equal(hand.replies[0].length, 100); // but when the timer says so
    hand_forget(&hand);
    hand.ack += 100;
    hand.window = 1360;
    hand_send(&hand, TCP_ACK, hand.seq, NULL, 0);
    assert_int_equal(sent_bytes(&hand), 1360);
    hand_close(&hand);
}

// A peer whose windows are always small is not made to wait for a full segment.
static void tiny_peer(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand.window = 300;
    hand_accept(&hand, NULL, 0);
    write_bytes_pushed(&hand, 600);
    assert_int_equal(sent_bytes(&hand), 300);
    hand.ack += 300;
    hand_send(&hand, TCP_ACK, hand.seq, NULL, 0);
    assert_int_equal(sent_bytes(&hand), 300);
    hand_close(&hand);
}

// The peer takes its window back (it should not): what is outstanding is not lost for it.
static void window_shrinks(void **state)
{
    struct hand hand;

    (void)state;
    hand_open(&hand, &sim_defaults);
    hand_accept(&hand, NULL, 0);
    write_bytes_pushed(&hand, 2144);
    assert_int_equal(sent_bytes(&hand), 2144);
    hand.window = 0;
    hand.ack += 536;
    hand_send(&hand, TCP_ACK, hand.seq, NULL, 0);
    assert_int_equal(tcp_writable(hand.conn), 0);
    hand_wait(&hand, SIM_SECOND / 2);
    hand.window = 10000;
    hand.ack += 1608;
    hand_send(&hand, TCP_ACK, hand.seq, NULL, 0);
    assert_true(tcp_writable(hand.conn) > 0);
    hand_close(&hand);
}

// What the stack tells never shrinks, and data beyond it is not taken.
static void our_window(void **state)
{
    struct sim_options options = sim_defaults;
    static const uint8_t bytes[1460];
    struct hand hand;

    (void)state;
    options.receive_window_bytes = 5000;
    hand_open(&hand, &options);
    hand_accept(&hand, NULL, 0);
    uint32_t edge = hand.conn->rcv_edge;
    assert_int_equal(edge, hand.seq + 5000);
    for (unsigned i = 0; i < 5; i++) {
        hand_send(&hand, TCP_ACK, hand.seq, bytes, 1460);
        assert_true(hand.n_replies == 0 ||
                    hand_last(&hand)->ack + hand_last(&hand)->window == edge);
        hand.seq += RTE_MIN(1460u, edge - hand.seq);
    }
    assert_int_equal(tcp_readable(hand.conn), 5000);
    assert_int_equal(hand_last(&hand)->window, 0);
    // A byte into the closed window is answered, not taken.
    hand_send(&hand, TCP_ACK, hand.seq, "x", 1);
    assert_int_equal(hand_last(&hand)->ack, hand.seq);
    assert_int_equal(tcp_readable(hand.conn), 5000);
    // A FIN needs no window.
    hand_send(&hand, TCP_ACK | TCP_FIN, hand.seq, NULL, 0);
    assert_int_equal(hand_last(&hand)->ack, hand.seq + 1);
    assert_int_equal(hand.conn->state, TCP_STATE_CLOSE_WAIT);
    hand_close(&hand);
}

static void update_after_reading(void **state)
{
    struct sim_options options = sim_defaults;
    static const uint8_t bytes[1250];
    struct hand hand;

    (void)state;
    options.receive_window_bytes = 5000;
    hand_open(&hand, &options);
    hand_accept(&hand, NULL, 0);
    for (unsigned i = 0; i < 4; i++, hand.seq += 1250)
        hand_send(&hand, TCP_ACK, hand.seq, bytes, 1250);
    assert_int_equal(hand_last(&hand)->window, 0);
    hand_forget(&hand);
    tcp_consume(hand.conn, 10);
    hand_wait(&hand, SIM_MS);
    assert_int_equal(hand.n_replies, 0); // not worth a segment
    tcp_consume(hand.conn, 2000);
    hand_wait(&hand, SIM_MS);
    assert_int_equal(hand.n_replies, 1);
    assert_int_equal(hand_last(&hand)->window, 2010);
    hand_close(&hand);
}

// The other end's reader is slow all the time, on a lossy link.
static void trickle(void **state)
{
    struct sim_options options = sim_defaults;
    struct talk talk;

    (void)state;
    options.receive_window_bytes = 20000;
    struct sim *sim = sim_open(&options);
    sim->paths[0].loss_ppm = sim->paths[1].loss_ppm = 20000;
    talk_open(&talk, sim);
    talk.ends[0].to_send = 400000;
    talk_establish(&talk);
    for (unsigned i = 0; i < 2000 && !talk_all_received(&talk); i++) {
        talk.ends[1].paused = i % 4;
        sim_run(sim, 50 * SIM_MS);
    }
    assert_true(talk_all_received(&talk));
    sim_close(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pause_and_go_on),
        cmocka_unit_test(update_lost),
        cmocka_unit_test(both_pause),
        cmocka_unit_test(zero_window_peer_vanishes),
        cmocka_unit_test(window_smaller_than_segment),
        cmocka_unit_test(tiny_peer),
        cmocka_unit_test(window_shrinks),
        cmocka_unit_test(our_window),
        cmocka_unit_test(update_after_reading),
        cmocka_unit_test(trickle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
