// SPDX-License-Identifier: BSD-3-Clause
// Proof of work, version 1 (protocol 8.33–8.35, 9.38; hspow-spec): the challenge, solving it in
// helper threads, checking it, and a service's queue, which goes by effort. Control thread only,
// unless it says otherwise.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "onion/descriptor/onion_descriptor.h"
#include "onion/message/introduce.h"

enum {
    POW_CHALLENGE_LEN = 100,
    POW_NONCE_LEN = 16,
    POW_EFFORT_MAX_CLIENT = 10000,
    POW_SEED_ROTATION_MIN_S = 6300,
    POW_SEED_ROTATION_MAX_S = 7200,
    POW_UPDATE_PERIOD_S = 300,
    POW_QUEUE_RATE = 250, // defaults
    POW_QUEUE_BURST = 2500,
    POW_QUEUE_MAX = 17500,     // introductions, whatever rate and burst
    POW_QUEUE_WAIT_MAX_S = 15, // half of what a client waits for its rendezvous
    POW_CHEAP_IN_FLIGHT = 16,  // rendezvous under way, above which those of low effort wait
};

struct relay;
struct equix;

// Any thread.
void pow_challenge(const uint8_t blinded[32], const uint8_t seed[32],
                   const uint8_t nonce[POW_NONCE_LEN], uint32_t effort,
                   uint8_t out[POW_CHALLENGE_LEN]);
// Equi-X holds and Blake2b of challenge and solution is low enough. Any thread; `e` belongs to one
// at a time.
bool pow_check(struct equix *e, const uint8_t blinded[32], const uint8_t seed[32],
               const struct pow_proof *proof);
// One nonce: `proof` has nonce and effort; its solution and seed head are filled in. False: this
// nonce has none. A few milliseconds; any thread. `e` has to be a solver.
bool pow_try(struct equix *e, const uint8_t blinded[32], const uint8_t seed[32],
             struct pow_proof *proof);
// The next one, by which every nonce comes up: they count up, the first byte is the lowest.
void pow_next_nonce(uint8_t nonce[POW_NONCE_LEN]);

// ---- the client's

struct pow_solving;
struct pow_progress {
    uint64_t tries, expected_tries;
    double seconds;
};
// In the threads of libuv's pool, a little at a time, so that other work there does not wait; on as
// many as relay->n_helpers at once, for all solvings together. It logs when it begins and ends, and
// one line of progress each 10 s. `done` comes in the loop, once. NULL: no memory.
struct pow_solving *pow_solve(struct relay *relay, const uint8_t blinded[32],
                              const struct onion_pow_params *params, uint32_t effort,
                              void (*done)(void *user, const struct pow_proof *proof), void *user);
// Before `done`, at any moment: `done` does not come any more. What runs ends within milliseconds,
// and in the loop, not here.
void pow_solving_cancel(struct pow_solving *s); // NULL is fine
struct pow_progress pow_solving_progress(const struct pow_solving *s);

// ---- the service's

struct pow_defence; // of one service
struct pow_settings {
    bool enabled;                     // false: nothing is queued, and no proof accepted
    uint32_t queue_rate, queue_burst; // of introductions taken from the queue; rate 0: no limit
};

// What happens to items, which are the user's. None of these may free the defence, or queue.
struct pow_calls {
    void (*take)(void *user, void *item); // its rendezvous is to begin
    void (*drop)(void *user, void *item); // too old, or trimmed
    unsigned (*in_flight)(void *user);    // rendezvous under way; NULL: none is ever
};

// NULL: no memory. `calls` is copied.
struct pow_defence *pow_defence_create(struct relay *relay, const struct pow_settings *settings,
                                       const struct pow_calls *calls, void *user);
// Items are dropped. NULL is fine. Its timer goes when the loop runs next.
void pow_defence_free(struct pow_defence *d);
void pow_defence_tick(struct pow_defence *d); // each second: seeds, effort, and the queue
// What the descriptor says now; not `present` if it is not enabled. True, once: it has changed
// enough that new ones should be published.
bool pow_defence_params(struct pow_defence *d, struct onion_pow_params *out);
// An introduction: checked (replay, seed, Equi-X), and queued by its effort, which is 0 without a
// proof. With `blinded` of the descriptor that it came by. False: refused, the item is still the
// caller's. True: `take` or `drop` comes for it, once: from the loop, or from here (`drop`, if the
// queue is full; `take`, if it is not enabled).
bool pow_defence_queue(struct pow_defence *d, const uint8_t blinded[32],
                       const struct pow_proof *proof, void *item);

struct pow_defence_status {
    uint32_t effort;
    unsigned queued;
    uint64_t taken, dropped, refused;
};
void pow_defence_status(const struct pow_defence *d, struct pow_defence_status *out);
