// SPDX-License-Identifier: BSD-3-Clause
// NETINFO cells (protocol 1.30). Pure functions over bytes.
#pragma once

#include <stdint.h>

#include "base/address.h"
#include "base/cell.h"

enum { NETINFO_ADDRESSES_MAX = 8 };

struct netinfo {
    uint32_t timestamp;   // seconds since the epoch; 0 from clients
    struct address other; // the receiver, as the sender sees it; port 0
    unsigned n_own;
    struct address own[NETINFO_ADDRESSES_MAX]; // what the sender says its addresses are; port 0
};

void netinfo_build(const struct netinfo *info, uint8_t out[CELL_BODY_LEN]);
// 0, or -EPROTO: truncated, an address of a known type with a wrong length, or a receiver's address
// of an unknown type. Own addresses of an unknown type, and those beyond the eighth, are skipped.
__attribute__((warn_unused_result)) int netinfo_parse(const uint8_t body[CELL_BODY_LEN],
                                                      struct netinfo *out);
