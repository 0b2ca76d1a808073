// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion, the relay's three operations in bursts, every cell of another circuit.
// OpenSSL has nothing of the kind to stand next to it.
#include "crypto.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "crypto/cgo.h"

enum {
    CELLS = 128, // in memory
    CIRCUITS_MAX = 20000,
    BURST_MAX = 64,
    STRIDE = 7919, // prime: circuits come in an order that no prefetcher guesses
};

static const struct {
    enum cgo_operation operation;
    const char *name;
    unsigned burst, circuits;
} shapes[CGO_BENCHES] = {
    {CGO_RELAY_BACKWARD, "backward", 1, 128},   {CGO_RELAY_BACKWARD, "backward", 8, 128},
    {CGO_RELAY_BACKWARD, "backward", 64, 1},    {CGO_RELAY_BACKWARD, "backward", 64, 128},
    {CGO_RELAY_BACKWARD, "backward", 64, 2000}, {CGO_RELAY_BACKWARD, "backward", 64, CIRCUITS_MAX},
    {CGO_RELAY_FORWARD, "forward", 64, 2000},   {CGO_RELAY_ORIGINATE, "originate", 64, 2000},
};

struct cgo_bench {
    struct cgo_cipher *cc;
    struct cgo_layer layers[2][CIRCUITS_MAX]; // forward, backward
    struct {
        uint8_t body[CELL_BODY_LEN] __attribute__((aligned(64)));
    } cells[CELLS];
    struct cgo_case {
        struct cgo_bench *all;
        enum cgo_operation operation;
        unsigned burst, circuits;
        unsigned at;
    } cases[CGO_BENCHES];
};

static void run_ours(void *ctx, unsigned times)
{
    struct cgo_case *c = ctx;
    struct cgo_layer *layers = c->all->layers[c->operation != CGO_RELAY_FORWARD];
    struct cgo_job jobs[BURST_MAX];
    while (times--) {
        for (unsigned i = 0; i < c->burst; i++) {
            uint8_t *body = c->all->cells[c->at % CELLS].body;
            jobs[i] = (struct cgo_job){.layer = &layers[(uint64_t)c->at++ * STRIDE % c->circuits],
                                       .src = body,
                                       .dst = body,
                                       .operation = c->operation,
                                       .command = CELL_RELAY};
        }
        cgo_run(c->all->cc, jobs, c->burst);
    }
}

// A relay's cells of each direction are what a client makes of them, and the other way round.
static bool agree(struct cgo_cipher *cc)
{
    struct cgo_layer relay[2], client[2];
    uint8_t material[CGO_MATERIAL_LEN], body[CELL_BODY_LEN] = {0}, sent[CGO_TAG_LEN],
                                        seen[CGO_TAG_LEN];
    bool good = RAND_bytes(material, sizeof(material)) == 1;
    cgo_relay_layers_init(cc, &relay[0], &relay[1], material);
    cgo_client_layers_init(cc, &client[0], &client[1], material);
    for (unsigned i = 0; good && i < 64; i++) {
        cgo_client_originate(cc, &client[0], CELL_RELAY, body, sent);
        good = cgo_relay_forward(cc, &relay[0], CELL_RELAY, body, seen) &&
               memcmp(sent, seen, sizeof(sent)) == 0;
        cgo_relay_originate(cc, &relay[1], CELL_RELAY, body, sent);
        good = good && cgo_client_backward(cc, &client[1], CELL_RELAY, body, seen) &&
               memcmp(sent, seen, sizeof(sent)) == 0;
    }
    return good;
}

struct cgo_bench *cgo_bench_create(struct cgo_cipher *cc, struct measurement *out,
                                   const char **error)
{
    *error = "Counter Galois Onion's two ends disagree";
    if (!agree(cc))
        return NULL;
    *error = "out of memory";
    struct cgo_bench *b = aligned_alloc(64, (sizeof(*b) + 63) / 64 * 64);
    if (!b)
        return NULL;
    memset(b, 0, sizeof(*b));
    b->cc = cc;
    for (unsigned i = 0; i < CIRCUITS_MAX; i++) {
        uint8_t material[CGO_MATERIAL_LEN];
        if (RAND_bytes(material, sizeof(material)) != 1) {
            cgo_bench_destroy(b);
            return NULL;
        }
        cgo_relay_layers_init(cc, &b->layers[0][i], &b->layers[1][i], material);
    }
    for (unsigned i = 0; i < CGO_BENCHES; i++) {
        struct cgo_case *c = &b->cases[i];
        *c = (struct cgo_case){.all = b,
                               .operation = shapes[i].operation,
                               .burst = shapes[i].burst,
                               .circuits = shapes[i].circuits};
        out[i] = (struct measurement){
            .group = "CGO", .bytes = CELL_BODY_LEN, .units = c->burst, .ours = run_ours, .ctx = c};
        snprintf(out[i].name, sizeof(out[i].name), "%s, %u circuit%s, bursts of %u", shapes[i].name,
                 c->circuits, c->circuits == 1 ? "" : "s", c->burst);
    }
    return b;
}

void cgo_bench_destroy(struct cgo_bench *b)
{
    for (unsigned direction = 0; direction < 2; direction++)
        for (unsigned i = 0; i < CIRCUITS_MAX; i++)
            cgo_layer_clear(&b->layers[direction][i]);
    free(b);
}
