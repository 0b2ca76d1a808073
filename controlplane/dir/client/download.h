// SPDX-License-Identifier: BSD-3-Clause
// When something that could not be fetched is tried again: after a random time that grows, between
// a base and three times the last one (dir-spec 5.5, "decorrelated jitter").
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum {
    DOWNLOAD_DELAY_MAX_S = 3600,
    DOWNLOAD_DELAY_CONSENSUS_MAX_S = 900, // it has a third of its life left when it is asked for
    DOWNLOAD_DELAY_BEGINNING_MAX_S = 300, // somebody waits for it
    DOWNLOAD_DELAY_TESTING_MAX_S = 10,
};

struct download { // all zeros: at once
    time_t next_try;
    uint32_t delay_s;
    unsigned failures; // in a row
};

bool download_is_ready(const struct download *d, time_t now);
// `delay_max_s` is one of the above.
void download_failed(struct download *d, time_t now, uint32_t delay_max_s);
