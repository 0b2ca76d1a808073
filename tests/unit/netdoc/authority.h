// SPDX-License-Identifier: BSD-3-Clause
// A directory authority for tests: its keys, its certificate, its signatures.
#pragma once

#include <time.h>

#include "crypto/rsa.h"
#include "documents.h"

struct authority {
    struct rsa_key *identity, *signing; // 1024 bits, which is enough here
    uint8_t identity_sha1[20], signing_sha1[20];
};

struct authority authority_make(void);
void authority_drop(struct authority *a);
// How the certificate is to be wrong.
enum wrong_certificate { CERTIFICATE_GOOD, WRONG_FINGERPRINT, WRONG_CROSSCERT, WRONG_SIGNATURE };
struct document authority_certificate(const struct authority *a, time_t published, time_t expires,
                                      enum wrong_certificate wrong);
// A consensus of `header` (which ends before the dir-sources), all authorities' dir-sources and
// `routers`. It has the signatures that are named: "01" for those of authorities 0 and 1 over its
// SHA-1, "0s" for that over its SHA-256.
struct document authority_consensus(const struct authority *all, unsigned n, const char *header,
                                    const char *routers, const char *signatures);
