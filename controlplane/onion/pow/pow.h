// SPDX-License-Identifier: BSD-3-Clause
// Proof of work, version 1 (protocol 8.33–8.35, 9.38; hspow-spec): the challenge, solving it in a
// helper thread, checking it, and a service's queue, which goes by effort. Control thread only,
// unless it says otherwise.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "onion/descriptor/onion_descriptor.h"
#include "onion/message/introduce.h"

enum {
    POW_CHALLENGE_LEN = 100,
    POW_EFFORT_MAX_CLIENT = 10000,
    POW_SEED_ROTATION_MIN_S = 6300,
    POW_SEED_ROTATION_MAX_S = 7200,
    POW_UPDATE_PERIOD_S = 300,
};

struct relay;
struct equix;

// Any thread.
void pow_challenge(const uint8_t blinded[32], const uint8_t seed[32], const uint8_t nonce[16],
                   uint32_t effort, uint8_t out[POW_CHALLENGE_LEN]);
// Equi-X holds and Blake2b of challenge and solution is low enough. Any thread.
bool pow_check(struct equix *e, const uint8_t blinded[32], const uint8_t seed[32],
               const struct pow_proof *proof);

// ---- the client's

struct pow_solving;
struct pow_progress {
    uint64_t tries, expected_tries;
    double seconds;
};
// In a thread of libuv's pool; one line of progress each 10 s. `done` comes in the loop, with a
// proof that is not `present` if it was cancelled. NULL: no memory.
struct pow_solving *pow_solve(struct relay *relay, const uint8_t blinded[32],
                              const struct onion_pow_params *params, uint32_t effort,
                              void (*done)(void *user, const struct pow_proof *proof), void *user);
void pow_solving_cancel(struct pow_solving *s); // `done` does not come any more
struct pow_progress pow_solving_progress(const struct pow_solving *s);

// ---- the service's

struct pow_defence; // of one service
struct pow_settings {
    bool enabled;
    uint32_t queue_rate, queue_burst; // of introductions taken from the queue; 250 and 2500
};

// Takes an introduction from the queue for its rendezvous. The item is the user's.
typedef void (*pow_take_fn)(void *user, void *item);
typedef void (*pow_drop_fn)(void *user, void *item); // too old, or trimmed

struct pow_defence *pow_defence_create(struct relay *relay, const struct pow_settings *settings,
                                       pow_take_fn take, pow_drop_fn drop, void *user);
void pow_defence_free(struct pow_defence *d); // NULL is fine; items are dropped
void pow_defence_tick(struct pow_defence *d); // each second
// What the descriptor says now. True: it has changed enough that a new one should be published.
bool pow_defence_params(struct pow_defence *d, struct onion_pow_params *out);
// An introduction: checked (replay, seed, Equi-X), and queued by its effort. False: refused; the
// item is still the caller's. With `blinded` of the descriptor that it came by.
bool pow_defence_queue(struct pow_defence *d, const uint8_t blinded[32],
                       const struct pow_proof *proof, void *item);
