// SPDX-License-Identifier: BSD-3-Clause
// Onion skins on their way through the helper threads (protocol 2.41).
//
// Bounded, by number and by what waiting would take. Each connection has a line of its own, and
// the lines are served in turns: whoever floods us waits behind the own flood. When there is too
// much, the oldest of the longest line is refused. A helper thread takes what waits, up to
// ONION_SKINS_MAX; nothing waits for more to come.
#pragma once

#include <stdint.h>

#include "base/message.h"
#include "circuit/onion_skin.h"

struct relay;
struct onion_queue;
struct waiting_skin;

// On the control thread, never from inside onion_queue_add for the skin that is added. After it,
// what onion_queue_add returned is no longer valid. `answer` is wiped after the call.
typedef void (*onion_answered_fn)(struct relay *relay, uint64_t circuit_id,
                                  const struct onion_skin *skin, const struct onion_answer *answer);

struct onion_queue *onion_queue_create(struct relay *relay, onion_answered_fn answered);
// What is still with a helper thread is answered to nobody.
void onion_queue_free(struct onion_queue *q);
// `conn`: the connection that it came on. NULL without memory.
struct waiting_skin *onion_queue_add(struct onion_queue *q, uint64_t circuit_id, uint8_t worker,
                                     struct handle conn, const struct onion_skin *skin);
// Its circuit is closed: nobody need compute an answer. With a helper thread already, it is
// answered all the same.
void onion_queue_cancel(struct onion_queue *q, struct waiting_skin *skin);
