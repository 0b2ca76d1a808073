// SPDX-License-Identifier: BSD-3-Clause
// Sealing and opening TLS records, next to EVP. Ours also as the dataplane's record layer does it,
// from cells into segments and back, where EVP still has it all in one piece.
#include "crypto.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "base/message.h"
#include "crypto/record_aead.h"
#include "stream.h"
#include "tls/record_in.h"
#include "tls/record_out.h"

enum { CELLS = 31, CIPHERS = 3, SHAPES = 4, TAG = RECORD_TAG_LEN };

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
    bool cells;
    const char *name;
} shapes[SHAPES] = {
    {514, false, "514 B"},
    {4096, false, "4 KB"},
    {TLS_PLAINTEXT_MAX, false, "16 KB"},
    {CELLS * CELL_LEN, true, "31 cells in segments"},
};

static const uint8_t aad[RECORD_AAD_LEN] = {23, 3, 3, 0x40, 0x11};

struct record_case {
    struct record_bench *all;
    struct record_key key;
    EVP_CIPHER_CTX *seal, *open;
    uint8_t nonce[12];
    size_t length;
    uint8_t tag[TAG];
    uint8_t plain[TLS_PLAINTEXT_MAX], sealed[TLS_PLAINTEXT_MAX], opened[TLS_STAGING_LEN];
    // The record layer's, for the shape that goes through it.
    bool cells;
    struct tls_in in;
    struct tls_out out;
    struct tcp_conn stream;
};

struct record_bench {
    struct tls_worker worker;
    struct counters counters;
    struct record_case cases[CIPHERS * SHAPES];
};

typedef void piece_fn(const struct record_aead *, struct record_op *, const struct record_key *,
                      uint8_t *, const uint8_t *, size_t);

// As the dataplane does it. The other end's sequence number stays 0, as OpenSSL's does here.
static int seal_cells(struct record_case *c)
{
    struct tls_span spans[CELLS];
    for (unsigned i = 0; i < CELLS; i++)
        spans[i] = (struct tls_span){c->plain + i * CELL_LEN, CELL_LEN};
    c->out.key.sequence = 0;
    c->stream.written = 0;
    return tls_out_seal(&c->out, &c->all->worker, &c->stream, TLS_CONTENT_APPLICATION_DATA, spans,
                        CELLS);
}

static bool open_cells(struct record_case *c)
{
    struct tls_in_event event;
    c->in.key.sequence = 0;
    c->stream.readable = CELLS * CELL_LEN + TLS_RECORD_OVERHEAD;
    return tls_in_next(&c->in, &c->all->worker, &c->stream, c->opened, &event) == TLS_IN_DATA;
}

static void seal_ours(void *ctx, unsigned times)
{
    struct record_case *c = ctx;
    const struct record_aead *ra = c->all->worker.aead;
    struct record_op op;
    while (times--) {
        if (c->cells) {
            (void)!seal_cells(c);
            continue;
        }
        c->key.sequence = 0;
        record_aead_begin(ra, &op, &c->key, aad);
        record_aead_seal(ra, &op, &c->key, c->sealed, c->plain, c->length);
        record_aead_seal_end(ra, &op, &c->key, c->tag);
    }
}

static bool open_once(struct record_case *c)
{
    const struct record_aead *ra = c->all->worker.aead;
    struct record_op op;
    if (c->cells)
        return open_cells(c);
    c->key.sequence = 0;
    record_aead_begin(ra, &op, &c->key, aad);
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
    c->cells = shapes[shape].cells;
    if (RAND_bytes(secret, sizeof(secret)) != 1 || RAND_bytes(c->nonce, sizeof(c->nonce)) != 1 ||
        RAND_bytes(c->plain, sizeof(c->plain)) != 1)
        return false;
    EVP_CIPHER *evp = EVP_CIPHER_fetch(NULL, ciphers[cipher].name, NULL);
    c->seal = EVP_CIPHER_CTX_new();
    c->open = EVP_CIPHER_CTX_new();
    bool good =
        evp && c->seal && c->open &&
        EVP_EncryptInit_ex(c->seal, evp, NULL, secret, c->nonce) == 1 &&
        EVP_DecryptInit_ex(c->open, evp, NULL, secret, c->nonce) == 1 &&
        record_key_init(b->worker.aead, &c->key, ciphers[cipher].suite, secret, c->nonce, 0);
    struct tls_keys keys = {.cipher = ciphers[cipher].suite};
    memcpy(keys.key, secret, sizeof(keys.key));
    memcpy(keys.iv, c->nonce, sizeof(keys.iv));
    good =
        good && tls_in_init(&c->in, &b->worker, &keys) && tls_out_init(&c->out, &b->worker, &keys);
    EVP_CIPHER_free(evp);
    return good;
}

// Leaves a good record in c->sealed or c->stream, for the opening.
static bool agree(struct record_case *c)
{
    static uint8_t other[TLS_PLAINTEXT_MAX];
    uint8_t tag[TAG];
    if (c->cells) // what it seals is tested elsewhere
        return seal_cells(c) == 0 && open_cells(c) && memcmp(c->opened, c->plain, c->length) == 0;
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
    b->worker = (struct tls_worker){ra, &b->counters};
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
        tls_in_clear(&b->cases[i].in);
        tls_out_clear(&b->cases[i].out);
    }
    free(b);
}
