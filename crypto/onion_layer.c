// SPDX-License-Identifier: BSD-3-Clause
// The digest half of the layer between a client and an onion service.
#include "crypto/onion_layer.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/cell.h"

enum {
    RECOGNIZED_AT = 1,
    RECOGNIZED_LEN = 2,
    DIGEST_AT = 5,
    DIGEST_LEN = 4,
    SEED_LEN = 32,
    KEY_LEN = 32,
};

static void layer_init(struct onion_layer *layer, const uint8_t *seed, const uint8_t *key)
{
    sha3_256_run_init(&layer->digest);
    sha3_256_run_update(&layer->digest, seed, SEED_LEN);
    ctr_long_stream_init(&layer->cipher, key);
}

void onion_layers_init(struct onion_layer *send, struct onion_layer *receive,
                       const uint8_t material[ONION_MATERIAL_LEN])
{
    const uint8_t *keys = material + 2 * SEED_LEN;
    layer_init(send, material, keys);
    layer_init(receive, material + SEED_LEN, keys + KEY_LEN);
}

// Adds a body to the running digest as if its digest field were zero, and says the digest so far.
static void digest_body(struct sha3_256_run *h, const uint8_t *body, uint8_t digest[32])
{
    static const uint8_t zeros[DIGEST_LEN];
    sha3_256_run_update(h, body, DIGEST_AT);
    sha3_256_run_update(h, zeros, DIGEST_LEN);
    sha3_256_run_update(h, body + DIGEST_AT + DIGEST_LEN, CELL_BODY_LEN - DIGEST_AT - DIGEST_LEN);
    sha3_256_run_peek(h, digest);
}

bool onion_recognise(struct onion_layer *layer, const uint8_t body[509], uint8_t tag[ONION_TAG_LEN])
{
    if (body[RECOGNIZED_AT] | body[RECOGNIZED_AT + 1])
        return false;
    struct sha3_256_run moved = layer->digest;
    uint8_t digest[32];
    digest_body(&moved, body, digest);
    bool ours = CRYPTO_memcmp(digest, body + DIGEST_AT, DIGEST_LEN) == 0;
    if (ours) {
        layer->digest = moved;
        memcpy(tag, digest, ONION_TAG_LEN);
    }
    OPENSSL_cleanse(&moved, sizeof(moved));
    OPENSSL_cleanse(digest, sizeof(digest));
    return ours;
}

void onion_originate(struct onion_layer *layer, uint8_t body[509], uint8_t tag[ONION_TAG_LEN])
{
    uint8_t digest[32];
    memset(body + RECOGNIZED_AT, 0, RECOGNIZED_LEN);
    digest_body(&layer->digest, body, digest);
    memcpy(tag, digest, ONION_TAG_LEN);
    memcpy(body + DIGEST_AT, digest, DIGEST_LEN);
    OPENSSL_cleanse(digest, sizeof(digest));
}
