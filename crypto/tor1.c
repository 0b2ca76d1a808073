// SPDX-License-Identifier: BSD-3-Clause
// The digest half of tor1: which cells are for this hop, and the mark on those that it sends.

// SHA1_* are deprecated in OpenSSL 3.0, but an EVP_MD_CTX is a heap object: 100,000 circuits would
// mean 200,000 allocations, and every cell that looks like ours would need one more.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/tor1.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/cell.h"

enum {
    RECOGNIZED_AT = 1,
    RECOGNIZED_LEN = 2,
    DIGEST_AT = 5,
    DIGEST_LEN = 4,
    AES_KEY_LEN = 16,
};

static void digest_store(struct tor1_digest *d, const SHA_CTX *sha, uint64_t bodies)
{
    const uint32_t state[] = {sha->h0, sha->h1, sha->h2, sha->h3, sha->h4};
    memcpy(d->state, state, sizeof(state));
    d->bodies_low = (uint32_t)bodies;
    d->bodies_high = (uint8_t)(bodies >> 32);
    memcpy(d->partial, sha->data, sha->num);
}

// How many bodies there were.
static uint64_t digest_load(const struct tor1_digest *d, SHA_CTX *sha)
{
    uint64_t bodies = (uint64_t)d->bodies_high << 32 | d->bodies_low;
    uint64_t length = SHA_DIGEST_LENGTH + bodies * CELL_BODY_LEN;
    *sha = (SHA_CTX){
        .h0 = d->state[0],
        .h1 = d->state[1],
        .h2 = d->state[2],
        .h3 = d->state[3],
        .h4 = d->state[4],
        .Nl = (SHA_LONG)(length << 3), // in bits
        .Nh = (SHA_LONG)(length >> 29),
        .num = (unsigned)(length % SHA_CBLOCK),
    };
    memcpy(sha->data, d->partial, sha->num);
    return bodies;
}

static void digest_init(struct tor1_digest *d, const uint8_t seed[SHA_DIGEST_LENGTH])
{
    SHA_CTX sha;
    SHA1_Init(&sha);
    SHA1_Update(&sha, seed, SHA_DIGEST_LENGTH);
    memset(d, 0, sizeof(*d));
    digest_store(d, &sha, 0);
    OPENSSL_cleanse(&sha, sizeof(sha));
}

void tor1_layers_init(struct cell_cipher *cc, struct tor1_layer *forward,
                      struct tor1_layer *backward, const uint8_t material[TOR1_MATERIAL_LEN])
{
    const uint8_t *forward_digest = material;
    const uint8_t *backward_digest = forward_digest + SHA_DIGEST_LENGTH;
    const uint8_t *forward_key = backward_digest + SHA_DIGEST_LENGTH;
    const uint8_t *backward_key = forward_key + AES_KEY_LEN;

    digest_init(&forward->digest, forward_digest);
    ctr_stream_init(cc, &forward->cipher, forward_key);
    digest_init(&backward->digest, backward_digest);
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
    SHA_CTX sha;
    uint8_t full[TOR1_TAG_LEN];
    uint64_t bodies = digest_load(&layer->digest, &sha);
    digest_body(&sha, body, full);
    bool ours = CRYPTO_memcmp(full, body + DIGEST_AT, DIGEST_LEN) == 0;
    if (ours) {
        digest_store(&layer->digest, &sha, bodies + 1);
        memcpy(tag, full, sizeof(full));
    }
    OPENSSL_cleanse(&sha, sizeof(sha));
    OPENSSL_cleanse(full, sizeof(full));
    return ours;
}

void tor1_originate(struct tor1_layer *layer, uint8_t body[509], uint8_t tag[TOR1_TAG_LEN])
{
    SHA_CTX sha;
    uint64_t bodies = digest_load(&layer->digest, &sha);
    memset(body + RECOGNIZED_AT, 0, RECOGNIZED_LEN);
    digest_body(&sha, body, tag);
    digest_store(&layer->digest, &sha, bodies + 1);
    memcpy(body + DIGEST_AT, tag, DIGEST_LEN);
    OPENSSL_cleanse(&sha, sizeof(sha));
}
