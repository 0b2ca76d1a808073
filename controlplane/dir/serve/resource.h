// SPDX-License-Identifier: BSD-3-Clause
// What a directory request asks for, by its method and path (protocol 6.21–6.25, 7.01, 7.02). Pure
// functions.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dir/serve/http_request.h"
#include "dir/store/store.h"

enum resource_kind {
    RESOURCE_UNKNOWN, // 404
    RESOURCE_BAD,     // 400
    RESOURCE_ROBOTS,
    RESOURCE_CONSENSUS, // flavour; `list`: fingerprints of authorities that should have signed it
    RESOURCE_DIFF,      // the same, from the consensus `diff_from` on, or nothing
    RESOURCE_DOCUMENTS, // store; `list`: digests
    RESOURCE_CERTIFICATE_PAIRS, // `list`: pairs of digests, identity's and signing key's
    RESOURCE_ALL,               // store: every one
    RESOURCE_OWN,               // store: ours
    RESOURCE_ONION_DESCRIPTOR,
    RESOURCE_ONION_PUBLISH,
};

struct resource {
    enum resource_kind kind;
    enum consensus_flavour flavour;
    enum store_kind store;
    uint8_t diff_from[STORE_DIGEST_LEN];
    bool deflate;     // ".z"
    struct text list; // in the path: what is left of it
    // RESOURCE_ONION_DESCRIPTOR: a client on one hop is not told whether its key is a good one.
    bool bad_key;
    uint8_t blinded_key[32];
};

struct resource resource_of(enum http_method method, struct text path);

// Takes the next of the list of RESOURCE_DOCUMENTS (20 or 32 bytes) or RESOURCE_CERTIFICATE_PAIRS
// (20 and 20). What is malformed is skipped. False: there are no more.
bool resource_next(struct resource *r, uint8_t digest[40]);
// Takes the next fingerprint of RESOURCE_CONSENSUS or RESOURCE_DIFF, which may be abbreviated, as
// it stands.
bool resource_next_fingerprint(struct resource *r, struct text *out);
// The next digest of X-Or-Diff-From-Consensus. What is malformed is skipped.
bool diff_from_next(struct text *value, uint8_t digest[STORE_DIGEST_LEN]);
