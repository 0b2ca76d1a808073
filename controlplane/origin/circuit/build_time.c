// SPDX-License-Identifier: BSD-3-Clause
// Learns how long circuits take.
#include "origin/circuit/build_time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dir/parameters.h"
#include "origin/circuit/build_time_state.h"
#include "origin/state/state_file.h"
#include "relay.h"

enum {
    RECENT_MAX = 1000, // cbtrecentcount's most
    SAVE_EVERY = 10,
    SAVE_WITHIN_S = 60,
    TIMEOUT_DOUBLES_UNTIL_MS = INT32_MAX / 2,
};

struct build_times {
    struct relay *relay;
    struct state_file *file;
    struct build_time_lines *lines;
    uint32_t times_ms[BUILD_TIMES_MAX]; // a ring
    unsigned next, count;
    double timeout_ms, close_ms;
    // Circuits whose first hop stood: whether they timed out. A ring.
    bool recent[RECENT_MAX];
    unsigned next_recent, n_recent;
    uint64_t heard_ms;
    unsigned unheard; // circuits that lived and died since nothing was heard
};

// ---- parameters

static const struct parameters *parameters(const struct build_times *b)
{
    return parameters_of(b->relay);
}

static double initial_timeout_ms(const struct build_times *b)
{
    const struct parameters *p = parameters(b);
    return p->cbt_initial_timeout_ms > p->cbt_min_timeout_ms ? p->cbt_initial_timeout_ms
                                                             : p->cbt_min_timeout_ms;
}

bool build_times_is_learning(const struct build_times *b)
{
    return !parameters(b)->cbt_disabled && !(b->file && state_file_failed(b->file));
}

static void give_up_learning(struct build_times *b)
{
    b->timeout_ms = b->close_ms = initial_timeout_ms(b);
}

// ---- what is known

uint64_t build_times_timeout_ms(const struct build_times *b)
{
    return (uint64_t)llround(b->timeout_ms);
}

uint64_t build_times_close_ms(const struct build_times *b)
{
    return (uint64_t)llround(b->close_ms);
}

unsigned build_times_count(const struct build_times *b)
{
    return b->count;
}

bool build_times_enough(const struct build_times *b)
{
    return b->count >= (unsigned)parameters(b)->cbt_min_circuits;
}

bool build_times_want_circuit(const struct build_times *b, uint64_t last_ms, uint64_t now_ms)
{
    return build_times_is_learning(b) && !build_times_enough(b) &&
           now_ms - last_ms > (uint64_t)parameters(b)->cbt_test_interval_s * 1000;
}

// ---- the estimate

static int by_time(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static int by_frequency(const void *left, const void *right)
{
    const struct build_time_bin *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return a->middle_ms < b->middle_ms ? -1 : a->middle_ms > b->middle_ms;
}

unsigned build_times_histogram(const struct build_times *b,
                               struct build_time_bin bins[BUILD_TIMES_MAX], unsigned *abandoned)
{
    uint32_t sorted[BUILD_TIMES_MAX];
    unsigned n = 0;
    memcpy(sorted, b->times_ms, b->count * sizeof(sorted[0]));
    qsort(sorted, b->count, sizeof(sorted[0]), by_time);
    *abandoned = 0;
    for (unsigned i = 0; i < b->count; i++) {
        if (sorted[i] == BUILD_TIME_ABANDONED_MS) {
            ++*abandoned;
            continue;
        }
        uint32_t middle = sorted[i] / BUILD_TIME_BIN_MS * BUILD_TIME_BIN_MS + BUILD_TIME_BIN_MS / 2;
        if (n == 0 || bins[n - 1].middle_ms != middle)
            bins[n++] = (struct build_time_bin){.middle_ms = middle};
        bins[n - 1].count++;
    }
    return n;
}

// Where the curve begins: the mean of the bins that are most frequent.
static uint32_t estimate_xm(const struct build_times *b)
{
    struct build_time_bin bins[BUILD_TIMES_MAX];
    unsigned abandoned, most = (unsigned)parameters(b)->cbt_modes;
    unsigned n = build_times_histogram(b, bins, &abandoned);
    uint64_t sum_ms = 0, count = 0;
    qsort(bins, n, sizeof(bins[0]), by_frequency);
    for (unsigned i = 0; i < n && i < most; i++) {
        sum_ms += (uint64_t)bins[i].middle_ms * bins[i].count;
        count += bins[i].count;
    }
    return count ? (uint32_t)(sum_ms / count) : 0;
}

// The most likely exponent; what is left of the beginning counts as if it were there, and what was
// abandoned does not count.
static double estimate_alpha(const struct build_times *b, uint32_t xm_ms)
{
    double logs = 0;
    unsigned n = 0;
    for (unsigned i = 0; i < b->count; i++) {
        uint32_t ms = b->times_ms[i];
        if (ms == BUILD_TIME_ABANDONED_MS)
            continue;
        logs += log(ms < xm_ms ? xm_ms : ms);
        n++;
    }
    logs -= n * log(xm_ms);
    return logs > 0 ? n / logs : INFINITY;
}

struct build_time_fit build_times_fit(const struct build_times *b)
{
    struct build_time_fit fit = {.xm_ms = estimate_xm(b)};
    if (fit.xm_ms)
        fit.alpha = estimate_alpha(b, fit.xm_ms);
    return fit;
}

double build_time_quantile_ms(const struct build_time_fit *fit, double quantile)
{
    double part = fit->alpha > 0 ? pow(1 - quantile, 1 / fit->alpha) : 0;
    double ms = part > 0 ? fit->xm_ms / part : INT32_MAX;
    return ms < INT32_MAX ? ms : INT32_MAX;
}

static uint32_t longest_ms(const struct build_times *b)
{
    uint32_t longest = 0;
    for (unsigned i = 0; i < b->count; i++)
        if (b->times_ms[i] != BUILD_TIME_ABANDONED_MS && b->times_ms[i] > longest)
            longest = b->times_ms[i];
    return longest;
}

static void estimate(struct build_times *b)
{
    const struct parameters *p = parameters(b);
    if (!build_times_is_learning(b) || !build_times_enough(b))
        return;
    struct build_time_fit fit = build_times_fit(b);
    if (fit.xm_ms == 0)
        return;
    int close_pct = p->cbt_close_quantile_pct > p->cbt_quantile_pct ? p->cbt_close_quantile_pct
                                                                    : p->cbt_quantile_pct;
    double longest = longest_ms(b);
    b->timeout_ms = fmin(build_time_quantile_ms(&fit, p->cbt_quantile_pct / 100.0), longest);
    b->close_ms = fmin(build_time_quantile_ms(&fit, close_pct / 100.0), 2 * longest);
    // A fast guard's curve is so steep that there would be no time left to measure the slow ones.
    b->close_ms = fmax(b->close_ms, initial_timeout_ms(b));
    b->timeout_ms = fmax(b->timeout_ms, p->cbt_min_timeout_ms);
    log_debug("circuits are too slow after %.0f ms, and closed after %.0f ms", b->timeout_ms,
              b->close_ms);
}

// ---- counting

void build_times_add(struct build_times *b, uint32_t ms)
{
    b->times_ms[b->next] = ms;
    b->next = (b->next + 1) % BUILD_TIMES_MAX;
    if (b->count < BUILD_TIMES_MAX)
        b->count++;
    if (b->file && b->next % SAVE_EVERY == 0)
        state_file_changed(b->file, SAVE_WITHIN_S);
}

// The ring has as many places as the consensus says now.
static void note_recent(struct build_times *b, bool timed_out)
{
    unsigned size = (unsigned)parameters(b)->cbt_recent_circuits;
    if (b->n_recent > size)
        b->n_recent = size;
    if (b->next_recent >= size)
        b->next_recent = 0;
    b->recent[b->next_recent++] = timed_out;
    if (b->n_recent < b->next_recent)
        b->n_recent = b->next_recent;
}

static bool network_has_changed(const struct build_times *b)
{
    int timeouts = 0;
    for (unsigned i = 0; i < b->n_recent; i++)
        timeouts += b->recent[i];
    return timeouts >= parameters(b)->cbt_max_timeouts;
}

// Without a time-out that fits. If not even the first one did, that may be too short.
static void begin_anew(struct build_times *b)
{
    double initial = initial_timeout_ms(b);
    b->count = b->next = 0;
    b->n_recent = b->next_recent = 0;
    if (b->timeout_ms < initial)
        b->timeout_ms = b->close_ms = initial;
    else if (b->timeout_ms <= TIMEOUT_DOUBLES_UNTIL_MS && b->close_ms <= TIMEOUT_DOUBLES_UNTIL_MS)
        b->timeout_ms *= 2, b->close_ms *= 2;
    log_notice("most circuits take too long now: how long they may take is learned anew, from "
               "%.0f s on",
               b->timeout_ms / 1000);
    if (b->file)
        state_file_changed(b->file, SAVE_WITHIN_S);
}

void build_times_built(struct build_times *b, uint64_t ms, bool usable)
{
    if (!build_times_is_learning(b)) {
        give_up_learning(b);
        return;
    }
    if (ms > 2 * b->close_ms + 1000)
        return; // the machine slept, or so
    if (b->unheard == 0) {
        build_times_add(b, ms > 0 ? (uint32_t)ms : 1);
        estimate(b);
    }
    if (usable)
        note_recent(b, false);
}

void build_times_timed_out(struct build_times *b, bool first_hop_stood)
{
    if (!build_times_is_learning(b)) {
        give_up_learning(b);
        return;
    }
    if (first_hop_stood)
        note_recent(b, true);
    if (network_has_changed(b))
        begin_anew(b);
}

void build_times_abandoned(struct build_times *b, uint64_t launched_ms)
{
    if (!build_times_is_learning(b)) {
        give_up_learning(b);
        return;
    }
    if (b->heard_ms < launched_ms) {
        if (b->unheard++ == 0)
            log_notice("nothing comes from the network: circuits that are not built teach nothing");
        return;
    }
    build_times_add(b, BUILD_TIME_ABANDONED_MS);
    estimate(b);
}

void build_times_heard(struct build_times *b, uint64_t now_ms)
{
    if (b->unheard > 0)
        log_notice("something comes from the network again");
    b->heard_ms = now_ms;
    b->unheard = 0;
}

// ---- life

struct build_times *build_times_create(struct relay *relay, struct state_file *file)
{
    struct build_times *b = calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    b->relay = relay;
    give_up_learning(b); // so far
    if (file)
        b->lines = build_time_lines_load(file, b);
    if (file && !b->lines) {
        free(b);
        return NULL;
    }
    b->file = file; // what it has need not be written again
    estimate(b);
    return b;
}

void build_times_free(struct build_times *b)
{
    if (!b)
        return;
    build_time_lines_free(b->lines);
    free(b);
}
