// SPDX-License-Identifier: BSD-3-Clause
// The client's side of the padding machines that make circuits for onion services look like others
// in their first cells (protocol 4.34, 4.35; padding-spec, "Circuit-level padding"). Pure: whoever
// has one sends what it says.
//
// Both are negotiated with the second hop, which has to know them (Padding=2): one hides a circuit
// to an introduction point, from INTRODUCE1 on, by padding that the relay sends; the other one to a
// rendezvous point, from RENDEZVOUS_ESTABLISHED on, by one cell each.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum padding_machine_type { PADDING_INTRODUCTION = 0, PADDING_RENDEZVOUS = 1 };

enum {
    PADDING_HOP = 2,
    PADDING_NEGOTIATE_LEN = 8,
    PADDING_NEGOTIATED_LEN = 8,
    PADDING_KEEPS_MAX_MS =
        4294 * 1000, // without any cell; the longest delay that machines can have
};

struct padding_machine {
    bool negotiated; // one was asked for: an answer may come
    bool runs;
    bool failed; // the relay did not want one: none is asked for again
    uint8_t type;
    uint32_t counter; // which of this circuit's machines
};

// Begins one: `out` is the body of PADDING_NEGOTIATE. False: it can't be, since there is one, or
// one was refused.
bool padding_machine_start(struct padding_machine *m, enum padding_machine_type type,
                           uint8_t out[PADDING_NEGOTIATE_LEN]);
// How many DROP cells are to be sent after that, at once.
unsigned padding_machine_cells(const struct padding_machine *m);
// PADDING_NEGOTIATED came from this hop. False: it was not asked for, not of this hop, or
// malformed.
bool padding_machine_take(struct padding_machine *m, unsigned hop, const uint8_t *body,
                          size_t length);
// The circuit's end would tell what the padding hides: it should stay until the machine has ended.
bool padding_machine_keeps(const struct padding_machine *m);
