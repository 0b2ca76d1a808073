// SPDX-License-Identifier: BSD-3-Clause
// The control plane's part of the benchmark: it accepts the neighbours' links and makes circuits
// over them, by the messages that the real one would send (base/message.h).
#pragma once

#include <stdbool.h>

#include "dataplane/dataplane.h"
#include "relay_neighbours.h"

// All links, then all circuits. False, with a line in n->broken, when that does not come about
// within a time.
bool control_set_up(struct dataplane *dp, struct neighbours *n);
// Takes and frees what the workers say; sets n->broken when something closed.
void control_listen(struct dataplane *dp, struct neighbours *n);
