// SPDX-License-Identifier: BSD-3-Clause
// What tests of introduction and rendezvous points say on circuits, over ../circuit/desk.h.
#pragma once

#include "../circuit/desk.h"
#include "circuit/circuit_internal.h"

// A desk whose relay has an onion table.
struct desk *onion_desk_open(void);
void onion_desk_close(struct desk *desk); // checks that nothing has a role any more

// A circuit over a link of worker 0 or 1; NULL: it is closed already.
struct circuit *circuit_at(struct desk *desk, unsigned worker, struct handle end);
// A relay message on it.
void say(struct desk *desk, unsigned worker, struct handle end, uint8_t command, const void *body,
         size_t length);
// It was closed for breaking the protocol; nothing else was sent.
void expect_refused(struct desk *desk, struct handle end);

// An ESTABLISH_INTRO for this circuit, by service `n`. `extensions` is the whole block. Its length.
size_t establish_intro(struct desk *desk, struct handle end, uint8_t n, const void *extensions,
                       size_t extensions_length, uint8_t body[RELAY_BODY_MAX]);
// Makes a circuit over link PREVIOUS the introduction point of service `n`.
struct handle introduction_point(struct desk *desk, uint8_t n);
// An INTRODUCE1 to service `n` that has `length` bytes in all; `what` tells it from others.
void introduce1(uint8_t n, uint8_t what, uint8_t *body, size_t length);
