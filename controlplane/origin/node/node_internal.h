// SPDX-License-Identifier: BSD-3-Clause
// Inside of the list of nodes.
#pragma once

#include "dir/parameters.h"
#include "dir/store/digest_table.h"
#include "netdoc/microdescriptor.h"
#include "origin/node/node.h"
#include "origin/node/node_weights.h"

// What is kept over refreshes, by a digest: for as long as some listed relay has it.
struct kept {
    uint8_t key[32];
    uint64_t seen; // the last refresh that found it in use
};

// A policy that relays have in common; by the SHA-256 of its text.
struct node_policy {
    struct kept kept;
    uint32_t index; // of this refresh
    struct port_policy *policy;
};

// What a microdescriptor says about families; by the SHA-256 of the two lines.
struct node_family {
    struct kept kept;
    // Sorted; each in the block that the family is.
    unsigned n_rsa_ids, n_names, n_ids;
    const uint8_t (*rsa_ids)[20];
    const uint8_t (*names)[20]; // in lower case, zeros after it
    const uint8_t (*ids)[32];   // SHA-256 of each family id
};

// A microdescriptor that was read; by its digest.
struct node_info {
    struct kept kept;
    bool usable; // its ntor key is one
    bool has_ed_id;
    uint8_t ntor_key[32];
    uint8_t ed_id[32];
    struct address ipv6;
    struct node_policy *policy, *policy6;
    struct node_family *family;
};

// What is asked of a node often, beside what all may see.
struct node_place {
    uint32_t subnet4; // the upper 16 bits; 0: none
    uint32_t subnet6; // the upper 32 bits
    bool has_subnet6;
    uint8_t excluded;  // bit P: from enum node_position P
    uint64_t families; // bit F: in the config's family F
};

struct node_list {
    struct relay *relay;
    uint64_t generation;
    const struct consensus *consensus; // NULL, or `copy`
    struct consensus copy;        // owns its routers, parameters and weights, and lacks the rest
    struct parameters parameters; // of that consensus
    struct node *nodes;           // in the consensus' order
    struct node_place *places;
    size_t n, n_missing;
    const struct node *self;

    struct digest_table infos, policies, families; // struct node_info, node_policy, node_family
    struct node_policy none;                       // refuses every port
    struct node_policy **policy_list;              // those of this refresh, by their index
    size_t n_policies;

    struct digest_table by_ed_id; // built when it is first asked for
    bool has_by_ed_id;

    uint64_t *sums[WEIGHT_RULES];
    uint32_t *exits;
    uint64_t *exit_sums;
    size_t n_exits;
    unsigned paths_percent;
    bool has_exits;
};

// node_info.c: what is known by digest.
struct node_info *node_info_of(struct node_list *list, const struct router_status *status);
void node_infos_sweep(struct node_list *list); // what no relay has any more goes
void node_infos_release(struct node_list *list);
// node_family.c. NULL: it names nobody, or no memory.
struct node_family *node_family_parse(struct text family, struct text family_ids);
bool node_family_has(const struct node_family *f, const struct router_status *status);
bool node_families_share_id(const struct node_family *a, const struct node_family *b);
// node_rules.c: from the config and the addresses.
void node_place_fill(const struct node_list *list, const struct node *n, struct node_place *out);
// node_weights.c. False: no memory.
bool node_weights_fill(struct node_list *list);
void node_weights_release(struct node_list *list);
// node_paths.c
void node_paths_count(struct node_list *list);
