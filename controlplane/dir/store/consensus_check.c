// SPDX-License-Identifier: BSD-3-Clause
// The threshold of good signatures.
#include "dir/store/consensus_check.h"

#include <string.h>

#include "config/config.h"

_Static_assert((int)CONFIG_AUTHORITIES_MAX <= 64, "room for those whose certificates are missing");

enum consensus_verdict consensus_check(const struct config *config, const struct consensus *c,
                                       const struct certificate *const *certificates,
                                       unsigned n_certificates, time_t now,
                                       struct consensus_signers *signers)
{
    uint8_t authorities[CONFIG_AUTHORITIES_MAX][20];
    unsigned n = config->directory_authority_count;
    for (unsigned i = 0; i < n; i++)
        memcpy(authorities[i], config->directory_authorities[i].v3_identity, 20);
    signers->needed = n / 2 + 1;
    signers->n_missing = 0;
    signers->good =
        consensus_count_signatures(c, (const uint8_t(*)[20])authorities, n, certificates,
                                   n_certificates, now, signers->missing, &signers->n_missing);
    if (n > 0 && signers->good >= signers->needed)
        return CONSENSUS_BELIEVED;
    return signers->good + signers->n_missing >= signers->needed && n > 0
               ? CONSENSUS_CERTIFICATES_MISSING
               : CONSENSUS_UNSIGNED;
}
