// SPDX-License-Identifier: BSD-3-Clause
// From the consensus's parameters to those of streams (protocol 4.18, 4.20).
#include "dir/parameters.h"

#include "circuit/circuit_internal.h"
#include "stream/circuit_streams.h"

static struct vegas_parameters vegas_of(const struct parameters *p)
{
    return (struct vegas_parameters){
        .cwnd_init = (uint32_t)p->cc_cwnd_init,
        .cwnd_min = (uint32_t)p->cc_cwnd_min,
        .cwnd_max = (uint32_t)p->cc_cwnd_max,
        .cwnd_inc = (uint32_t)p->cc_cwnd_inc,
        .cwnd_inc_pct_ss = (uint32_t)p->cc_cwnd_inc_pct_ss,
        .cwnd_inc_rate = (uint32_t)p->cc_cwnd_inc_rate,
        .ss_cwnd_cap = (uint32_t)p->cc_sscap_exit,
        .ss_cwnd_max = (uint32_t)p->cc_ss_max,
        .alpha = (uint32_t)p->cc_vegas_alpha_exit,
        .beta = (uint32_t)p->cc_vegas_beta_exit,
        .gamma = (uint32_t)p->cc_vegas_gamma_exit,
        .delta = (uint32_t)p->cc_vegas_delta_exit,
        .ewma_cwnd_pct = (uint32_t)p->cc_ewma_cwnd_pct,
        .ewma_max = (uint32_t)p->cc_ewma_max,
        .ewma_ss = (uint32_t)p->cc_ewma_ss,
        .rtt_reset_pct = (uint32_t)p->cc_rtt_reset_pct,
        .cwnd_full_gap = (uint32_t)p->cc_cwnd_full_gap,
        .cwnd_full_minpct = (uint32_t)p->cc_cwnd_full_minpct,
        .cwnd_full_per_cwnd = p->cc_cwnd_full_per_cwnd,
    };
}

void streams_parameters_changed(struct relay *relay)
{
    const struct parameters *p = parameters_of(relay);
    const struct stream_parameters now = {
        .circuit_window_cells = (unsigned)p->circuit_window_cells,
        .sendme_accept_min_version = (unsigned)p->sendme_accept_min_version,
        .vegas = vegas_of(p),
    };
    if (relay->circuits)
        streams_set_parameters(relay->circuits->streams, &now);
}
