// SPDX-License-Identifier: BSD-3-Clause
// What differs between tor1 and Counter Galois Onion at this relay's end of a circuit.
#include "cell/layer.h"

#include <string.h>

#include "crypto/cgo_message.h"
#include "worker.h"

bool layers_init(struct worker *w, union layer *forward, union layer *backward,
                 const struct circuit_crypto *crypto)
{
    switch (crypto->kind) {
    case CIRCUIT_CRYPTO_TOR1:
        tor1_layers_init(w->cipher, &forward->tor1, &backward->tor1, crypto->material);
        return true;
    case CIRCUIT_CRYPTO_CGO:
        cgo_relay_layers_init(w->cgo, &forward->cgo, &backward->cgo, crypto->material);
        return true;
    default:
        return false;
    }
}

void layer_clear(union layer *layer)
{
    explicit_bzero(layer, sizeof(*layer));
}

bool layer_parse(uint8_t kind, const uint8_t body[CELL_BODY_LEN], struct relay_message *out)
{
    struct cgo_message message;
    if (kind != CIRCUIT_CRYPTO_CGO)
        return relay_message_parse(body, out);
    if (!cgo_message_parse(body, &message))
        return false;
    *out = (struct relay_message){message.command, message.stream_id, message.length, message.body};
    return true;
}

static void tor1_send(struct worker *w, struct tor1_layer *layer, uint8_t *body, uint8_t *tag)
{
    tor1_originate(layer, body, tag);
    cell_cipher_add(w->cipher, &layer->cipher, body, body);
    cell_cipher_run(w->cipher);
}

bool layer_originate(struct worker *w, union layer *layer, uint8_t kind,
                     const struct relay_message *m, uint8_t body[CELL_BODY_LEN],
                     uint8_t tag[LAYER_TAG_MAX])
{
    uint8_t padding[CELL_BODY_LEN];
    random_stream_bytes(&w->random, padding, sizeof(padding));
    if (kind != CIRCUIT_CRYPTO_CGO) {
        relay_message_build(m, padding, body);
        tor1_send(w, &layer->tor1, body, tag);
        return true;
    }
    struct cgo_message message = {m->command, m->stream_id, m->length, m->body};
    if (cgo_message_build(&message, padding, body) != 0)
        return false;
    cgo_relay_originate(w->cgo, &layer->cgo, CELL_RELAY, body, tag);
    w->counters.cells_cgo++;
    return true;
}
