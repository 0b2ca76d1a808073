// SPDX-License-Identifier: BSD-3-Clause
// The bodies of CERTS cells, and an Ed25519 certificate by itself.
#include "link/link_certs.h"

#include "crypto/ed_cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const uint8_t tls_cert_sha256[32];
    const time_t now = 1800000000;
    struct certs_parts parts;
    struct link_peer peer;
    struct ed_cert cert;
    if (link_certs_split(bytes, length, &parts) == 0) {
        for (unsigned i = 0; i <= CERTS_TYPE_LAST; i++)
            if (parts.part[i].bytes &&
                (parts.part[i].bytes < bytes || parts.part[i].length > length))
                __builtin_trap();
        if (!link_certs_check(bytes, length, LINK_INITIATOR, tls_cert_sha256, now, &peer) ||
            !link_certs_check(bytes, length, LINK_RESPONDER, tls_cert_sha256, now, &peer))
            __builtin_trap(); // nobody has signed that
    }
    if (ed_cert_parse(bytes, length, &cert) == 0 && ed_cert_check(&cert, NULL, now) == 0)
        return -1;
    return 0;
}
