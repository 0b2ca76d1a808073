// SPDX-License-Identifier: BSD-3-Clause
// The relays that the microdesc consensus lists, each with what its microdescriptor says (protocol
// 9.09–9.12, 9.16–9.18). Control thread only.
//
// A node stays where it is until the list changes (node_list_refresh): keep an rsa_id, not a
// pointer, over a return to the loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "circuit/own_circuit.h"
#include "netdoc/consensus.h"
#include "netdoc/port_policy.h"

struct relay;
struct node_list;
struct node_family;

struct node {
    const struct router_status *status; // with flags and bandwidth; its `protocols` are NULL
    uint32_t index;                     // in the list
    bool has_keys; // the microdescriptor is there, so what follows is known; and it is at a place
    bool has_ed_id;
    // What its protocols say (11.06–11.11); of a relay without a `pr` line that it can EXTEND2.
    bool extend2, ed_link_auth;
    bool ntor_v3, congestion_control, cgo, hs_intro, hs_rend, hs_dir, padding;
    uint8_t ntor_key[32];
    uint8_t ed_id[32];
    struct address ipv6;                        // the consensus' or else the microdescriptor's
    const struct port_policy *policy, *policy6; // never NULL once has_keys
    uint32_t policy_index, policy6_index;       // the same, as of node_policy_at
    const struct node_family *family;           // NULL: none
};

// Refers to relay->store. Empty at first. NULL: no memory.
struct node_list *node_list_create(struct relay *relay);
void node_list_free(struct node_list *list); // NULL is fine
// The consensus or the microdescriptors that are here have changed. Every node pointer is stale.
// Reads the microdescriptors that it has not seen yet. Without memory the list is empty.
void node_list_refresh(struct node_list *list);
uint64_t node_list_generation(const struct node_list *list); // of refreshes
size_t node_count(const struct node_list *list);
const struct node *node_at(const struct node_list *list, size_t index);
const struct node *node_find(const struct node_list *list, const uint8_t rsa_id[20]); // or NULL
const struct node *node_find_ed(struct node_list *list, const uint8_t ed_id[32]);
// The consensus that the list is of, a copy without its texts and signatures; NULL: none.
const struct consensus *node_list_consensus(const struct node_list *list);
// This relay itself; NULL: it is none, or is not listed.
const struct node *node_list_self(const struct node_list *list);
// Policies that relays have in common are one.
size_t node_policy_count(const struct node_list *list);
const struct port_policy *node_policy_at(const struct node_list *list, size_t index);

// A and B may not stand in one path: they are one, or declare each other as family, or share a
// family id, or the operator says so, or have an address in one IPv4 /16 or IPv6 /32 (9.15, 9.16).
// Subnets don't count in a testing network, as C tor has it with EnforceDistinctSubnets 0.
// Families that a relay says it is of count when its microdescriptor is there.
bool node_related(const struct node_list *list, const struct node *a, const struct node *b);
// Whether the operator's config keeps it from standing there. NODE_ANYWHERE: only what it excludes
// altogether.
enum node_position { NODE_GUARD, NODE_MIDDLE, NODE_EXIT, NODE_ANYWHERE, NODE_POSITIONS };
bool node_excluded(const struct node_list *list, const struct node *n, enum node_position position);

// How to build a circuit's hop there; without keys if those are not known. Addresses: IPv4 first.
void node_hop(const struct node *n, struct own_circuit_hop *out);

// What part of the paths (guard x middle x exit, by bandwidth) has its microdescriptors, in percent
// (9.12). When no exit is listed, of paths inside the network.
unsigned node_list_paths_percent(const struct node_list *list);
// The percentage that the consensus asks for before circuits are built.
unsigned node_list_paths_wanted_percent(const struct node_list *list);
// An exit is listed that is not known to refuse every port.
bool node_list_has_exits(const struct node_list *list);
// Listed relays whose microdescriptors are not here.
size_t node_list_missing(const struct node_list *list);
