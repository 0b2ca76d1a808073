// SPDX-License-Identifier: BSD-3-Clause
// Relays that could not be reached of late: they are not dialled again for a minute (1.39).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "link/link.h"

enum { LINK_FAILURES_MAX = 512, LINK_FAILURE_MEMORY_MS = 60 * 1000 };

// The newest failures; a new one takes the place of the oldest. Both identities count: a client
// that asks for a relay under a wrong Ed25519 id makes that fail, but not what others ask for.
struct link_failures {
    struct {
        uint8_t rsa_id[20];
        bool has_ed_id;
        uint8_t ed_id[32]; // zero without has_ed_id
        struct address address;
        uint64_t until_ms; // 0: free
    } entries[LINK_FAILURES_MAX];
    unsigned next;
};

// The addresses of `target` are not looked at; `address` is the one that was dialled.
void link_failures_add(struct link_failures *f, const struct link_target *target,
                       const struct address *address, uint64_t now_ms);
bool link_failures_has(const struct link_failures *f, const struct link_target *target,
                       const struct address *address, uint64_t now_ms);
