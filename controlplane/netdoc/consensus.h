// SPDX-License-Identifier: BSD-3-Clause
// The consensus of the directory authorities, both flavours: reading it, and whether it may be
// believed (protocol 9.03–9.09, dir-spec 3.4). Pure functions; any thread.
//
// A parsed consensus owns what it needs and does not refer to the text. Reading one says nothing
// about who made it: see consensus_count_signatures().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/address.h"

enum {
    CONSENSUS_TEXT_MAX = 16 * 1024 * 1024,
    CONSENSUS_ROUTERS_MAX = 65536,
    CONSENSUS_PARAMETERS_MAX = 512,
    CONSENSUS_VOTERS_MAX = 64,
    CONSENSUS_SIGNATURES_MAX = 128,
    CONSENSUS_REASONABLE_SLACK_S = 24 * 60 * 60, // 9.08
};

enum consensus_flavour { CONSENSUS_NS, CONSENSUS_MICRODESC, CONSENSUS_FLAVOURS };

enum router_flags {
    ROUTER_AUTHORITY = 1 << 0,
    ROUTER_BAD_EXIT = 1 << 1,
    ROUTER_EXIT = 1 << 2,
    ROUTER_FAST = 1 << 3,
    ROUTER_GUARD = 1 << 4,
    ROUTER_HSDIR = 1 << 5,
    ROUTER_MIDDLE_ONLY = 1 << 6,
    ROUTER_NO_ED_CONSENSUS = 1 << 7,
    ROUTER_RUNNING = 1 << 8,
    ROUTER_STABLE = 1 << 9,
    ROUTER_STALE_DESC = 1 << 10,
    ROUTER_SYBIL = 1 << 11,
    ROUTER_V2DIR = 1 << 12,
    ROUTER_VALID = 1 << 13,
};

struct router_status {
    char nickname[20];
    uint8_t rsa_id[20];
    // Microdescriptor's SHA-256 (zeros: the authorities agree on none), or descriptor's SHA-1 (20
    // bytes).
    uint8_t digest[32];
    struct address ipv4, ipv6; // OR ports; ADDRESS_NONE: none
    uint16_t dir_port;
    uint16_t flags; // enum router_flags; being listed implies Running and Valid
    bool unmeasured;
    uint32_t bandwidth;    // kB/s; 0 without a `w` line
    time_t published;      // means nothing in the microdesc flavour since method 33
    const char *protocols; // the `pr` line's value; one string is shared by all with the same
};

struct consensus_parameter {
    char name[64];
    int32_t value;
};

struct consensus_signature {
    uint8_t identity[20];    // SHA-1 of the authority's identity key
    uint8_t signing_key[20]; // SHA-1
    bool sha256;             // else SHA-1
    uint8_t signature[512];
    uint16_t signature_length;
};

struct text_set;

struct consensus {
    enum consensus_flavour flavour;
    unsigned method;
    time_t valid_after, fresh_until, valid_until;
    unsigned vote_delay_s, dist_delay_s;
    struct router_status *routers; // sorted by rsa_id
    size_t n_routers;
    struct text_set *protocol_lists; // owns what routers' `protocols` point to
    struct consensus_parameter *parameters;
    size_t n_parameters;
    struct consensus_parameter *weights; // bandwidth-weights
    size_t n_weights;
    bool has_srv_current, has_srv_previous; // shared random values
    uint8_t srv_current[32], srv_previous[32];
    char *required_relay_protocols, *recommended_relay_protocols; // NULL: no line
    char *required_client_protocols, *recommended_client_protocols;
    // At most one of each authority with each digest. Those with a digest that the flavour does not
    // have (9.05) are left out.
    struct consensus_signature *signatures;
    size_t n_signatures;
    uint8_t signed_sha1[20], signed_sha256[32]; // of what the signatures sign
    uint8_t sha3[32], sha3_signed[32];          // of the whole; of the signed part (6.30)
};

// 0 and `*out` (the caller's, for consensus_free), or -EINVAL, -ENOMEM. `wrong` (may be NULL) is
// set to a constant text that says what was wrong.
int consensus_parse(const uint8_t *text, size_t length, struct consensus **out, const char **wrong);
void consensus_free(struct consensus *c); // NULL is fine

// The length of what its signatures sign, and what a diff names its base by the SHA3-256 of: up to
// and with the first "directory-signature" and the space after it (9.04). 0: there is none.
size_t consensus_signed_length(const uint8_t *text, size_t length);

const struct router_status *consensus_find(const struct consensus *c, const uint8_t rsa_id[20]);
// The value brought into [least, most]; `otherwise` if the consensus is NULL or does not say
// (6.35).
int32_t consensus_parameter(const struct consensus *c, const char *name, int32_t otherwise,
                            int32_t least, int32_t most);

// At `now`: not to be replaced yet; valid; valid give or take a day, which is enough for guards and
// onion services (9.08).
bool consensus_is_fresh(const struct consensus *c, time_t now);
bool consensus_is_valid(const struct consensus *c, time_t now);
bool consensus_is_reasonably_live(const struct consensus *c, time_t now);

struct certificate;
// How many of the given authorities (v3 identities, 20 bytes each) have signed it with a key that
// one of the certificates vouches for at `now`. More than half of them must have (9.03).
// `missing` (may be NULL; room for n_authorities) gets a signature of each authority whose
// certificate is not there, and `*n_missing` (may be NULL) their number.
unsigned consensus_count_signatures(const struct consensus *c, const uint8_t (*authorities)[20],
                                    unsigned n_authorities,
                                    const struct certificate *const *certificates,
                                    unsigned n_certificates, time_t now,
                                    const struct consensus_signature **missing,
                                    unsigned *n_missing);
