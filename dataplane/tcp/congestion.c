// SPDX-License-Identifier: BSD-3-Clause
// The congestion window: slow start, CUBIC (RFC 9438), proportional rate reduction (RFC 6937).
// Bytes throughout; times in ms.
#include "tcp/internal.h"

enum { WINDOW_MAX = 1 << 28, INITIAL_BYTES_MAX = 14600 };

// RFC 6928.
static uint32_t initial_window(const struct tcp_conn *conn)
{
    uint32_t mss = conn->mss;
    return RTE_MIN(TCP_INITIAL_SEGMENTS * mss, RTE_MAX(2 * mss, (uint32_t)INITIAL_BYTES_MAX));
}

void tcp_congestion_start(struct tcp_conn *conn)
{
    conn->cc = (struct tcp_congestion){.window = initial_window(conn), .threshold = UINT32_MAX};
}

static uint32_t cube_root(uint64_t x)
{
    uint64_t root = 0;
    for (int bit = 20; bit >= 0; bit--) {
        uint64_t next = root | UINT64_C(1) << bit;
        if (next * next * next <= x)
            root = next;
    }
    return (uint32_t)root;
}

static void epoch_start(struct tcp_conn *conn)
{
    struct tcp_congestion *cc = &conn->cc;
    cc->epoch_ms = tcp_ms(conn->stack) | 1;
    cc->window_start = cc->window_reno = cc->window;
    cc->window_max = RTE_MAX(cc->window_max, cc->window);
    // K = ((W_max - cwnd) / C)^(1/3) with C = 0.4 segments/s³; in ms that is a factor of 2.5e9.
    uint64_t segments_x1024 = (uint64_t)(cc->window_max - cc->window) * 1024 / conn->mss;
    cc->k_ms = cube_root(segments_x1024 * 2500000000u / 1024);
}

// W_cubic one round trip from now, in bytes.
static uint32_t cubic_target(const struct tcp_conn *conn)
{
    const struct tcp_congestion *cc = &conn->cc;
    int64_t t = (int64_t)(tcp_ms(conn->stack) - cc->epoch_ms) + conn->srtt_us / 1000 - cc->k_ms;
    t = RTE_MAX(RTE_MIN(t, INT64_C(100000)), -INT64_C(100000));
    int64_t target = cc->window_max + t * t * t / 1000000 * conn->mss / 2500;
    int64_t most = cc->window + cc->window / 2;
    return (uint32_t)RTE_MAX(RTE_MIN(target, most), (int64_t)cc->window);
}

static void avoidance(struct tcp_conn *conn, uint32_t acked)
{
    struct tcp_congestion *cc = &conn->cc;

    if (cc->epoch_ms == 0)
        epoch_start(conn);
    uint64_t growth = (uint64_t)(cubic_target(conn) - cc->window) * acked / cc->window;
    // What Reno would have reached (RFC 9438, 4.3): alpha = 9/17 up to the old maximum, then 1.
    uint64_t reno = (uint64_t)conn->mss * acked / cc->window;
    if (cc->window_reno < cc->window_max)
        reno = reno * 9 / 17;
    cc->window_reno = (uint32_t)RTE_MIN(cc->window_reno + RTE_MAX(reno, 1u), (uint64_t)WINDOW_MAX);
    cc->window = (uint32_t)RTE_MIN(cc->window + growth, (uint64_t)WINDOW_MAX);
    cc->window = RTE_MAX(cc->window, cc->window_reno);
}

void tcp_congestion_ack(struct tcp_conn *conn, uint32_t acked)
{
    struct tcp_congestion *cc = &conn->cc;

    // A window that was not used up says nothing about the path (RFC 7661).
    if (!conn->limited)
        return;
    conn->limited = !seq_lt(conn->limited_end, conn->snd_una);
    if (cc->window < cc->threshold) {
        uint32_t room = cc->threshold - cc->window;
        uint32_t grow = RTE_MIN(acked, room);
        cc->window = RTE_MIN(cc->window + grow, (uint32_t)WINDOW_MAX);
        acked -= grow;
    }
    if (acked && cc->window >= cc->threshold)
        avoidance(conn, acked);
}

static void reduce(struct tcp_conn *conn)
{
    struct tcp_congestion *cc = &conn->cc;
    // Fast convergence (RFC 9438, 4.7).
    if (cc->window < cc->window_max)
        cc->window_max = (uint32_t)((uint64_t)cc->window * 17 / 20);
    else
        cc->window_max = cc->window;
    cc->threshold = RTE_MAX((uint32_t)((uint64_t)cc->window * 7 / 10), 2u * conn->mss);
    cc->epoch_ms = 0;
}

void tcp_congestion_loss(struct tcp_conn *conn)
{
    struct tcp_congestion *cc = &conn->cc;
    reduce(conn);
    cc->flight_at_loss = RTE_MAX(conn->snd_nxt - conn->snd_una, 1u);
    cc->delivered = cc->sent = 0;
}

void tcp_congestion_in_recovery(struct tcp_conn *conn, uint32_t delivered)
{
    struct tcp_congestion *cc = &conn->cc;
    uint32_t flight = tcp_in_flight(conn);
    int64_t allowed;

    cc->delivered += delivered;
    if (flight > cc->threshold) {
        uint64_t share = (uint64_t)cc->delivered * cc->threshold;
        allowed = (int64_t)((share + cc->flight_at_loss - 1) / cc->flight_at_loss) - cc->sent;
    } else {
        int64_t limit = RTE_MAX((int64_t)cc->delivered - cc->sent, (int64_t)delivered) + conn->mss;
        allowed = RTE_MIN((int64_t)cc->threshold - flight, limit);
    }
    if (cc->sent == 0) // the fast retransmit itself
        allowed = RTE_MAX(allowed, (int64_t)conn->mss);
    cc->window = flight + (uint32_t)RTE_MAX(allowed, INT64_C(0));
}

void tcp_congestion_recovered(struct tcp_conn *conn)
{
    conn->cc.window = RTE_MAX(conn->cc.threshold, (uint32_t)conn->mss);
}

void tcp_congestion_timeout(struct tcp_conn *conn)
{
    // One reduction for one episode of losses.
    if (conn->phase == TCP_PHASE_OPEN)
        reduce(conn);
    conn->cc.window = conn->mss;
}

void tcp_congestion_idle(struct tcp_conn *conn)
{
    conn->cc.window = RTE_MIN(conn->cc.window, initial_window(conn));
    conn->cc.epoch_ms = 0;
}
