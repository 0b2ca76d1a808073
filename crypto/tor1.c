// SPDX-License-Identifier: BSD-3-Clause
// The digest half of tor1: which cells are for this hop, and the mark on those that it sends.

// SHA1_* are deprecated in OpenSSL 3.0, but an EVP_MD_CTX is a heap object: 100,000 circuits would
// mean 200,000 allocations, and every cell that looks like ours would need one more.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/tor1.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/cell.h"

enum {
    RECOGNIZED_AT = 1,
    RECOGNIZED_LEN = 2,
    DIGEST_AT = 5,
    DIGEST_LEN = 4,
    AES_KEY_LEN = 16,
};

void tor1_layers_init(struct cell_cipher *cc, struct tor1_layer *forward,
                      struct tor1_layer *backward, const uint8_t material[TOR1_MATERIAL_LEN])
{
    const uint8_t *forward_digest = material;
    const uint8_t *backward_digest = forward_digest + SHA_DIGEST_LENGTH;
    const uint8_t *forward_key = backward_digest + SHA_DIGEST_LENGTH;
    const uint8_t *backward_key = forward_key + AES_KEY_LEN;

    SHA1_Init(&forward->digest);
    SHA1_Update(&forward->digest, forward_digest, SHA_DIGEST_LENGTH);
    ctr_stream_init(cc, &forward->cipher, forward_key);
    SHA1_Init(&backward->digest);
    SHA1_Update(&backward->digest, backward_digest, SHA_DIGEST_LENGTH);
    ctr_stream_init(cc, &backward->cipher, backward_key);
}

void tor1_layer_clear(struct tor1_layer *layer)
{
    OPENSSL_cleanse(layer, sizeof(*layer));
}

// Adds a body to the running digest as if its digest field were zero, and says the digest so far.
static void digest_body(SHA_CTX *digest, const uint8_t *body, uint8_t tag[TOR1_TAG_LEN])
{
    static const uint8_t zeros[DIGEST_LEN];
    SHA1_Update(digest, body, DIGEST_AT);
    SHA1_Update(digest, zeros, DIGEST_LEN);
    SHA1_Update(digest, body + DIGEST_AT + DIGEST_LEN, CELL_BODY_LEN - DIGEST_AT - DIGEST_LEN);
    SHA_CTX running = *digest;
    SHA1_Final(tag, &running);
}

bool tor1_recognise(struct tor1_layer *layer, const uint8_t body[509], uint8_t tag[TOR1_TAG_LEN])
{
    if (body[RECOGNIZED_AT] | body[RECOGNIZED_AT + 1])
        return false;
    SHA_CTX digest = layer->digest;
    uint8_t full[TOR1_TAG_LEN];
    digest_body(&digest, body, full);
    bool ours = CRYPTO_memcmp(full, body + DIGEST_AT, DIGEST_LEN) == 0;
    if (ours) {
        layer->digest = digest;
        memcpy(tag, full, sizeof(full));
    }
    OPENSSL_cleanse(&digest, sizeof(digest));
    OPENSSL_cleanse(full, sizeof(full));
    return ours;
}

void tor1_originate(struct tor1_layer *layer, uint8_t body[509], uint8_t tag[TOR1_TAG_LEN])
{
    memset(body + RECOGNIZED_AT, 0, RECOGNIZED_LEN);
    digest_body(&layer->digest, body, tag);
    memcpy(body + DIGEST_AT, tag, DIGEST_LEN);
}
