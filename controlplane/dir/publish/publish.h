// SPDX-License-Identifier: BSD-3-Clause
// Publication: the server descriptor and extra-info are built, signed, and uploaded to every
// directory authority; again when something changes and at least every 18 hours (6.13, 6.14).
// Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct relay;
struct publisher;

struct publisher *publisher_create(struct relay *relay); // begins at once; NULL: no memory
// Uploads under way are closed and no longer heard of. The loop must run once more to end the
// timer.
void publisher_free(struct publisher *p);
// Something in the descriptor changed: publish soon.
void publisher_changed(struct publisher *p);
// All bytes that the relay received and sent since its start; to be told every second. The
// descriptor's observed bandwidth and the extra-info's history come from here: a relay that never
// tells is published with 0, and clients do not choose it.
void publisher_traffic(struct publisher *p, uint64_t read_bytes, uint64_t written_bytes);
// Does what is due by the relay's clock. The timer calls it; for a test that turns the clock.
void publisher_tick(struct publisher *p);

// What the newest consensus makes of us (6.14): a relay that it does not list, or whose descriptor
// it calls stale, publishes again after 90 minutes.
struct publisher_listing {
    bool listed, stale;
    time_t valid_after, valid_until;
};
void publisher_listed(struct publisher *p, const struct publisher_listing *listing);
// The network requires of relays what this one cannot do: nothing is published any more, until it
// is told otherwise (6.34). True: that is news.
bool publisher_set_outdated(struct publisher *p, bool outdated);
