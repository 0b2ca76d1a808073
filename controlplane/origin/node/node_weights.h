// SPDX-License-Identifier: BSD-3-Clause
// How likely each relay is to be drawn: its bandwidth times what the consensus says for its flags
// and the position (protocol 9.14). Control thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct consensus;
struct node_list;
struct router_status;

enum weight_rule {
    WEIGHT_GUARD,
    WEIGHT_MIDDLE,
    WEIGHT_EXIT,
    WEIGHT_DIRECTORY,
    WEIGHT_NONE, // bandwidth alone
    WEIGHT_RULES,
};

// By which flags a relay has: Guard (1), Exit and not BadExit (2), V2Dir (4).
struct weight_factors {
    double of[8];
};

// Pure. `consensus` NULL: as if it had no weights, which makes all alike.
void weight_factors_read(const struct consensus *consensus, enum weight_rule rule,
                         struct weight_factors *out);
double weight_of(const struct weight_factors *factors, const struct router_status *status);

// Relays to draw from: sums[i] is the weight of the first i + 1 of them. Valid until the list is
// refreshed.
struct weighted_set {
    const uint32_t *indices; // of nodes; NULL: every node in turn
    const uint64_t *sums;    // the last is less than 2^63
    size_t n;
};
struct weighted_set node_list_weighted(const struct node_list *list, enum weight_rule rule);
// The same by WEIGHT_EXIT, only those that can be exits: they have keys and serve some port, and
// are neither BadExit nor MiddleOnly.
struct weighted_set node_list_weighted_exits(const struct node_list *list);
