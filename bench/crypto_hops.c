// SPDX-License-Identifier: BSD-3-Clause
// Cells of a download that come in on circuits of ours: the three layers that a worker takes off
// each, one after the other, in bursts (dataplane/cell/hops.h), and the digest that says whose they
// are.
#include "crypto.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

enum { HOPS = 3, CIRCUITS = 8, CELLS = 1024 };

static const struct {
    enum circuit_crypto_kind kind;
    unsigned burst, circuits;
} shapes[HOPS_BENCHES] = {
    {CIRCUIT_CRYPTO_TOR1, 1, 1}, {CIRCUIT_CRYPTO_TOR1, 64, 1}, {CIRCUIT_CRYPTO_TOR1, 64, CIRCUITS},
    {CIRCUIT_CRYPTO_CGO, 1, 1},  {CIRCUIT_CRYPTO_CGO, 64, 1},  {CIRCUIT_CRYPTO_CGO, 64, CIRCUITS},
};

// As it came; and where its layers are taken off.
struct download_cell {
    uint8_t front[CELL_CIPHER_SCRATCH];
    uint8_t body[CELL_BODY_LEN];
    struct cell cell;
};

struct hops_case {
    struct hops_bench *all;
    unsigned burst, circuits;
    unsigned at;
    struct hop hops[CIRCUITS][HOPS], fresh[CIRCUITS][HOPS];
    struct circuit_end ends[CIRCUITS];
    struct download_cell cells[CELLS]; // in turn of the circuits
};

struct hops_bench {
    struct worker worker; // what hops_open looks at of it
    struct hops_case cases[HOPS_BENCHES];
};

// One burst, as cell/batch.c does it.
static void open_burst(struct hops_case *c)
{
    struct worker *w = &c->all->worker;
    struct cell_batch *b = &w->batch;
    if (c->at == CELLS) {
        memcpy(c->hops, c->fresh, sizeof(c->hops));
        c->at = 0;
    }
    for (unsigned i = 0; i < c->burst; i++, c->at++) {
        struct circuit_end *end = &c->ends[c->at % c->circuits];
        struct hop *first = end->hops.hop[0];
        struct download_cell *from = &c->cells[c->at];
        from->cell.command = CELL_RELAY;
        b->items[i] = (struct batch_item){.cell = &from->cell, .end = end};
        b->items[i].cgo = layer_burst_add(w, &first->backward, first->kind, CGO_CLIENT_BACKWARD,
                                          CELL_RELAY, from->body, from->cell.body);
    }
    layer_burst_run(w);
    b->n = c->burst;
    hops_open(w);
    b->n = 0;
}

static void run_ours(void *ctx, unsigned times)
{
    while (times--)
        open_burst(ctx);
}

// What the third hop sends, through the layers of the two before it.
static void make_cell(struct worker *w, union layer relay[HOPS], uint8_t kind,
                      struct download_cell *out)
{
    static const uint8_t data[RELAY_BODY_MAX - CGO_TAG_LEN];
    uint8_t tag[LAYER_TAG_MAX];
    struct relay_message message = {RELAY_DATA, 1, sizeof(data), data};
    layer_originate(w, &relay[HOPS - 1], kind, &message, out->body, tag);
    for (unsigned hop = HOPS - 1; hop-- > 0;) {
        layer_burst_add(w, &relay[hop], kind, CGO_RELAY_BACKWARD, CELL_RELAY, out->body, out->body);
        layer_burst_run(w);
    }
}

static bool make_cells(struct hops_case *c, enum circuit_crypto_kind kind)
{
    struct worker *w = &c->all->worker;
    union layer relay[CIRCUITS][HOPS], unused;
    for (unsigned i = 0; i < c->circuits; i++) {
        struct circuit_end *end = &c->ends[i];
        *end = (struct circuit_end){.state = END_OPEN, .layer_kind = LAYERS_OF_HOPS};
        for (unsigned hop = 0; hop < HOPS; hop++) {
            struct circuit_crypto crypto = {.kind = (uint8_t)kind};
            if (RAND_bytes(crypto.material, sizeof(crypto.material)) != 1)
                return false;
            layers_init(w, &unused, &relay[i][hop], &crypto);
            layers_init_client(w, &c->fresh[i][hop].forward, &c->fresh[i][hop].backward, &crypto);
            c->fresh[i][hop].kind = (uint8_t)kind;
            end->hops.hop[end->hops.n++] = &c->hops[i][hop];
        }
    }
    for (unsigned i = 0; i < CELLS; i++)
        make_cell(w, relay[i % c->circuits], (uint8_t)kind, &c->cells[i]);
    return true;
}

// Every cell is found to be the third hop's.
static bool is_right(struct hops_case *c)
{
    unsigned found = 0;
    c->at = CELLS; // begins anew
    do {
        open_burst(c);
        for (unsigned i = 0; i < c->burst; i++)
            found += c->all->worker.batch.items[i].hop == HOPS;
    } while (c->at < CELLS);
    return found == CELLS;
}

struct hops_bench *hops_bench_create(struct cell_cipher *cc, struct cgo_cipher *cgo,
                                     struct measurement *out, const char **error)
{
    *error = "out of memory";
    struct hops_bench *b = aligned_alloc(64, (sizeof(*b) + 63) / 64 * 64);
    if (!b)
        return NULL;
    memset(b, 0, sizeof(*b));
    b->worker.cipher = cc;
    b->worker.cgo = cgo;
    random_stream_init(&b->worker.random);
    for (unsigned i = 0; i < HOPS_BENCHES; i++) {
        struct hops_case *c = &b->cases[i];
        bool is_cgo = shapes[i].kind == CIRCUIT_CRYPTO_CGO;
        c->all = b;
        c->burst = shapes[i].burst;
        c->circuits = shapes[i].circuits;
        *error = "cells of a circuit of ours are not recognised";
        if (!make_cells(c, shapes[i].kind) || !is_right(c)) {
            hops_bench_destroy(b);
            return NULL;
        }
        out[i] = (struct measurement){.group = "origin",
                                      .bytes = CELL_BODY_LEN,
                                      .units = c->burst,
                                      .ours = run_ours,
                                      .ctx = c};
        snprintf(out[i].name, sizeof(out[i].name), "%s, %d hops, %u circuit%s, bursts of %u",
                 is_cgo ? "CGO" : "tor1", HOPS, c->circuits, c->circuits == 1 ? "" : "s", c->burst);
    }
    return b;
}

void hops_bench_destroy(struct hops_bench *b)
{
    random_stream_clear(&b->worker.random);
    explicit_bzero(b, sizeof(*b));
    free(b);
}
