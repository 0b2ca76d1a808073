// SPDX-License-Identifier: BSD-3-Clause
// XOFF when much is held and does not go away at once; XON when all of it has gone, and when the
// rate that was told is no longer right.
#include "stream/held.h"

#include "base/cell.h"
#include "crypto/cgo_message.h"

enum {
    BURST_BYTES = 32 * CGO_MESSAGE_STREAM_BODY_MAX, // what comes at once is no sign of anything
    GRACE_US = 5000,                                // a burst may be gone by then
    RATE_MAX_KBPS = 1000 * 1000,                    // beyond it there is no use in one
};

const struct held_limits held_defaults = {
    .xoff_bytes = 500 * CGO_MESSAGE_STREAM_BODY_MAX,
    .rate_bytes = 500 * RELAY_BODY_MAX,
    .change_pct = 25,
    .ewma_samples = 2,
};

static bool must_stop(struct held *h, const struct held_limits *limits, uint64_t now_us)
{
    if (h->bytes <= limits->xoff_bytes)
        h->over_since_us = 0;
    else if (h->over_since_us == 0)
        h->over_since_us = now_us;
    return h->over_since_us != 0 && !h->stopped && now_us > h->over_since_us + GRACE_US;
}

static uint32_t bounded(uint64_t kbps)
{
    return kbps == 0 ? 1 : kbps > RATE_MAX_KBPS ? RATE_MAX_KBPS : (uint32_t)kbps;
}

// Measures while something is held: only then the reader's speed shows. After XOFF from when the
// reader goes on: how long it paused says nothing of how fast it is.
static void measure(struct held *h, const struct held_limits *limits, size_t drained,
                    uint64_t now_us)
{
    h->drained_bytes += drained;
    bool reads = drained > 0;
    if (h->draining_since_us == 0 && (reads || !h->stopped) &&
        h->bytes > (reads ? 0 : BURST_BYTES)) {
        h->draining_since_us = now_us;
        h->drained_bytes = 0;
    }
    if (h->draining_since_us == 0 || h->drained_bytes <= limits->rate_bytes ||
        now_us <= h->draining_since_us)
        return;
    uint32_t rate = bounded(h->drained_bytes * 1000 / (now_us - h->draining_since_us));
    uint64_t n = limits->ewma_samples;
    h->rate_kbps =
        h->rate_kbps == 0 ? rate : bounded((2 * (uint64_t)rate + (n - 1) * h->rate_kbps) / (n + 1));
    h->drained_bytes = 0;
    h->draining_since_us = 0;
}

static bool rate_changed(const struct held *h, const struct held_limits *limits)
{
    uint64_t told = h->told_kbps, rate = (uint64_t)h->rate_kbps * 100;
    return told > 0 &&
           (rate > told * (100 + limits->change_pct) || rate < told * (100 - limits->change_pct));
}

static enum held_answer go_on(struct held *h)
{
    h->stopped = false;
    h->over_since_us = 0;
    h->told_kbps = h->rate_kbps;
    return HELD_XON;
}

// Nothing was held for so long that the rate told is the limit: another is tried, and in the end
// none.
static void raise_rate(struct held *h, const struct held_limits *limits)
{
    h->draining_since_us = 0;
    if (h->told_kbps == 0 || h->drained_bytes < limits->rate_bytes)
        return;
    h->rate_kbps = h->rate_kbps >= RATE_MAX_KBPS / 2 ? 0 : 2 * h->rate_kbps;
    h->drained_bytes = 0;
}

enum held_answer held_change(struct held *h, const struct held_limits *limits, size_t bytes,
                             size_t drained, uint64_t now_us)
{
    enum held_answer answer = HELD_NOTHING;
    h->bytes = bytes;
    if (must_stop(h, limits, now_us)) {
        h->stopped = true;
        h->over_since_us = 0;
        h->rate_kbps = 0; // it was wrong, if it came to this
        h->draining_since_us = 0;
        return HELD_XOFF;
    }
    measure(h, limits, drained, now_us);
    if (h->stopped ? bytes == 0 : rate_changed(h, limits))
        answer = go_on(h);
    if (bytes == 0)
        raise_rate(h, limits);
    return answer;
}
