// SPDX-License-Identifier: BSD-3-Clause
// The cell cipher in bursts, every cell of another circuit, next to one EVP call for each cell.
#include "crypto.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "crypto/cell_cipher.h"

enum { CIRCUITS = 128 };

static const unsigned bursts[CELL_BENCHES] = {1, 8, 32, 128};

struct bench_circuit {
    struct ctr_stream stream;
    EVP_CIPHER_CTX *evp;
    uint8_t src_front[CELL_CIPHER_SCRATCH];
    uint8_t src[CELL_BODY_LEN];
    uint8_t dst_front[CELL_CIPHER_SCRATCH];
    uint8_t dst[CELL_BODY_LEN];
    uint8_t evp_dst[CELL_BODY_LEN];
};

struct cell_bench {
    struct cell_cipher *cc;
    struct bench_circuit circuits[CIRCUITS];
    struct cell_burst {
        struct cell_bench *all;
        unsigned cells;
    } bursts[CELL_BENCHES];
};

static void run_ours(void *ctx, unsigned times)
{
    struct cell_burst *burst = ctx;
    struct cell_bench *b = burst->all;
    unsigned at = 0;
    while (times--) {
        for (unsigned i = 0; i < burst->cells; i++) {
            struct bench_circuit *c = &b->circuits[at++ % CIRCUITS];
            cell_cipher_add(b->cc, &c->stream, c->src, c->dst);
        }
        cell_cipher_run(b->cc);
    }
}

static void run_openssl(void *ctx, unsigned times)
{
    struct cell_burst *burst = ctx;
    struct cell_bench *b = burst->all;
    unsigned at = 0;
    while (times--) {
        for (unsigned i = 0; i < burst->cells; i++) {
            struct bench_circuit *c = &b->circuits[at++ % CIRCUITS];
            int n = 0;
            EVP_EncryptUpdate(c->evp, c->evp_dst, &n, c->src, CELL_BODY_LEN);
        }
    }
}

static bool circuit_init(struct cell_cipher *cc, struct bench_circuit *c)
{
    uint8_t key[16], iv[16] = {0};
    if (RAND_bytes(key, sizeof(key)) != 1 || RAND_bytes(c->src, sizeof(c->src)) != 1)
        return false;
    ctr_stream_init(cc, &c->stream, key);
    c->evp = EVP_CIPHER_CTX_new();
    return c->evp && EVP_EncryptInit_ex(c->evp, EVP_aes_128_ctr(), NULL, key, iv) == 1;
}

static bool agree(struct cell_bench *b)
{
    struct cell_burst all = {b, CIRCUITS};
    for (unsigned round = 0; round < 5; round++) {
        run_ours(&all, 1);
        run_openssl(&all, 1);
        for (unsigned i = 0; i < CIRCUITS; i++) {
            if (memcmp(b->circuits[i].dst, b->circuits[i].evp_dst, CELL_BODY_LEN) != 0)
                return false;
        }
    }
    return true;
}

struct cell_bench *cell_bench_create(struct cell_cipher *cc, struct measurement *out,
                                     const char **error)
{
    *error = "out of memory";
    struct cell_bench *b = calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    b->cc = cc;
    for (unsigned i = 0; i < CIRCUITS; i++) {
        if (!circuit_init(cc, &b->circuits[i])) {
            cell_bench_destroy(b);
            return NULL;
        }
    }
    if (!agree(b)) {
        *error = "the cell cipher and OpenSSL disagree";
        cell_bench_destroy(b);
        return NULL;
    }
    for (unsigned i = 0; i < CELL_BENCHES; i++) {
        b->bursts[i] = (struct cell_burst){b, bursts[i]};
        out[i] = (struct measurement){.group = "cell",
                                      .bytes = CELL_BODY_LEN,
                                      .units = bursts[i],
                                      .ours = run_ours,
                                      .openssl = run_openssl,
                                      .ctx = &b->bursts[i]};
        snprintf(out[i].name, sizeof(out[i].name), "tor1 AES-128-CTR, bursts of %u", bursts[i]);
    }
    return b;
}

void cell_bench_destroy(struct cell_bench *b)
{
    for (unsigned i = 0; i < CIRCUITS; i++) {
        EVP_CIPHER_CTX_free(b->circuits[i].evp);
        ctr_stream_clear(&b->circuits[i].stream);
    }
    free(b);
}
