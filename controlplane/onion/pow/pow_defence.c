// SPDX-License-Identifier: BSD-3-Clause
// A service's defence: seeds that turn, replayed proofs, the queue by effort and how fast it is
// emptied, and the effort that is suggested to clients (protocol 8.33–8.35).
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"
#include "crypto/equix.h"
#include "crypto/random.h"
#include "onion/pow/pow.h"
#include "onion/pow/pow_effort.h"
#include "onion/pow/pow_queue.h"
#include "onion/service/replay_set.h"
#include "relay.h"
#include "token_bucket.h"

enum {
    REPLAYS_MAX = 1 << 19, // of one seed; then the next one comes early
    TAKEN_AT_ONCE = 8,     // in a turn of the loop: the rest has its turn, too
    LATER_MS = 100,        // when the next look is at a queue that has to wait
    QUEUE_UNLIMITED_LOW = 16,
    QUEUE_LOW_MIN = 8,
};

struct pow_defence {
    uv_timer_t timer; // first: what is closed is what is freed
    struct relay *relay;
    struct pow_settings settings;
    struct pow_calls calls;
    void *user;
    struct equix *equix;
    struct replay_set replays; // turns with the seeds
    uint8_t seed[32], previous_seed[32];
    uint64_t expires_s;     // the seed: by the wall clock …
    uint32_t seed_until_s;  // … and by uptime, if that one is set back
    uint32_t next_update_s; // uptime
    struct onion_pow_params published;
    struct pow_effort effort;
    struct pow_queue queue;
    unsigned low_level, high_level; // of the queue
    struct token_bucket bucket;
    uint64_t taken, dropped, refused;
};

// ---- seeds

static void set_seed_expiry(struct pow_defence *d)
{
    uint32_t lasts_s =
        POW_SEED_ROTATION_MIN_S + random_uniform(POW_SEED_ROTATION_MAX_S - POW_SEED_ROTATION_MIN_S);
    d->expires_s = (uint64_t)relay_now(d->relay) + lasts_s;
    d->seed_until_s = d->relay->uptime_s + lasts_s;
}

// Seeds are told apart by their heads.
static void make_seed(struct pow_defence *d)
{
    do
        random_bytes(d->seed, sizeof(d->seed));
    while (memcmp(d->seed, d->previous_seed, sizeof(((struct pow_proof *)0)->seed_head)) == 0);
    set_seed_expiry(d);
}

static void rotate_seeds(struct pow_defence *d)
{
    memcpy(d->previous_seed, d->seed, sizeof(d->seed));
    make_seed(d);
    replay_set_turn(&d->replays);
    log_info("onion service: a new seed for proofs of work");
}

static const uint8_t *seed_of(const struct pow_defence *d, const struct pow_proof *p)
{
    if (memcmp(d->seed, p->seed_head, sizeof(p->seed_head)) == 0)
        return d->seed;
    if (memcmp(d->previous_seed, p->seed_head, sizeof(p->seed_head)) == 0)
        return d->previous_seed;
    return NULL;
}

// ---- the queue

static void on_timer(uv_timer_t *timer);

static void schedule(struct pow_defence *d, unsigned in_ms)
{
    uv_timer_start(&d->timer, on_timer, in_ms, 0);
}

static void drop(struct pow_defence *d, const struct pow_queued *q)
{
    d->dropped++;
    d->calls.drop(d->user, q->item);
}

static bool too_old(const struct pow_defence *d, const struct pow_queued *q)
{
    return d->relay->uptime_s - q->since_s > POW_QUEUE_WAIT_MAX_S;
}

// What comes next is worth the effort that is asked for.
static bool next_is_worthwhile(const struct pow_defence *d)
{
    return d->queue.n > 0 && d->queue.heap[0].effort >= d->effort.suggested;
}

static bool may_take(struct pow_defence *d)
{
    const struct pow_settings *s = &d->settings;
    unsigned in_flight = d->calls.in_flight ? d->calls.in_flight(d->user) : 0;
    if (in_flight >= POW_CHEAP_IN_FLIGHT && !next_is_worthwhile(d))
        return false;
    return s->queue_rate == 0 ||
           token_bucket_take(&d->bucket, s->queue_rate, s->queue_burst, d->relay->uptime_s);
}

// The next one that is not too old, which costs nothing. False: there is none.
static bool take_next(struct pow_defence *d, struct pow_queued *next)
{
    while (pow_queue_take(&d->queue, next)) {
        if (!too_old(d, next))
            return true;
        drop(d, next);
    }
    return false;
}

static void on_timer(uv_timer_t *timer)
{
    struct pow_defence *d = timer->data;
    struct pow_queued next;
    for (unsigned i = 0; i < TAKEN_AT_ONCE && d->queue.n > 0; i++) {
        if (!may_take(d)) {
            schedule(d, LATER_MS);
            return;
        }
        if (!take_next(d, &next))
            return;
        d->taken++;
        d->effort.handled++;
        d->effort.had_queue |= d->queue.n >= d->low_level;
        d->calls.take(d->user, next.item);
    }
    if (d->queue.n > 0)
        schedule(d, 0);
}

// The better half stays, but for what is too old.
static void trim(struct pow_defence *d)
{
    struct pow_queued *all = pow_queue_sorted(&d->queue);
    unsigned n = d->queue.n, kept = 0;
    for (unsigned i = 0; i < n; i++) {
        struct pow_queued q = all[i];
        if (kept < d->high_level / 2 && !too_old(d, &q)) {
            all[kept++] = q;
            continue;
        }
        if (q.effort > d->effort.max_trimmed)
            d->effort.max_trimmed = q.effort;
        d->queue.n = n - (i + 1 - kept); // what status says meanwhile
        drop(d, &q);
    }
    d->queue.n = kept;
    log_info("onion service: the queue of introductions is full; %u are dropped", n - kept);
}

// ---- introductions

static bool proof_is_good(struct pow_defence *d, const uint8_t blinded[32],
                          const struct pow_proof *p)
{
    uint8_t used[sizeof(p->nonce) + sizeof(p->seed_head)];
    const uint8_t *seed = seed_of(d, p);
    memcpy(used, p->nonce, sizeof(p->nonce));
    memcpy(used + sizeof(p->nonce), p->seed_head, sizeof(p->seed_head));
    if (!seed || replay_set_has(&d->replays, used, sizeof(used)) ||
        !pow_check(d->equix, blinded, seed, p))
        return false;
    if (replay_set_add(&d->replays, used, sizeof(used)) == REPLAY_FULL)
        d->seed_until_s = d->relay->uptime_s; // so that nothing has to be forgotten
    return true;
}

bool pow_defence_queue(struct pow_defence *d, const uint8_t blinded[32],
                       const struct pow_proof *proof, void *item)
{
    if (!d->settings.enabled) {
        if (!proof->present)
            d->calls.take(d->user, item);
        return !proof->present;
    }
    uint32_t effort = proof->present ? proof->effort : 0;
    if ((proof->present && !proof_is_good(d, blinded, proof)) ||
        !pow_queue_add(&d->queue, item, effort, d->relay->uptime_s)) {
        d->refused++;
        return false;
    }
    d->effort.total += effort;
    if (d->queue.n >= d->high_level)
        trim(d);
    if (!uv_is_active((uv_handle_t *)&d->timer))
        schedule(d, 0);
    return true;
}

// ---- the descriptor

void pow_defence_tick(struct pow_defence *d)
{
    uint32_t now_s = d->relay->uptime_s;
    if (!d->settings.enabled)
        return;
    if ((uint64_t)relay_now(d->relay) >= d->expires_s || now_s >= d->seed_until_s)
        rotate_seeds(d);
    if (now_s >= d->next_update_s) {
        uint32_t before = d->effort.suggested;
        pow_effort_update(&d->effort, d->queue.n, next_is_worthwhile(d), d->low_level);
        d->next_update_s = now_s + POW_UPDATE_PERIOD_S;
        if (d->effort.suggested != before)
            log_info("onion service: the suggested effort is %u now", d->effort.suggested);
    }
    if (d->queue.n > 0 && !uv_is_active((uv_handle_t *)&d->timer))
        schedule(d, 0);
}

bool pow_defence_params(struct pow_defence *d, struct onion_pow_params *out)
{
    struct onion_pow_params *p = &d->published;
    bool changed = false;
    if (d->settings.enabled &&
        (p->expires_s != d->expires_s || pow_effort_differs(p->effort, d->effort.suggested))) {
        *p = (struct onion_pow_params){
            .present = true, .effort = d->effort.suggested, .expires_s = d->expires_s};
        memcpy(p->seed, d->seed, sizeof(p->seed));
        changed = true;
    }
    *out = *p;
    return changed;
}

void pow_defence_status(const struct pow_defence *d, struct pow_defence_status *out)
{
    *out = (struct pow_defence_status){.effort = d->effort.suggested,
                                       .queued = d->queue.n,
                                       .taken = d->taken,
                                       .dropped = d->dropped,
                                       .refused = d->refused};
}

// ---- beginning and end

static void set_levels(struct pow_defence *d)
{
    const struct pow_settings *s = &d->settings;
    uint64_t high = (uint64_t)s->queue_burst + (uint64_t)s->queue_rate * POW_QUEUE_WAIT_MAX_S * 4;
    d->low_level = QUEUE_UNLIMITED_LOW;
    d->high_level = POW_QUEUE_MAX;
    if (s->queue_rate == 0)
        return;
    d->low_level = s->queue_rate / 4 > QUEUE_LOW_MIN ? s->queue_rate / 4 : QUEUE_LOW_MIN;
    if (high < d->high_level)
        d->high_level = (unsigned)high;
}

struct pow_defence *pow_defence_create(struct relay *relay, const struct pow_settings *settings,
                                       const struct pow_calls *calls, void *user)
{
    struct pow_defence *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    d->equix = equix_create(false, false); // for eight hashes compiling takes longer than it saves
    if (!d->equix || uv_timer_init(relay->loop, &d->timer) != 0) {
        equix_free(d->equix);
        free(d);
        return NULL;
    }
    d->timer.data = d;
    d->relay = relay;
    d->settings = *settings;
    // A burst below the rate makes no sense, and there is no limit then.
    if (settings->queue_burst < settings->queue_rate)
        d->settings.queue_rate = 0;
    d->calls = *calls;
    d->user = user;
    replay_set_init(&d->replays, REPLAYS_MAX);
    random_bytes(d->previous_seed, sizeof(d->previous_seed)); // which nobody knows
    make_seed(d);
    d->next_update_s = relay->uptime_s + POW_UPDATE_PERIOD_S;
    set_levels(d);
    return d;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void pow_defence_free(struct pow_defence *d)
{
    struct pow_queued q;
    if (!d)
        return;
    while (pow_queue_take(&d->queue, &q))
        drop(d, &q);
    pow_queue_release(&d->queue);
    replay_set_release(&d->replays);
    equix_free(d->equix);
    uv_close((uv_handle_t *)&d->timer, on_closed);
}
