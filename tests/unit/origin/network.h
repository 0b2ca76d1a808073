// SPDX-License-Identifier: BSD-3-Clause
// A network of relays of own making: its consensus and microdescriptors as text, which the real
// parsers read, behind doubles of the directory's store and of the guards.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "netdoc/consensus.h"
#include "origin/guard/guard.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "relay.h"

// One relay, as the texts are to say it. Lines that are empty are left out.
struct network_relay {
    char nickname[20];
    uint8_t rsa_id[20], ed_id[32], ntor_key[32];
    uint32_t ipv4;
    char ipv6[48];   // "" for none
    bool ipv6_in_md; // in the microdescriptor, not the consensus
    unsigned flags;  // enum router_flags
    uint32_t bandwidth;
    const char *protocols;
    char *family, *family_ids;
    const char *policy, *policy6;
    bool missing; // its microdescriptor is not here
    // What the lines above mean, for tests: relays of one group are a family, 0 is none.
    unsigned group, id_group;
    uint8_t digest[32]; // of the microdescriptor, once published
};

struct network {
    struct network_relay *relays; // by rsa_id, ascending
    size_t n;
    char params[512];  // of the consensus: "name=1 other=2"
    char weights[512]; // bandwidth-weights
    time_t valid_after;
    unsigned interval_s; // until it is no longer fresh
    bool has_srv;        // shared random values, both
    uint8_t srv_previous[32], srv_current[32];
    struct relay relay;
    struct config config;
    struct origin origin;
    struct store_double *store;
    unsigned parsed; // times that a microdescriptor was asked for and given
    uint64_t random;
};

extern time_t network_now;

// With relays that are all alike: Fast, Guard, Stable, …, bandwidth 1000, each in a subnet of its
// own, none an exit.
struct network *network_create(size_t n);
// As the public network is: many small ones and few large, a quarter exits, families, subnets with
// many relays.
struct network *network_create_real(size_t n);
void network_free(struct network *w);
// Writes the texts, reads them, and refreshes the list of nodes.
void network_publish(struct network *w);
const struct node *network_node(const struct network *w, size_t relay);
struct network_relay *network_relay_of(const struct network *w, const struct node *n);
// "$FINGERPRINT"; returns `out`.
char *network_fingerprint(const struct network *w, size_t relay, char out[42]);
void network_set_family(struct network *w, size_t relay, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
uint64_t network_random(struct network *w, uint64_t bound); // the same in each run

// Relays that are guards of ours, by index; the first that may be is chosen, from a random one on.
enum { NETWORK_GUARDS_MAX = 64 };
struct guards {
    struct network *network;
    size_t of[NETWORK_GUARDS_MAX];
    size_t n;
    size_t uses;                   // that have not ended
    bool ignore_related;           // gives the exit's relations, too
    bool no_keys;                  // gives hops without keys
    struct guard_restriction last; // as it was asked
};
