// SPDX-License-Identifier: BSD-3-Clause
// EXTEND2 messages: reading and writing them, and the rules on where a circuit may go (protocol
// 2.28–2.32).
// Pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cell.h"
#include "base/cursor.h"
#include "link/link.h"

struct extend_request {
    struct link_target target;
    uint16_t create2_length;
    uint8_t create2[CELL_BODY_LEN]; // type 2, length 2, data: the body of the CREATE2 to send
};

// The link specifiers at its beginning, their number before them (2.28–2.30; services' messages and
// descriptors have the same). False: malformed, without an address or an RSA identity, that is
// zero, or two of a kind of which there is one.
bool extend_read_target(struct reader *r, struct link_target *out);
// False if it is malformed.
bool extend_parse(const uint8_t *body, size_t length, struct extend_request *out);
// Leaves in the target only addresses that we may and can connect to: IPv4, with a port, and public
// unless `internal_allowed`. False if none is left.
bool extend_filter_addresses(struct link_target *target, bool internal_allowed);
// What a client writes before the body of a CREATE2, with the first address of each family. An
// address that is all there is goes in whatever its family. Fails as writers do.
void extend_write_target(const struct link_target *target, bool with_ed_id, bool with_ipv6,
                         struct writer *w);
