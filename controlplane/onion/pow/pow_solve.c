// SPDX-License-Identifier: BSD-3-Clause
// Solving, for as long as it takes. A slot is a thread's worth of it: a solver's memory and a piece
// of work of some tries, after which the thread goes back to the pool for what else waits there.
// Slots go round among the solvings, and each piece has nonces of its own; so one solving alone
// uses all slots, and many share them.
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/log.h"
#include "crypto/equix.h"
#include "crypto/random.h"
#include "onion/pow/pow.h"
#include "relay.h"

enum {
    SLOTS_MAX = 16,
    TRIES = 8, // of a piece of work: some 50 ms compiled
    PROGRESS_S = 10,
    SOLUTIONS_PER_100_TRIES = 200, // on average
};

struct pow_solvers;

struct pow_slot {
    uv_work_t work;
    struct pow_solvers *all;
    struct pow_solving *solving; // the control thread's; NULL: nobody waits for it any more
    bool busy;
    atomic_bool stop;
    // The helper's while it is busy:
    struct equix *equix; // made at its first work
    uint8_t blinded[32], seed[32];
    struct pow_proof proof;
    unsigned tries;
    bool found;
};

struct pow_solving {
    TAILQ_ENTRY(pow_solving) entry;
    struct pow_solvers *all;
    void (*done)(void *user, const struct pow_proof *proof);
    void *user;
    uint8_t blinded[32], seed[32];
    uint8_t next_nonce[POW_NONCE_LEN];
    uint32_t effort;
    uint64_t tries;
    uint64_t begun_ns;
    unsigned told_s; // of its progress, at this age
};

// Of a relay, while there is a solving; it goes with its last piece of work.
struct pow_solvers {
    struct relay *relay; // NULL: the last solving is gone
    uv_loop_t *loop;
    TAILQ_HEAD(, pow_solving) turns;
    unsigned n_slots, n_busy;
    struct pow_slot slots[SLOTS_MAX];
};

// ---- in the helper

static void work(uv_work_t *request)
{
    struct pow_slot *slot = request->data;
    if (!slot->equix)
        slot->equix = equix_create(true, true);
    while (slot->equix && slot->tries < TRIES && !atomic_load(&slot->stop)) {
        slot->tries++;
        slot->found = pow_try(slot->equix, slot->blinded, slot->seed, &slot->proof);
        if (slot->found)
            return;
        pow_next_nonce(slot->proof.nonce);
    }
}

// ---- pieces of work

static void worked(uv_work_t *request, int status);

static void skip_nonces(uint8_t nonce[POW_NONCE_LEN], unsigned n)
{
    while (n-- > 0)
        pow_next_nonce(nonce);
}

static bool start(struct pow_slot *slot, struct pow_solving *s)
{
    slot->proof = (struct pow_proof){.effort = s->effort};
    memcpy(slot->proof.nonce, s->next_nonce, sizeof(s->next_nonce));
    memcpy(slot->blinded, s->blinded, sizeof(s->blinded));
    memcpy(slot->seed, s->seed, sizeof(s->seed));
    slot->tries = 0;
    slot->found = false;
    slot->work.data = slot;
    atomic_store(&slot->stop, false);
    if (uv_queue_work(slot->all->loop, &slot->work, work, worked) != 0)
        return false;
    skip_nonces(s->next_nonce, TRIES);
    slot->solving = s;
    slot->busy = true;
    slot->all->n_busy++;
    return true;
}

static void start_free_slots(struct pow_solvers *all)
{
    for (unsigned i = 0; i < all->n_slots; i++) {
        struct pow_solving *s = TAILQ_FIRST(&all->turns);
        if (!s || all->slots[i].busy || !start(&all->slots[i], s))
            continue;
        TAILQ_REMOVE(&all->turns, s, entry);
        TAILQ_INSERT_TAIL(&all->turns, s, entry);
    }
}

static void free_if_unused(struct pow_solvers *all)
{
    if (all->n_busy > 0 || !TAILQ_EMPTY(&all->turns))
        return;
    if (all->relay)
        all->relay->pow_solvers = NULL;
    for (unsigned i = 0; i < all->n_slots; i++)
        equix_free(all->slots[i].equix);
    free(all);
}

// Nobody waits for it any more. What its slots do ends soon.
static void remove_solving(struct pow_solving *s)
{
    struct pow_solvers *all = s->all;
    for (unsigned i = 0; i < all->n_slots; i++)
        if (all->slots[i].solving == s) {
            all->slots[i].solving = NULL;
            atomic_store(&all->slots[i].stop, true);
        }
    TAILQ_REMOVE(&all->turns, s, entry);
    if (TAILQ_EMPTY(&all->turns) && all->relay) {
        all->relay->pow_solvers = NULL; // it may be gone before its slots have ended
        all->relay = NULL;
    }
}

// ---- what it says

static double age_s(const struct pow_solving *s)
{
    return (double)(uv_hrtime() - s->begun_ns) / 1e9;
}

static uint64_t expected_tries(uint32_t effort)
{
    uint64_t tries = (uint64_t)effort * 100 / SOLUTIONS_PER_100_TRIES;
    return tries ? tries : 1;
}

static void tell_progress(struct pow_solving *s)
{
    double seconds = age_s(s);
    if (seconds < s->told_s + PROGRESS_S)
        return;
    s->told_s = (unsigned)seconds;
    log_notice("solving a proof of work of effort %u: %llu tries of about %llu, %u s", s->effort,
               (unsigned long long)s->tries, (unsigned long long)expected_tries(s->effort),
               s->told_s);
}

static void finish(struct pow_solving *s, const struct pow_slot *slot)
{
    struct pow_proof proof = slot->proof;
    proof.present = slot->found;
    if (!slot->found)
        log_warn("no memory to solve a proof of work");
    else if (s->told_s > 0)
        log_notice("solved a proof of work of effort %u in %.1f s", s->effort, age_s(s));
    else
        log_info("solved a proof of work of effort %u in %.3f s: %llu tries, %s", s->effort,
                 age_s(s), (unsigned long long)s->tries,
                 equix_is_compiled(slot->equix) ? "compiled" : "interpreted");
    void (*done)(void *, const struct pow_proof *) = s->done;
    void *user = s->user;
    remove_solving(s);
    free(s);
    done(user, &proof);
}

static void worked(uv_work_t *request, int status)
{
    struct pow_slot *slot = request->data;
    struct pow_solvers *all = slot->all;
    struct pow_solving *s = slot->solving;
    slot->busy = false;
    slot->solving = NULL;
    if (s) {
        s->tries += slot->tries;
        if (slot->found || (status == 0 && !slot->equix))
            finish(s, slot); // while this slot counts as busy: `all` stays
        else
            tell_progress(s);
    }
    all->n_busy--;
    start_free_slots(all);
    free_if_unused(all);
}

// ---- from outside

static struct pow_solvers *solvers_of(struct relay *relay)
{
    struct pow_solvers *all = relay->pow_solvers;
    if (all)
        return all;
    all = calloc(1, sizeof(*all));
    if (!all)
        return NULL;
    all->relay = relay;
    all->loop = relay->loop;
    all->n_slots = relay->n_helpers == 0          ? 1
                   : relay->n_helpers > SLOTS_MAX ? SLOTS_MAX
                                                  : relay->n_helpers;
    for (unsigned i = 0; i < all->n_slots; i++)
        all->slots[i].all = all;
    TAILQ_INIT(&all->turns);
    relay->pow_solvers = all;
    return all;
}

struct pow_solving *pow_solve(struct relay *relay, const uint8_t blinded[32],
                              const struct onion_pow_params *params, uint32_t effort,
                              void (*done)(void *user, const struct pow_proof *proof), void *user)
{
    struct pow_solving *s = calloc(1, sizeof(*s));
    struct pow_solvers *all = s ? solvers_of(relay) : NULL;
    if (!all) {
        free(s);
        return NULL;
    }
    s->all = all;
    s->done = done;
    s->user = user;
    s->effort = effort;
    s->begun_ns = uv_hrtime();
    memcpy(s->blinded, blinded, sizeof(s->blinded));
    memcpy(s->seed, params->seed, sizeof(s->seed));
    random_bytes(s->next_nonce, sizeof(s->next_nonce));
    log_info("solving a proof of work of effort %u: about %llu tries", effort,
             (unsigned long long)expected_tries(effort));
    TAILQ_INSERT_HEAD(&all->turns, s, entry);
    start_free_slots(all);
    return s;
}

void pow_solving_cancel(struct pow_solving *s)
{
    if (!s)
        return;
    struct pow_solvers *all = s->all;
    remove_solving(s);
    free(s);
    free_if_unused(all);
}

struct pow_progress pow_solving_progress(const struct pow_solving *s)
{
    return (struct pow_progress){
        .tries = s->tries, .expected_tries = expected_tries(s->effort), .seconds = age_s(s)};
}
