// SPDX-License-Identifier: BSD-3-Clause
// The ciphers' bursts.
#include "cell/layer_burst.h"

#include "worker.h"

static struct cgo_job *next_job(struct layer_burst *b, enum cgo_operation operation)
{
    return operation <= CGO_RELAY_ORIGINATE ? &b->relays[b->n_relays++]
                                            : &b->clients[b->n_clients++];
}

const struct cgo_job *layer_burst_add(struct worker *w, union layer *layer, unsigned kind,
                                      enum cgo_operation operation, uint8_t command,
                                      const uint8_t *src, uint8_t *dst)
{
    if (kind == CIRCUIT_CRYPTO_ONION) {
        cell_cipher_add_long(w->cipher, &layer->onion->cipher, src, dst);
        return NULL;
    }
    if (kind != CIRCUIT_CRYPTO_CGO) {
        cell_cipher_add(w->cipher, &layer->tor1.cipher, src, dst);
        return NULL;
    }
    struct cgo_job *job = next_job(&w->burst, operation);
    job->layer = &layer->cgo;
    job->src = src;
    job->dst = dst;
    job->operation = operation;
    job->command = command;
    return job;
}

void layer_burst_run(struct worker *w)
{
    struct layer_burst *b = &w->burst;
    cell_cipher_run(w->cipher);
    cgo_run(w->cgo, b->relays, b->n_relays);
    cgo_run(w->cgo, b->clients, b->n_clients);
    w->counters.cells_cgo += b->n_relays + b->n_clients;
    b->n_relays = b->n_clients = 0;
}
