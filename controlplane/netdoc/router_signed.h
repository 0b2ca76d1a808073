// SPDX-License-Identifier: BSD-3-Clause
// What server descriptors and extra-infos have in common: the relay's Ed25519 certificate as second
// item, and two signatures as last ones (protocol 6.02, 6.07, 6.08, 6.12).
#pragma once

#include "crypto/ed_cert.h"
#include "crypto/rsa.h"
#include "netdoc/router.h"
#include "netdoc/tokens.h"

enum { ROUTER_CERT_MAX = 512 };

struct router_signed {
    const uint8_t *text;
    size_t length; // of the document
    unsigned n_items;
    bool has_published, has_ed_signature, is_whole;
    time_t published;
    uint8_t cert_bytes[ROUTER_CERT_MAX];
    struct ed_cert cert; // points into them
    uint8_t ed_signature[ED25519_SIG_LEN];
    const uint8_t *ed_signed_end; // of what that signs
    uint8_t rsa_signature[RSA_SIG_MAX];
    size_t rsa_signature_length;
    const uint8_t *rsa_signed_end;
};

// Reads every item of the first document of `text`, which begins with the item `first` and is at
// most `most` bytes long. Those that are not common to both kinds are given to `other`: the first
// one, too. 0 or -EINVAL; `*length` as router_descriptor_parse() says. Checks no signature.
int router_signed_read(struct router_signed *s, const uint8_t *text, size_t size, const char *first,
                       size_t most, int (*other)(void *user, const struct token *t), void *user,
                       size_t *length);
// Checks the certificate, but not its expiry, and the Ed25519 signature, and fills in what `out`
// has in common. 0 or -EINVAL.
int router_signed_check(const struct router_signed *s, struct router_document *out);

// What an item may have below its line.
enum router_object { OBJECT_NONE, OBJECT_NEEDED, OBJECT_ANY };
bool router_object_fits(enum router_object rule, const struct token *t);
