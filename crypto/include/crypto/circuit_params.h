// SPDX-License-Identifier: BSD-3-Clause
// What client and relay agree on in the messages of an ntor-v3 handshake (tor-spec: "Extensions in
// circuit handshakes"; proposals 324 and 346). Any thread.
//
// Each message is one extension block: n 1, then n times {type 1, length 1, body}.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum circuit_extension {
    CIRCUIT_EXT_CC_REQUEST = 1,
    CIRCUIT_EXT_CC_RESPONSE = 2,
    CIRCUIT_EXT_SUBPROTO = 3,
};

// In a request for subprotocols: pairs of a protocol and one of its versions.
enum {
    SUBPROTO_RELAY = 2,
    SUBPROTO_RELAY_CGO = 6,
};

enum { CIRCUIT_PARAMS_REPLY_MAX = 4, CIRCUIT_PARAMS_REQUEST_MAX = 7 };

struct circuit_params {
    bool congestion_control;
    uint8_t sendme_inc_cells; // counts when congestion_control is set
    bool cgo;                 // Counter Galois Onion, and with it relay messages in format v1
};

// The relay's side. `offer` says what the consensus lets us grant; `granted` is what this circuit
// gets. The length of the reply block, which has no word on CGO: that the handshake succeeds is the
// answer. Or -EPROTO, which must fail the handshake: malformed; a subprotocol that we do not speak,
// or in wrong order; CGO without congestion control. Or -EMSGSIZE.
__attribute__((warn_unused_result)) int circuit_params_answer(const uint8_t *message, size_t length,
                                                              const struct circuit_params *offer,
                                                              struct circuit_params *granted,
                                                              uint8_t *reply, size_t capacity);

// The client's side: the block that asks for what is set in `ask`. Its length or -EMSGSIZE.
int circuit_params_request(const struct circuit_params *ask, uint8_t *out, size_t capacity);
// `asked` is what we asked for, with the consensus' sendme_inc. 0, or -EPROTO: malformed, an answer
// to what was not asked, an increment of 0 or more than 1 away from the consensus', or CGO without
// congestion control.
__attribute__((warn_unused_result)) int circuit_params_accept(const uint8_t *message, size_t length,
                                                              const struct circuit_params *asked,
                                                              struct circuit_params *granted);
