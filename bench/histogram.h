// SPDX-License-Identifier: BSD-3-Clause
// How often which value came: eight steps from each power of two to the next.
#pragma once

#include <stdint.h>

enum { HISTOGRAM_STEPS = 8, HISTOGRAM_BUCKETS = 64 * HISTOGRAM_STEPS };

struct histogram {
    uint64_t n, most;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    unsigned power = 63 - (unsigned)__builtin_clzll(value);
    return power * HISTOGRAM_STEPS + (unsigned)(value >> (power - 3)) % HISTOGRAM_STEPS;
}

static inline void histogram_add_times(struct histogram *h, uint64_t value, uint64_t times)
{
    h->n += times;
    h->most = value > h->most ? value : h->most;
    h->buckets[histogram_bucket(value)] += times;
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
    histogram_add_times(h, value, 1);
}

static inline void histogram_merge(struct histogram *to, const struct histogram *from)
{
    to->n += from->n;
    to->most = from->most > to->most ? from->most : to->most;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->buckets[i] += from->buckets[i];
}

// The value that `share` (0 … 1) of all are not above, exact to an eighth; 0 when there is none.
static inline double histogram_at(const struct histogram *h, double share)
{
    uint64_t left = (uint64_t)((double)h->n * share);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && h->n; i++) {
        if (h->buckets[i] <= left) {
            left -= h->buckets[i];
            continue;
        }
        unsigned power = i / HISTOGRAM_STEPS, step = i % HISTOGRAM_STEPS;
        double value =
            i < HISTOGRAM_STEPS ? i : (double)(8 + step + 1) * (double)(1ull << power) / 8;
        return value < (double)h->most ? value : (double)h->most;
    }
    return (double)h->most;
}
