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

enum {
    CELLS = 128, // in memory
    CIRCUITS_MAX = 20000,
    STRIDE = 7919, // prime: circuits come in an order that no prefetcher guesses
};

static const struct {
    unsigned burst, circuits;
} shapes[CELL_BENCHES] = {{1, 128}, {8, 128}, {32, 128}, {64, 128}, {64, 2000}, {64, CIRCUITS_MAX}};

struct bench_circuit {
    struct ctr_stream stream;
    EVP_CIPHER_CTX *evp;
};

struct bench_cell {
    uint8_t src_front[CELL_CIPHER_SCRATCH];
    uint8_t src[CELL_BODY_LEN];
    uint8_t dst_front[CELL_CIPHER_SCRATCH];
    uint8_t dst[CELL_BODY_LEN];
    uint8_t evp_dst[CELL_BODY_LEN];
};

struct cell_bench {
    struct cell_cipher *cc;
    struct bench_circuit circuits[CIRCUITS_MAX];
    struct bench_cell cells[CELLS];
    struct cell_case {
        struct cell_bench *all;
        unsigned burst, circuits;
        unsigned at[2]; // ours, OpenSSL's
    } cases[CELL_BENCHES];
};

static struct bench_circuit *next_circuit(struct cell_case *c, unsigned which)
{
    return &c->all->circuits[(uint64_t)c->at[which]++ * STRIDE % c->circuits];
}

static void run_ours(void *ctx, unsigned times)
{
    struct cell_case *c = ctx;
    struct cell_cipher *cc = c->all->cc;
    while (times--) {
        for (unsigned i = 0; i < c->burst; i++) {
            struct bench_cell *cell = &c->all->cells[c->at[0] % CELLS];
            cell_cipher_add(cc, &next_circuit(c, 0)->stream, cell->src, cell->dst);
        }
        cell_cipher_run(cc);
    }
}

static void run_openssl(void *ctx, unsigned times)
{
    struct cell_case *c = ctx;
    while (times--) {
        for (unsigned i = 0; i < c->burst; i++) {
            struct bench_cell *cell = &c->all->cells[c->at[1] % CELLS];
            int n = 0;
            EVP_EncryptUpdate(next_circuit(c, 1)->evp, cell->evp_dst, &n, cell->src, CELL_BODY_LEN);
        }
    }
}

static bool circuit_init(struct cell_cipher *cc, struct bench_circuit *c)
{
    uint8_t key[16], iv[16] = {0};
    if (RAND_bytes(key, sizeof(key)) != 1)
        return false;
    ctr_stream_init(cc, &c->stream, key);
    c->evp = EVP_CIPHER_CTX_new();
    return c->evp && EVP_EncryptInit_ex(c->evp, EVP_aes_128_ctr(), NULL, key, iv) == 1;
}

static bool agree(struct cell_bench *b)
{
    struct cell_case all = {.all = b, .burst = CELLS, .circuits = CELLS};
    for (unsigned round = 0; round < 5; round++) {
        run_ours(&all, 1);
        run_openssl(&all, 1);
        for (unsigned i = 0; i < CELLS; i++) {
            if (memcmp(b->cells[i].dst, b->cells[i].evp_dst, CELL_BODY_LEN) != 0)
                return false;
        }
    }
    return true;
}

static bool prepare(struct cell_bench *b)
{
    for (unsigned i = 0; i < CIRCUITS_MAX; i++) {
        if (!circuit_init(b->cc, &b->circuits[i]))
            return false;
    }
    for (unsigned i = 0; i < CELLS; i++) {
        if (RAND_bytes(b->cells[i].src, CELL_BODY_LEN) != 1)
            return false;
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
    bool prepared = prepare(b);
    if (prepared && !agree(b))
        *error = "the cell cipher and OpenSSL disagree";
    else if (prepared)
        *error = NULL;
    if (*error) {
        cell_bench_destroy(b);
        return NULL;
    }
    for (unsigned i = 0; i < CELL_BENCHES; i++) {
        struct cell_case *c = &b->cases[i];
        *c = (struct cell_case){.all = b, .burst = shapes[i].burst, .circuits = shapes[i].circuits};
        out[i] = (struct measurement){.group = "tor1",
                                      .bytes = CELL_BODY_LEN,
                                      .units = c->burst,
                                      .ours = run_ours,
                                      .openssl = run_openssl,
                                      .ctx = c};
        snprintf(out[i].name, sizeof(out[i].name), "%u circuits, bursts of %u", c->circuits,
                 c->burst);
    }
    return b;
}

void cell_bench_destroy(struct cell_bench *b)
{
    for (unsigned i = 0; i < CIRCUITS_MAX; i++) {
        EVP_CIPHER_CTX_free(b->circuits[i].evp);
        ctr_stream_clear(&b->circuits[i].stream);
    }
    free(b);
}
