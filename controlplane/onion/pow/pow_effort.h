// SPDX-License-Identifier: BSD-3-Clause
// The effort that a service suggests: up by what came while high efforts had to wait, down by a
// third when nothing did (protocol 8.35; proposal 327, as C tor does it). Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pow_effort {
    uint32_t suggested;
    // Since the last update:
    uint32_t max_trimmed; // the greatest that the queue had no room for
    bool had_queue;       // as long as its low level, after one was taken
    uint64_t total;       // of all that was queued
    uint64_t handled;     // taken from the queue
};

// Once each POW_UPDATE_PERIOD_S. Of the queue as it is now: its length, and whether its first has
// at least the effort that is suggested.
static inline void pow_effort_update(struct pow_effort *e, unsigned queued, bool worthwhile,
                                     unsigned low_level)
{
    bool increase = e->max_trimmed > e->suggested || (e->had_queue && queued > 0 && worthwhile);
    bool decrease = !increase && !e->had_queue && queued < low_level;
    if (increase && e->suggested < UINT32_MAX) {
        uint64_t average = e->handled > 0 ? e->total / e->handled : 0;
        e->suggested++;
        if (average > e->suggested)
            e->suggested = average < UINT32_MAX ? (uint32_t)average : UINT32_MAX;
    } else if (decrease) {
        e->suggested = (uint32_t)((uint64_t)2 * e->suggested / 3);
    }
    *e = (struct pow_effort){.suggested = e->suggested};
}

// By 15 % or more: then a new descriptor is worth it.
static inline bool pow_effort_differs(uint32_t published, uint32_t now)
{
    return (uint64_t)now * 100 < (uint64_t)published * 85 ||
           (uint64_t)published * 115 < (uint64_t)now * 100;
}
