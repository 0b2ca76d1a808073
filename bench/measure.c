// SPDX-License-Identifier: BSD-3-Clause
// Interleaved timing with medians.
#include "measure.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct samples {
    unsigned times[2]; // per sample, so that it takes about as long as asked for
    double ns[2][MEASURE_ROUNDS_MAX];
};

// CPU time: when the machine is shared, others' turns must not count.
static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static uint64_t run_ns(measure_fn *fn, void *ctx, unsigned times)
{
    uint64_t start = now_ns();
    fn(ctx, times);
    return now_ns() - start;
}

static unsigned calibrate(measure_fn *fn, void *ctx, uint64_t sample_ns)
{
    fn(ctx, 1); // caches, lazy set-up
    for (unsigned times = 1; times < 1u << 24; times *= 2) {
        uint64_t took = run_ns(fn, ctx, times);
        if (took >= sample_ns / 4)
            return (unsigned)((double)times * (double)sample_ns / (double)took) + 1;
    }
    return 1u << 24;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof(*values), compare);
    return values[n / 2];
}

int measure_all(struct measurement *list, size_t n, unsigned rounds, uint64_t sample_ns)
{
    struct samples *samples = calloc(n, sizeof(*samples));
    if (!samples)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        samples[i].times[0] = calibrate(list[i].ours, list[i].ctx, sample_ns);
        if (list[i].openssl)
            samples[i].times[1] = calibrate(list[i].openssl, list[i].ctx, sample_ns);
    }
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < n; i++) {
            for (unsigned which = 0; which < 2; which++) {
                measure_fn *fn = which ? list[i].openssl : list[i].ours;
                if (!fn)
                    continue;
                unsigned times = samples[i].times[which];
                samples[i].ns[which][round] =
                    (double)run_ns(fn, list[i].ctx, times) / times / list[i].units;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        list[i].ours_ns = median(samples[i].ns[0], rounds);
        if (list[i].openssl)
            list[i].openssl_ns = median(samples[i].ns[1], rounds);
    }
    free(samples);
    return 0;
}
