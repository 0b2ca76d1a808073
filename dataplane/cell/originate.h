// SPDX-License-Identifier: BSD-3-Clause
// Relay messages of our own towards others' circuits' origins, and what the control plane wants to hear of them: the tag that
// authenticates one (MSG_CIRCUIT_ORIGINATED), and that a circuit's queue is short again
// (MSG_CIRCUIT_DRAINED).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/message.h"

struct circuit_end;
struct worker;

enum {
    DRAINED_CELLS = 16, // a queue that is no longer is short
    DRAINED_STEPS_PER_TURN = 2048,
};

// Messages that could not be had when they were due. Which ends they are due for, is known by
// looking at all of them, some in each turn.
struct drained {
    bool owed;
    uint32_t hand; // the next end to look at
};

// Sends a relay message of our own towards the origin (command, stream id, what to tell). `end`
// holds the layer: a stub, or the end away from the origin. Not while the batch holds cells of it.
// Nothing is sent with -ENOENT: the layer is not there; -EINVAL: its format has no such message;
// -ENOMEM: nor can anything follow, for the layer may have moved on.
__attribute__((warn_unused_result)) int end_originate(struct worker *w, struct circuit_end *end,
                                                      const struct relay_info *what,
                                                      const void *body, uint16_t length);

// The control plane waits until the queue of this end, the one towards the origin, is short.
void end_ask_drained(struct worker *w, struct circuit_end *end);
// It is.
void end_tell_drained(struct worker *w, struct circuit_end *end);
// Once per turn: messages that are owed, as far as there are any.
void drained_send_owed(struct worker *w);
