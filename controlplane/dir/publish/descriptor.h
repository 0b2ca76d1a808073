// SPDX-License-Identifier: BSD-3-Clause
// The server descriptor (6.01–6.08): what a relay tells the authorities about itself.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/address.h"
#include "dir/publish/extra_info.h"

struct identity;

enum { DESCRIPTOR_MAX = 20000 }; // larger ones are refused (6.11)

struct descriptor {
    const struct identity *identity;
    const char *nickname;
    const char *contact; // "" for none; one line
    const char *platform;
    struct address ipv4; // with the OR port
    struct address ipv6; // ADDRESS_NONE for none
    time_t published;
    uint64_t uptime_s;
    // Bytes per second; burst in bytes.
    uint32_t bandwidth_rate, bandwidth_burst, bandwidth_observed;
    struct extra_info_digest extra_info;
    bool without_tap_key;      // 6.04
    const char *const *policy; // "reject *:*"
    unsigned policy_lines;     // at least 1
};

// The length of the text, which no NUL ends; -EMSGSIZE; -EINVAL: text that would not stay in its
// line, no IPv4 address, or keys that cannot sign. Pure: no I/O, no state.
int descriptor_build(const struct descriptor *in, char *out, size_t capacity);
