// SPDX-License-Identifier: BSD-3-Clause
// Vanguards-lite: the second hop of every circuit for onion services comes from a small set that
// changes slowly (protocol 8.42; proposal 333). Not kept over a restart. Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct node;
struct origin;
struct vanguards;

struct vanguards *vanguards_create(struct origin *origin); // NULL: no memory
void vanguards_free(struct vanguards *v);
// The consensus says so, which it does unless it says otherwise. If not, a second hop is a middle
// like any other.
bool vanguards_enabled(const struct vanguards *v);
// Those that expired, or are no longer listed or fit, go; others come. By the relay's clock.
void vanguards_refresh(struct vanguards *v);
// All of them go (a new identity); others come.
void vanguards_renew(struct vanguards *v);
// A random one of the set that is none of those (NULLs are skipped). NULL: none.
const struct node *vanguards_choose(struct vanguards *v, const struct node *const * not,
                                    unsigned n_not);
