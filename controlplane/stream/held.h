// SPDX-License-Identifier: BSD-3-Clause
// When the other side of a stream is told to stop since its bytes are held here, and when and how
// fast to go on (protocol 4.14–4.16). Pure: time comes in with each call.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct held_limits {
    size_t xoff_bytes;     // more than this for a while: stop
    size_t rate_bytes;     // a rate is measured over so many
    unsigned change_pct;   // one that has changed so much is told
    unsigned ewma_samples; // of which the rate is an average
};

struct held {
    size_t bytes;
    bool stopped;                  // XOFF was sent, and no XON since
    uint64_t over_since_us;        // more than xoff_bytes are held; 0: no
    uint64_t draining_since_us;    // 0: nothing is held, or a measurement has just ended
    uint64_t drained_bytes;        // since then
    uint32_t rate_kbps, told_kbps; // in 1000 bytes a second; 0: not known, not told
};

enum held_answer { HELD_NOTHING, HELD_XOFF, HELD_XON };

extern const struct held_limits held_defaults;

// There are `bytes` now, and so many have left. HELD_XON goes out with rate_kbps.
enum held_answer held_change(struct held *h, const struct held_limits *limits, size_t bytes,
                             size_t drained, uint64_t now_us);
// Nothing is held and nothing was told: held_change with 0 bytes has nothing to say or to remember.
static inline bool held_is_idle(const struct held *h)
{
    return h->bytes == 0 && h->told_kbps == 0 && !h->stopped;
}
