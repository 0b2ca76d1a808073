// SPDX-License-Identifier: BSD-3-Clause
// How long an onion skin takes that comes alone: through the relay's own queue, with its helper
// threads and event loop, all asleep when it comes.
#pragma once

#include <stdbool.h>

#include "crypto/onion_keys.h"

struct onion_skin;

struct handshake_latency {
    // From the control thread's having the skin to its having the answer.
    double least_us, p50_us, p99_us, most_us;
    unsigned times;
};

// False: it could not be measured, or an answer was no good.
bool handshake_latency_measure(const struct onion_keys *keys, const struct onion_skin *skin,
                               struct handshake_latency *out);
