// SPDX-License-Identifier: BSD-3-Clause
// Round trips and the retransmission time-out (RFC 6298).
#include "tcp/internal.h"

void tcp_rtt_sample(struct tcp_conn *conn, uint32_t rtt_us)
{
    rtt_us = RTE_MAX(rtt_us, 1u);
    if (conn->rtt_min_us == 0 || rtt_us < conn->rtt_min_us)
        conn->rtt_min_us = rtt_us;
    if (conn->srtt_us == 0) {
        conn->srtt_us = rtt_us;
        conn->rttvar_us = rtt_us / 2;
        return;
    }
    uint32_t error = rtt_us > conn->srtt_us ? rtt_us - conn->srtt_us : conn->srtt_us - rtt_us;
    conn->rttvar_us = (uint32_t)((3 * (uint64_t)conn->rttvar_us + error) / 4);
    conn->srtt_us = (uint32_t)((7 * (uint64_t)conn->srtt_us + rtt_us) / 8);
    conn->srtt_us = RTE_MAX(conn->srtt_us, 1u);
}

uint64_t tcp_rto_us(const struct tcp_conn *conn)
{
    uint64_t rto = TCP_RTO_INITIAL_US;
    if (conn->srtt_us) {
        rto = conn->srtt_us + RTE_MAX(4 * (uint64_t)conn->rttvar_us, TCP_MS);
        rto = RTE_MAX(rto, TCP_RTO_MIN_US);
    }
    rto = RTE_MIN(rto, TCP_RTO_MAX_US);
    return RTE_MIN(rto << RTE_MIN(conn->backoff, 16), TCP_RTO_MAX_US);
}
