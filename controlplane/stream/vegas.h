// SPDX-License-Identifier: BSD-3-Clause
// Tor's congestion control for the DATA cells that one circuit sends: TOR_VEGAS (proposal 324,
// protocol 4.13, 4.18–4.22). Pure arithmetic: time comes in with each call.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// In cells unless the name says otherwise.
struct vegas_parameters {
    uint32_t cwnd_init, cwnd_min, cwnd_max;
    uint32_t cwnd_inc;
    uint32_t cwnd_inc_pct_ss; // percent of sendme_inc
    uint32_t cwnd_inc_rate;   // updates of a window
    uint32_t ss_cwnd_cap, ss_cwnd_max;
    uint32_t alpha, beta, gamma, delta;
    uint32_t ewma_cwnd_pct, ewma_max, ewma_ss; // how many samples an average is made of
    uint32_t rtt_reset_pct;
    uint32_t cwnd_full_gap; // in acknowledgements
    uint32_t cwnd_full_minpct;
    bool cwnd_full_per_cwnd;
};

// C tor's, for the circuits that a relay ends (its "exit" set).
extern const struct vegas_parameters vegas_defaults;

struct vegas {
    const struct vegas_parameters *parameters; // may change, within their ranges
    uint32_t sendme_inc;
    uint64_t cwnd;
    uint64_t in_flight;
    uint64_t min_rtt_us, ewma_rtt_us; // 0: not known yet
    uint64_t bdp;
    uint64_t next_cc_event;   // acknowledgements until the window is looked at again
    uint64_t next_cwnd_event; // … until a whole window was acknowledged
    bool slow_start;
    bool cwnd_full;
    bool blocked;      // our own queue was too long when the last acknowledgement came
    bool clock_broken; // it stood still when it was last looked at
};

void vegas_begin(struct vegas *v, const struct vegas_parameters *parameters, uint32_t sendme_inc);
// A DATA cell was sent.
void vegas_sent(struct vegas *v);
// How many may be sent now.
uint64_t vegas_room(const struct vegas *v);
// A SENDME came for the cell that was sent at `sent_us`, by a monotonic clock. `blocked`: the
// circuit's own queue, of `queued_cells`, is too long.
void vegas_acknowledged(struct vegas *v, uint64_t sent_us, uint64_t now_us, bool blocked,
                        uint64_t queued_cells);

// ---- its parts, for tests
// True if the time between two looks at the clock can't be: it stood still, or jumped (13.41).
bool vegas_clock_jumped(struct vegas *v, uint64_t old_us, uint64_t new_us);
// Takes a sample of the round-trip time. False if it can't be used.
bool vegas_update_rtt(struct vegas *v, uint64_t sent_us, uint64_t now_us);
