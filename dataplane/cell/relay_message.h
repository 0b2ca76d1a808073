// SPDX-License-Identifier: BSD-3-Clause
// Relay messages inside 509-byte cell bodies, format v0 (protocol 4.01, 4.04).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cell.h"

struct relay_message {
    uint8_t command; // enum relay_command
    uint16_t stream_id;
    uint16_t length;     // of body, <= RELAY_BODY_MAX
    const uint8_t *body; // inside the cell
};

// False when the length field exceeds RELAY_BODY_MAX: the circuit breaks the protocol.
bool relay_message_parse(const uint8_t cell_body[CELL_BODY_LEN], struct relay_message *out);

// Fills a whole cell body; `recognized` and `digest` are left zero for the relay crypto. `padding`
// gives the random bytes of the unused tail (CELL_BODY_LEN of them, used as needed).
void relay_message_build(const struct relay_message *m, const uint8_t padding[CELL_BODY_LEN],
                         uint8_t cell_body[CELL_BODY_LEN]);
