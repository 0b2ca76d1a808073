// SPDX-License-Identifier: BSD-3-Clause
// An exit policy's summary: which ports an exit serves on most addresses (`p` and `p6` lines;
// dir-spec 3.3, protocol 10.15). Pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PORT_POLICY_RANGES_MAX = 1024 };

struct port_range {
    uint16_t low, high;
};

struct port_policy {
    bool accept; // those in the ranges are accepted, the others are not; or the other way round
    unsigned n_ranges;
    struct port_range ranges[]; // ascending, none touches the next; ports from 1
};

// "accept 80,443,1000-2000", "reject 1-65535". Entries that begin with no digit are left out, as C
// tor does. NULL: malformed, or no memory. The caller's, to be freed with free().
struct port_policy *port_policy_parse(const char *text, size_t length);
bool port_policy_allows(const struct port_policy *policy, uint16_t port); // port 0: false
bool port_policy_allows_none(const struct port_policy *policy);
