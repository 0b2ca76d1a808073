// SPDX-License-Identifier: BSD-3-Clause
// Relay messages inside 509-byte cell bodies, format v1, which hops with Counter Galois Onion use
// (protocol 4.02 to 4.04). Any thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    CGO_MESSAGE_BODY_MAX = 490,        // without a stream id
    CGO_MESSAGE_STREAM_BODY_MAX = 488, // with
};

struct cgo_message {
    uint8_t command;     // enum relay_command
    uint16_t stream_id;  // 0 for commands that have none
    uint16_t length;     // of body
    const uint8_t *body; // inside the cell when parsed
};

// Whether messages with this command have a stream id, as v1 has it.
bool cgo_message_has_stream(uint8_t command);
// The longest body that a message with this command can have.
uint16_t cgo_message_body_max(uint8_t command);

// False for an unknown command or a length that does not fit: the circuit breaks the protocol. A
// stream id of 0 where there has to be one is for the command's handler to judge.
__attribute__((warn_unused_result)) bool cgo_message_parse(const uint8_t cell_body[509],
                                                           struct cgo_message *out);

// Fills a whole cell body; its first 16 bytes are zeros, the crypto's to write. `padding` gives the
// random bytes of the unused tail (509 of them, used as needed). 0, or -EINVAL: unknown command,
// body too long, stream id missing or where none belongs.
__attribute__((warn_unused_result)) int
cgo_message_build(const struct cgo_message *m, const uint8_t padding[509], uint8_t cell_body[509]);
