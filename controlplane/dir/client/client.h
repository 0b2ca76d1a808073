// SPDX-License-Identifier: BSD-3-Clause
// The directory client: it fetches the authorities' certificates, the consensus and the documents
// that it lists, verifies each and puts it into the store (protocol 6.29, 9.01–9.13). Control
// thread only.
//
// A pure client fetches the microdesc flavour and microdescriptors: the first consensus of fallback
// directories and authorities, several at once while none answers, everything else of its guards.
// It tells the origin when there is news (origin_network_changed), and how far it is
// (bootstrap.h).
//
// A relay is a directory cache, and has both flavours and all documents. Like C tor's caches it
// asks authorities for a new consensus, soon after the old one is no longer fresh. The documents
// that a new consensus lists are asked for at caches first, once it has had most of them before;
// while it has not, at authorities.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct relay;
struct directory_client;

// Begins at once, with what the store has. NULL: no memory.
struct directory_client *directory_client_create(struct relay *relay);
// Requests under way are given up. The loop must run once more. NULL is fine.
void directory_client_free(struct directory_client *c);
// Does what is due by the relay's clock. The timer calls it; for a test that turns the clock.
void directory_client_tick(struct directory_client *c);
// How much of what is to be there is there, in percent; 100 once it was, until the next start.
unsigned directory_client_progress(const struct directory_client *c);
// Requests under way, answers that are being read among them.
unsigned directory_client_requests(const struct directory_client *c);
