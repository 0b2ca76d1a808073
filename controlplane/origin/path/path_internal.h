// SPDX-License-Identifier: BSD-3-Clause
// Inside of the choice of a path.
#pragma once

#include "origin/node/node.h"
#include "origin/path/path.h"

// A relay of the path, whose place is known already.
struct taken {
    const struct node *node; // NULL: not listed
    const uint8_t *rsa_id;
};

// What a relay must be to be drawn now.
struct path_need {
    const struct node_list *nodes;
    const struct path_request *request;
    enum node_position position;
    bool fast, stable;
    bool no_middle_only; // as what ends a path
    bool relations;      // no relation of those that are taken; else only none of them
    struct taken taken[OWN_CIRCUIT_HOPS_MAX];
    unsigned n_taken;
};

bool path_need_met(const struct path_need *need, const struct node *n);
// An exit that serves as many of the ports as one can. NULL: none.
const struct node *path_draw_exit(struct path_need *need);
