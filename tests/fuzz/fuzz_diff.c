// SPDX-License-Identifier: BSD-3-Clause
// Applying a difference of consensuses. The input's commands get a head that is right for the base,
// so that they are read; what they make is nobody's consensus. Then two consensuses out of the
// input, which ends where the other begins: what is made of them must apply.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "netdoc/consensus.h"
#include "netdoc/diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const char base[] = "network-status-version 3\nparams a=1\n"
                           "r one AAAAAAAAAAAAAAAAAAAAAAAAAAA x\ns Fast\nw Bandwidth=1\n"
                           "r two BAAAAAAAAAAAAAAAAAAAAAAAAAA x\ns Fast\nw Bandwidth=2\n"
                           "directory-footer\ndirectory-signature a b\nsignature\n";

static void apply(const uint8_t *bytes, size_t length)
{
    uint8_t digest[SHA3_256_LEN];
    char head[256];
    int n = snprintf(head, sizeof(head), "network-status-diff-version 1\nhash ");
    sha3_256(base, consensus_signed_length((const uint8_t *)base, sizeof(base) - 1), digest);
    for (unsigned i = 0; i < SHA3_256_LEN; i++)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "%02X", digest[i]);
    n += snprintf(head + n, sizeof(head) - (size_t)n, " %064d\n", 0);
    uint8_t *diff = malloc((size_t)n + length);
    memcpy(diff, head, (size_t)n);
    memcpy(diff + n, bytes, length);
    if (consensus_diff_apply((const uint8_t *)base, sizeof(base) - 1, diff, (size_t)n + length))
        __builtin_trap();
    free(diff);
}

static void make(const uint8_t *bytes, size_t length)
{
    const uint8_t *middle = length > 0 ? memchr(bytes, 0, length) : NULL;
    if (middle == NULL)
        return;
    size_t from = (size_t)(middle - bytes), to = length - from - 1;
    struct blob *diff = consensus_diff_make(bytes, from, middle + 1, to);
    if (diff == NULL)
        return;
    struct blob *result = consensus_diff_apply(bytes, from, diff->bytes, diff->length);
    if (result == NULL || result->length != to || memcmp(result->bytes, middle + 1, to) != 0)
        __builtin_trap();
    blob_drop(diff);
    blob_drop(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    apply(bytes, length);
    make(bytes, length);
    return 0;
}
