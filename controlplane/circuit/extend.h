// SPDX-License-Identifier: BSD-3-Clause
// EXTEND2 messages: reading them, and the rules on where a circuit may go (protocol 2.28–2.30).
// Pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cell.h"
#include "link/link.h"

struct extend_request {
    struct link_target target;
    uint16_t create2_length;
    uint8_t create2[CELL_BODY_LEN]; // type 2, length 2, data: the body of the CREATE2 to send
};

// False if it is malformed.
bool extend_parse(const uint8_t *body, size_t length, struct extend_request *out);
// Leaves in the target only addresses that we may and can connect to: IPv4, with a port, and public
// unless `internal_allowed`. False if none is left.
bool extend_filter_addresses(struct link_target *target, bool internal_allowed);
