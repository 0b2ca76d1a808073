// SPDX-License-Identifier: BSD-3-Clause
// Path bias: how many of the circuits through a guard came to be, and came to be of use. A guard
// that lets only those live whose end it knows, too, would show here (path-spec 7).
#include "base/log.h"
#include "origin/guard/guard_internal.h"

static unsigned count_open(const struct guards *g, const struct guard *guard, bool built)
{
    unsigned n = 0;
    for (const struct guard_use *use = g->uses; use != NULL; use = use->next)
        n += use->guard == guard && (built ? use->built : use->tried);
    return n;
}

double guard_bias_successes(const struct guards *g, const struct guard *guard,
                            enum guard_bias_count what)
{
    double n = guard->bias.counts[what];
    if (what == BIAS_CLOSED || what == BIAS_USE_SUCCESSES)
        n += count_open(g, guard, what == BIAS_CLOSED);
    return n;
}

static bool is_below(double successes, double attempts, int percent)
{
    return successes / attempts < percent / 100.0;
}

// ---- measuring

static void say(const struct guard *guard, bool *said, enum log_level level, const char *what)
{
    const double *n = guard->bias.counts;
    if (*said)
        return;
    *said = true;
    log_write(level,
              "guard %s fails %s: of %.0f circuits %.0f were built, %.0f ended well, %.0f were cut "
              "off, %.0f were of no use and %.0f took too long; %.0f of %.0f uses succeeded",
              guard->nickname, what, n[BIAS_CIRCUIT_ATTEMPTS], n[BIAS_CIRCUIT_SUCCESSES],
              n[BIAS_CLOSED], n[BIAS_COLLAPSED], n[BIAS_UNUSABLE], n[BIAS_TIMEOUTS],
              n[BIAS_USE_SUCCESSES], n[BIAS_USE_ATTEMPTS]);
}

static void disable(struct guard *guard, const char *what)
{
    bool said = guard->bias.disabled;
    say(guard, &said, LOG_LEVEL_WARN, what);
    guard->bias.disabled = true;
    if (guard->filtered)
        guard->selection->primary_stale = true;
    guard->filtered = false;
}

static void measure_circuits(const struct guards *g, struct guard *guard)
{
    const struct parameters *p = guard_parameters(g);
    struct guard_bias *b = &guard->bias;
    double attempts = b->counts[BIAS_CIRCUIT_ATTEMPTS];
    double successes = guard_bias_successes(g, guard, BIAS_CLOSED);
    if (attempts <= p->bias_circuits_min)
        return;
    if (is_below(successes, attempts, p->bias_extreme_percent)) {
        if (p->bias_drop_guards)
            disable(guard, "an extreme number of circuits, and is not used any more");
        else
            say(guard, &b->said_extreme, LOG_LEVEL_WARN, "an extreme number of circuits");
    } else if (is_below(successes, attempts, p->bias_warn_percent)) {
        say(guard, &b->said_warn, LOG_LEVEL_WARN, "very many circuits");
    } else if (is_below(successes, attempts, p->bias_notice_percent)) {
        say(guard, &b->said_notice, LOG_LEVEL_NOTICE, "more circuits than usual");
    }
}

static void measure_uses(const struct guards *g, struct guard *guard)
{
    const struct parameters *p = guard_parameters(g);
    struct guard_bias *b = &guard->bias;
    double attempts = b->counts[BIAS_USE_ATTEMPTS];
    double successes = guard_bias_successes(g, guard, BIAS_USE_SUCCESSES);
    if (attempts <= p->bias_uses_min)
        return;
    if (is_below(successes, attempts, p->bias_extreme_use_percent)) {
        if (p->bias_drop_guards)
            disable(guard, "an extreme number of uses, and is not used any more");
        else
            say(guard, &b->said_use_extreme, LOG_LEVEL_WARN, "an extreme number of uses");
    } else if (is_below(successes, attempts, p->bias_notice_use_percent)) {
        say(guard, &b->said_use_notice, LOG_LEVEL_NOTICE, "more uses than usual");
    }
}

// One that was read from disk, whatever its number of circuits.
void guard_bias_check(const struct guards *g, struct guard *guard)
{
    const struct parameters *p = guard_parameters(g);
    const double *n = guard->bias.counts;
    if (!p->bias_drop_guards)
        return;
    guard->bias.disabled =
        (n[BIAS_USE_ATTEMPTS] > 0 &&
         is_below(n[BIAS_USE_SUCCESSES], n[BIAS_USE_ATTEMPTS], p->bias_extreme_use_percent)) ||
        (n[BIAS_CIRCUIT_ATTEMPTS] > 0 &&
         is_below(n[BIAS_CLOSED], n[BIAS_CIRCUIT_ATTEMPTS], p->bias_extreme_percent));
}

// ---- scaling: what was long ago counts less

static void scale(double *count, double kept, double ratio)
{
    double rest = *count > kept ? *count - kept : 0;
    *count = rest * ratio + (*count < kept ? *count : kept);
}

static void scale_circuits(const struct guards *g, struct guard *guard)
{
    const struct parameters *p = guard_parameters(g);
    double *n = guard->bias.counts, ratio = (double)p->bias_scale_factor / p->bias_scale_divisor;
    if (n[BIAS_CIRCUIT_ATTEMPTS] <= p->bias_scale_circuits)
        return;
    double open = count_open(g, guard, true);
    scale(&n[BIAS_CIRCUIT_ATTEMPTS], open, ratio);
    scale(&n[BIAS_CIRCUIT_SUCCESSES], open, ratio);
    for (unsigned i = BIAS_CLOSED; i <= BIAS_TIMEOUTS; i++)
        n[i] *= ratio;
}

static void scale_uses(const struct guards *g, struct guard *guard)
{
    const struct parameters *p = guard_parameters(g);
    double *n = guard->bias.counts, ratio = (double)p->bias_scale_factor / p->bias_scale_divisor;
    if (n[BIAS_USE_ATTEMPTS] <= p->bias_scale_uses)
        return;
    scale(&n[BIAS_USE_ATTEMPTS], count_open(g, guard, false), ratio);
    n[BIAS_USE_SUCCESSES] *= ratio;
}

// ---- counting

void guard_use_count(struct guard_use *use, enum guard_path_count what)
{
    static const enum guard_bias_count counts[] = {
        [GUARD_CIRCUIT_ATTEMPT] = BIAS_CIRCUIT_ATTEMPTS,
        [GUARD_CIRCUIT_SUCCESS] = BIAS_CIRCUIT_SUCCESSES,
        [GUARD_CIRCUIT_CLOSED] = BIAS_CLOSED,
        [GUARD_CIRCUIT_COLLAPSED] = BIAS_COLLAPSED,
        [GUARD_CIRCUIT_UNUSABLE] = BIAS_UNUSABLE,
        [GUARD_CIRCUIT_TIMEOUT] = BIAS_TIMEOUTS,
        [GUARD_USE_ATTEMPT] = BIAS_USE_ATTEMPTS,
        [GUARD_USE_SUCCESS] = BIAS_USE_SUCCESSES,
    };
    struct guards *g = use->guards;
    struct guard *guard = use->guard;
    if (guard->gone)
        return;
    if (what == GUARD_CIRCUIT_ATTEMPT) {
        measure_circuits(g, guard);
        scale_circuits(g, guard);
    } else if (what == GUARD_USE_ATTEMPT) {
        measure_uses(g, guard);
        scale_uses(g, guard);
    }
    guard->bias.counts[counts[what]]++;
    // Those that are open are counted as if they were to end well.
    if (what == GUARD_CIRCUIT_SUCCESS)
        use->built = true;
    else if (what == GUARD_USE_ATTEMPT)
        use->tried = true;
    else if (what == GUARD_USE_SUCCESS)
        use->tried = false;
    else if (what != GUARD_CIRCUIT_ATTEMPT && what != GUARD_CIRCUIT_TIMEOUT)
        use->built = false;
    guards_changed(g);
}
