// SPDX-License-Identifier: BSD-3-Clause
// The signatures below a consensus (9.03–9.05), and which of them are good.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "crypto/rsa.h"
#include "netdoc/certificate.h"
#include "netdoc/consensus_internal.h"

enum { SIGNATURE_LENGTH_MIN = 128 };

static bool is_voter(const struct consensus_parser *p, const uint8_t identity[20])
{
    for (unsigned i = 0; i < p->n_voters; i++)
        if (memcmp(p->voters[i], identity, 20) == 0)
            return true;
    return false;
}

static bool is_there(const struct consensus *c, const struct consensus_signature *s)
{
    for (size_t i = 0; i < c->n_signatures; i++)
        if (c->signatures[i].sha256 == s->sha256 &&
            memcmp(c->signatures[i].identity, s->identity, 20) == 0)
            return true;
    return false;
}

// The plain flavour is signed by its SHA-1, and may be by its SHA-256; the other only by the
// latter. Another digest, by whatever name, is none that we could compare with.
static bool digest_is_expected(const struct consensus *c, struct text name, bool *is_sha256)
{
    *is_sha256 = text_is(name, "sha256");
    return *is_sha256 || (text_is(name, "sha1") && c->flavour == CONSENSUS_NS);
}

// [digest] identity signing-key
int consensus_signature_item(struct consensus_parser *p, const struct token *t)
{
    struct consensus *c = p->c;
    struct consensus_signature s = {0};
    struct text argument[3], digest = {"sha1", 4};
    unsigned n = token_arguments(t, argument, 3);
    const struct text *keys = argument;
    if (n == 3) {
        digest = argument[0];
        keys = &argument[1];
    }
    int length = token_object(t, "SIGNATURE", s.signature, sizeof(s.signature));
    if (n < 2 || length < SIGNATURE_LENGTH_MIN ||
        text_hex(keys[0], s.identity, sizeof(s.identity)) < 0 ||
        text_hex(keys[1], s.signing_key, sizeof(s.signing_key)) < 0)
        return consensus_wrong(p, "bad directory-signature");
    if (!is_voter(p, s.identity))
        return consensus_wrong(p, "signed by who is no dir-source");
    s.signature_length = (uint16_t)length;
    if (!digest_is_expected(c, digest, &s.sha256) || is_there(c, &s))
        return 0;
    if (c->n_signatures == CONSENSUS_SIGNATURES_MAX)
        return consensus_wrong(p, "too many signatures");
    struct consensus_signature *all =
        realloc(c->signatures, (c->n_signatures + 1) * sizeof(*c->signatures));
    if (all == NULL)
        return -ENOMEM;
    c->signatures = all;
    all[c->n_signatures++] = s;
    return 0;
}

static const struct certificate *certificate_for(const struct consensus_signature *s,
                                                 const struct certificate *const *certificates,
                                                 unsigned n_certificates, time_t now)
{
    for (unsigned i = 0; i < n_certificates; i++) {
        const struct certificate *cert = certificates[i];
        if (memcmp(cert->identity, s->identity, 20) == 0 &&
            memcmp(cert->signing_key, s->signing_key, 20) == 0 && cert->expires >= now)
            return cert;
    }
    return NULL;
}

static bool is_good(const struct consensus *c, const struct consensus_signature *s,
                    const struct certificate *cert)
{
    struct rsa_key *key = rsa_public_from_der(cert->signing_key_der, cert->signing_key_der_length);
    bool good =
        key != NULL && rsa_verify(key, s->sha256 ? c->signed_sha256 : c->signed_sha1,
                                  s->sha256 ? sizeof(c->signed_sha256) : sizeof(c->signed_sha1),
                                  s->signature, s->signature_length);
    rsa_free(key);
    return good;
}

static bool is_named_before(const uint8_t (*authorities)[20], unsigned i)
{
    for (unsigned before = 0; before < i; before++)
        if (memcmp(authorities[before], authorities[i], 20) == 0)
            return true;
    return false;
}

unsigned consensus_count_signatures(const struct consensus *c, const uint8_t (*authorities)[20],
                                    unsigned n_authorities,
                                    const struct certificate *const *certificates,
                                    unsigned n_certificates, time_t now,
                                    const struct consensus_signature **missing, unsigned *n_missing)
{
    unsigned good = 0, lacking = 0;
    for (unsigned i = 0; i < n_authorities; i++) {
        const struct consensus_signature *unchecked = NULL;
        bool counts = false;
        if (is_named_before(authorities, i))
            continue;
        for (size_t j = 0; j < c->n_signatures && !counts; j++) {
            const struct consensus_signature *s = &c->signatures[j];
            if (memcmp(s->identity, authorities[i], 20) != 0)
                continue;
            const struct certificate *cert = certificate_for(s, certificates, n_certificates, now);
            if (cert == NULL)
                unchecked = s;
            else
                counts = is_good(c, s, cert);
        }
        if (counts)
            good++;
        else if (unchecked != NULL && missing != NULL)
            missing[lacking++] = unchecked;
        else if (unchecked != NULL)
            lacking++;
    }
    if (n_missing != NULL)
        *n_missing = lacking;
    return good;
}
