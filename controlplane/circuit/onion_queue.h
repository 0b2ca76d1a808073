// SPDX-License-Identifier: BSD-3-Clause
// Onion skins on their way through the helper threads: a bounded queue that is worked off in
// batches, and that refuses what it could not answer in time (protocol 2.41).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "circuit/onion_skin.h"

struct relay;
struct onion_queue;

// On the control thread. `answer` is wiped after the call.
typedef void (*onion_answered_fn)(struct relay *relay, uint64_t circuit_id,
                                  const struct onion_skin *skin, const struct onion_answer *answer);

struct onion_queue *onion_queue_create(struct relay *relay, onion_answered_fn answered);
// What is still with a helper thread is answered to nobody.
void onion_queue_free(struct onion_queue *q);
// False when there is too much before it: refuse the circuit for lack of resources.
bool onion_queue_add(struct onion_queue *q, uint64_t circuit_id, const struct onion_skin *skin);
