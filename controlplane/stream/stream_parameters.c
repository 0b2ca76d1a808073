// SPDX-License-Identifier: BSD-3-Clause
// From the consensus's parameters to those of streams (protocol 4.14–4.20).
#include "crypto/cgo_message.h"
#include "dir/parameters.h"

#include "circuit/circuit_internal.h"
#include "stream/circuit_streams.h"

static struct vegas_parameters common(const struct parameters *p)
{
    return (struct vegas_parameters){
        .cwnd_init = (uint32_t)p->cc_cwnd_init,
        .cwnd_min = (uint32_t)p->cc_cwnd_min,
        .cwnd_max = (uint32_t)p->cc_cwnd_max,
        .cwnd_inc = (uint32_t)p->cc_cwnd_inc,
        .cwnd_inc_pct_ss = (uint32_t)p->cc_cwnd_inc_pct_ss,
        .cwnd_inc_rate = (uint32_t)p->cc_cwnd_inc_rate,
        .ss_cwnd_max = (uint32_t)p->cc_ss_max,
        .ewma_cwnd_pct = (uint32_t)p->cc_ewma_cwnd_pct,
        .ewma_max = (uint32_t)p->cc_ewma_max,
        .ewma_ss = (uint32_t)p->cc_ewma_ss,
        .rtt_reset_pct = (uint32_t)p->cc_rtt_reset_pct,
        .cwnd_full_gap = (uint32_t)p->cc_cwnd_full_gap,
        .cwnd_full_minpct = (uint32_t)p->cc_cwnd_full_minpct,
        .cwnd_full_per_cwnd = p->cc_cwnd_full_per_cwnd,
    };
}

#define VEGAS_OF(p, kind)                                                                          \
    vegas_of(p, (p)->cc_sscap_##kind, (p)->cc_vegas_alpha_##kind, (p)->cc_vegas_beta_##kind,       \
             (p)->cc_vegas_gamma_##kind, (p)->cc_vegas_delta_##kind)

static struct vegas_parameters vegas_of(const struct parameters *p, int32_t ss_cap, int32_t alpha,
                                        int32_t beta, int32_t gamma, int32_t delta)
{
    struct vegas_parameters v = common(p);
    v.ss_cwnd_cap = (uint32_t)ss_cap;
    v.alpha = (uint32_t)alpha;
    v.beta = (uint32_t)beta;
    v.gamma = (uint32_t)gamma;
    v.delta = (uint32_t)delta;
    return v;
}

static uint32_t bytes_of(int32_t cells, unsigned body_bytes)
{
    return (uint32_t)cells * body_bytes;
}

void streams_parameters_changed(struct relay *relay)
{
    const struct parameters *p = parameters_of(relay);
    const struct stream_parameters now = {
        .circuit_window_cells = (unsigned)p->circuit_window_cells,
        .sendme_emit_min_version = (unsigned)p->sendme_emit_min_version,
        .sendme_accept_min_version = (unsigned)p->sendme_accept_min_version,
        .vegas =
            {
                [CIRCUIT_PATH_EXIT] = VEGAS_OF(p, exit),
                [CIRCUIT_PATH_SHORT] = VEGAS_OF(p, sbws),
                [CIRCUIT_PATH_ONION] = VEGAS_OF(p, onion),
            },
        .held =
            {
                .xoff_bytes = bytes_of(p->cc_xoff_client_cells, CGO_MESSAGE_STREAM_BODY_MAX),
                .rate_bytes = bytes_of(p->cc_xon_rate_cells, RELAY_BODY_MAX),
                .change_pct = (unsigned)p->cc_xon_change_pct,
                .ewma_samples = (unsigned)p->cc_xon_ewma_cnt,
            },
        .exit_xoff_bytes = bytes_of(p->cc_xoff_exit_cells, CGO_MESSAGE_STREAM_BODY_MAX),
        .client_xoff_bytes = bytes_of(p->cc_xoff_client_cells, CGO_MESSAGE_STREAM_BODY_MAX),
    };
    if (relay->circuits)
        streams_set_parameters(relay->circuits->streams, &now);
}
