// SPDX-License-Identifier: BSD-3-Clause
// An origin's side for the status document: guards, circuits, streams and onion
// services, as many as wanted.
#pragma once

#include <stdbool.h>

struct relay;

struct doubles {
    unsigned guards, circuits, streams, services;
    bool may_build;
    const char *host; // of every stream's target
};
extern struct doubles doubles;

void doubles_set(struct relay *relay); // relay->origin from now on
