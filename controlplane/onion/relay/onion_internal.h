// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share about circuits with a role.
//
//   onion.c         the table, roles, their end
//   introduction.c  ESTABLISH_INTRO, INTRODUCE1 (formats: message/intro_cell.h)
//   rendezvous.c    ESTABLISH_RENDEZVOUS, RENDEZVOUS1
//   replay_filter.c introductions seen before
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "circuit/circuit_internal.h"
#include "keyed_map.h"
#include "onion/relay/introduction.h"
#include "onion/relay/onion.h"
#include "onion/relay/rendezvous.h"
#include "onion/relay/replay_filter.h"
#include "token_bucket.h"

enum {
    INTRO_AUTH_KEY_LEN = 32,
    REND_COOKIE_LEN = 20,
    REND_COOKIE_LIFETIME_S = 600, // solving a proof of work can take a client minutes
    REND_WAITING_MIN = 1024,
    ONION_TICK_MAX = 1024, // cookies forgotten at once
};

// A circuit's role, by what others name it by.
struct onion_entry {
    struct keyed_node node;
    uint8_t key[INTRO_AUTH_KEY_LEN]; // the authentication key, or a cookie and zeros
    struct circuit *circuit;
    // Introduction points: how many INTRODUCE2 the service wants.
    struct token_bucket bucket;
    uint32_t rate_per_s, burst; // both 0: any number
    bool has_own_limit;         // else the consensus says
    // Rendezvous points:
    uint32_t since_s;
    TAILQ_ENTRY(onion_entry) waiting;
};

struct onion_table {
    struct relay *relay;
    struct keyed_map introductions;
    struct keyed_map cookies;
    TAILQ_HEAD(, onion_entry) waiting; // rendezvous points, oldest first
    unsigned waiting_max;
    struct replay_filter replays;
};

// ---- onion.c
// The circuit ends here, and has no role yet.
bool onion_circuit_is_plain(const struct circuit *c);
// The hop before us on this circuit is no relay: it is the client itself.
bool onion_circuit_is_single_hop(const struct circuit *c);
// Counts, and closes with DESTROY_PROTOCOL.
void onion_refuse(struct circuit *c, uint64_t *counter);
// Gives a plain circuit its role. NULL: no memory.
struct onion_entry *onion_entry_add(struct circuit *c, enum circuit_role role, const uint8_t *key,
                                    size_t key_length);
// The circuit has no role any more. NULL: there is none.
void onion_entry_free(struct onion_entry *e);
