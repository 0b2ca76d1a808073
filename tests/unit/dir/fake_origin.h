// SPDX-License-Identifier: BSD-3-Clause
// Doubles of the origin's side for the directory client: three guards, which are the fake network's
// first caches, and the question whether enough is known.
#pragma once

#include <stdbool.h>

struct relay;

enum { FAKE_GUARDS = 3 };

struct fake_origin {
    bool may_build;   // what origin_may_build says
    bool no_guards;   // none can be used
    unsigned changed; // calls of origin_network_changed
    unsigned pool_ticks;
    // Of guard uses.
    unsigned chosen, succeeded, failed, ended;
};
extern struct fake_origin fake_origin;

// relay->origin from now on.
void fake_origin_set(struct relay *relay);
