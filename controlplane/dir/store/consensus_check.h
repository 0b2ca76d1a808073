// SPDX-License-Identifier: BSD-3-Clause
// May a consensus be believed: enough of the authorities that are configured have signed it, with
// keys that their certificates vouch for (protocol 9.03).
#pragma once

#include <time.h>

#include "netdoc/consensus.h"

struct certificate;
struct config;

enum consensus_verdict {
    CONSENSUS_BELIEVED,
    CONSENSUS_CERTIFICATES_MISSING, // with those it may be
    CONSENSUS_UNSIGNED,
};

struct consensus_signers {
    unsigned good;
    unsigned needed;
    unsigned n_missing;
    const struct consensus_signature *missing[64]; // point into the consensus
};

enum consensus_verdict consensus_check(const struct config *config, const struct consensus *c,
                                       const struct certificate *const *certificates,
                                       unsigned n_certificates, time_t now,
                                       struct consensus_signers *signers);
