// SPDX-License-Identifier: BSD-3-Clause
// Sealing and opening TLS records, next to EVP. Ours also the way the dataplane does it: from cells
// into segments and back, where EVP still has it all in one piece.
#include "crypto.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "base/message.h"
#include "crypto/record_aead.h"

enum { RECORD_MAX = 16384, SEGMENT = 1448, TAG = RECORD_TAG_LEN, CIPHERS = 3, SHAPES = 4 };

static const struct {
    uint16_t suite;
    const char *name;
} ciphers[CIPHERS] = {
    {TLS_AES_128_GCM_SHA256_ID, "AES-128-GCM"},
    {TLS_AES_256_GCM_SHA384_ID, "AES-256-GCM"},
    {TLS_CHACHA20_POLY1305_SHA256_ID, "ChaCha20-Poly1305"},
};

static const struct {
    size_t length;
    bool scattered;
    const char *name;
} shapes[SHAPES] = {
    {514, false, "514 B"},
    {4096, false, "4 KB"},
    {RECORD_MAX, false, "16 KB"},
    {31 * CELL_LEN, true, "31 cells in segments"},
};

static const uint8_t aad[RECORD_AAD_LEN] = {23, 3, 3, 0x40, 0x11};

struct record_case {
    struct record_bench *all;
    struct record_key key;
    EVP_CIPHER_CTX *seal, *open;
    uint8_t nonce[12];
    size_t length;
    bool scattered;
    uint8_t tag[TAG];
    uint8_t plain[RECORD_MAX], sealed[RECORD_MAX], opened[RECORD_MAX];
};

struct record_bench {
    const struct record_aead *ra;
    struct record_case cases[CIPHERS * SHAPES];
};

typedef void piece_fn(const struct record_aead *, struct record_op *, const struct record_key *,
                      uint8_t *, const uint8_t *, size_t);

// Pieces end where a span of the one side or of the other ends.
static void in_pieces(struct record_case *c, struct record_op *op, piece_fn *piece, uint8_t *dst,
                      const uint8_t *src, size_t cell)
{
    for (size_t at = 0; at < c->length;) {
        size_t n = c->length - at;
        size_t in_segment = SEGMENT - (at + RECORD_AAD_LEN) % SEGMENT;
        size_t in_cell = cell ? cell - at % cell : n;
        n = n < in_segment ? n : in_segment;
        n = n < in_cell ? n : in_cell;
        piece(c->all->ra, op, &c->key, dst + at, src + at, n);
        at += n;
    }
}

static void seal_ours(void *ctx, unsigned times)
{
    struct record_case *c = ctx;
    const struct record_aead *ra = c->all->ra;
    struct record_op op;
    while (times--) {
        c->key.sequence = 0;
        record_aead_begin(ra, &op, &c->key, aad);
        if (c->scattered)
            in_pieces(c, &op, record_aead_seal, c->sealed, c->plain, CELL_LEN);
        else
            record_aead_seal(ra, &op, &c->key, c->sealed, c->plain, c->length);
        record_aead_seal_end(ra, &op, &c->key, c->tag);
    }
}

static bool open_once(struct record_case *c)
{
    const struct record_aead *ra = c->all->ra;
    struct record_op op;
    c->key.sequence = 0;
    record_aead_begin(ra, &op, &c->key, aad);
    if (c->scattered)
        in_pieces(c, &op, record_aead_open, c->opened, c->sealed, 0);
    else
        record_aead_open(ra, &op, &c->key, c->opened, c->sealed, c->length);
    return record_aead_open_end(ra, &op, &c->key, c->tag);
}

static void open_ours(void *ctx, unsigned times)
{
    while (times--)
        (void)!open_once(ctx);
}

static void seal_openssl(void *ctx, unsigned times)
{
    struct record_case *c = ctx;
    int n;
    while (times--) {
        EVP_EncryptInit_ex(c->seal, NULL, NULL, NULL, c->nonce);
        EVP_EncryptUpdate(c->seal, NULL, &n, aad, sizeof(aad));
        EVP_EncryptUpdate(c->seal, c->sealed, &n, c->plain, (int)c->length);
        EVP_EncryptFinal_ex(c->seal, c->sealed + n, &n);
        EVP_CIPHER_CTX_ctrl(c->seal, EVP_CTRL_AEAD_GET_TAG, TAG, c->tag);
    }
}

static void open_openssl(void *ctx, unsigned times)
{
    struct record_case *c = ctx;
    int n;
    while (times--) {
        EVP_DecryptInit_ex(c->open, NULL, NULL, NULL, c->nonce);
        EVP_DecryptUpdate(c->open, NULL, &n, aad, sizeof(aad));
        EVP_DecryptUpdate(c->open, c->opened, &n, c->sealed, (int)c->length);
        EVP_CIPHER_CTX_ctrl(c->open, EVP_CTRL_AEAD_SET_TAG, TAG, c->tag);
        EVP_DecryptFinal_ex(c->open, c->opened + n, &n);
    }
}

static bool case_init(struct record_bench *b, struct record_case *c, unsigned cipher,
                      unsigned shape)
{
    uint8_t secret[32];
    c->all = b;
    c->length = shapes[shape].length;
    c->scattered = shapes[shape].scattered;
    if (RAND_bytes(secret, sizeof(secret)) != 1 || RAND_bytes(c->nonce, sizeof(c->nonce)) != 1 ||
        RAND_bytes(c->plain, sizeof(c->plain)) != 1)
        return false;
    EVP_CIPHER *evp = EVP_CIPHER_fetch(NULL, ciphers[cipher].name, NULL);
    c->seal = EVP_CIPHER_CTX_new();
    c->open = EVP_CIPHER_CTX_new();
    bool good = evp && c->seal && c->open &&
                EVP_EncryptInit_ex(c->seal, evp, NULL, secret, c->nonce) == 1 &&
                EVP_DecryptInit_ex(c->open, evp, NULL, secret, c->nonce) == 1 &&
                record_key_init(b->ra, &c->key, ciphers[cipher].suite, secret, c->nonce, 0);
    EVP_CIPHER_free(evp);
    return good;
}

// Leaves a good record in c->sealed, for the opening.
static bool agree(struct record_case *c)
{
    static uint8_t other[RECORD_MAX];
    uint8_t tag[TAG];
    seal_openssl(c, 1);
    memcpy(other, c->sealed, c->length);
    memcpy(tag, c->tag, TAG);
    seal_ours(c, 1);
    return memcmp(other, c->sealed, c->length) == 0 && memcmp(tag, c->tag, TAG) == 0 &&
           open_once(c) && memcmp(c->opened, c->plain, c->length) == 0;
}

static void fill(struct measurement *m, struct record_case *c, const char *group,
                 const char *cipher, const char *shape)
{
    bool seal = strcmp(group, "seal") == 0;
    *m = (struct measurement){.bytes = c->length,
                              .units = 1,
                              .ours = seal ? seal_ours : open_ours,
                              .openssl = seal ? seal_openssl : open_openssl,
                              .ctx = c};
    snprintf(m->group, sizeof(m->group), "%s", group);
    snprintf(m->name, sizeof(m->name), "%s, %s", cipher, shape);
}

struct record_bench *record_bench_create(const struct record_aead *ra, struct measurement *out,
                                         const char **error)
{
    *error = "out of memory";
    struct record_bench *b = aligned_alloc(64, (sizeof(*b) + 63) / 64 * 64);
    if (!b)
        return NULL;
    memset(b, 0, sizeof(*b));
    b->ra = ra;
    for (unsigned i = 0; i < CIPHERS * SHAPES; i++) {
        unsigned cipher = i / SHAPES, shape = i % SHAPES;
        struct record_case *c = &b->cases[i];
        bool good = case_init(b, c, cipher, shape);
        if (good && !agree(c)) {
            *error = "the record encryption and OpenSSL disagree";
            good = false;
        }
        if (!good) {
            record_bench_destroy(b);
            return NULL;
        }
        fill(&out[i], c, "seal", ciphers[cipher].name, shapes[shape].name);
        fill(&out[CIPHERS * SHAPES + i], c, "open", ciphers[cipher].name, shapes[shape].name);
    }
    return b;
}

void record_bench_destroy(struct record_bench *b)
{
    for (unsigned i = 0; i < CIPHERS * SHAPES; i++) {
        EVP_CIPHER_CTX_free(b->cases[i].seal);
        EVP_CIPHER_CTX_free(b->cases[i].open);
        record_key_clear(&b->cases[i].key);
    }
    free(b);
}
