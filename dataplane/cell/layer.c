// SPDX-License-Identifier: BSD-3-Clause
// What differs between the kinds of relay crypto at our end of a circuit.
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

bool layers_init_client(struct worker *w, union layer *forward, union layer *backward,
                        const struct circuit_crypto *crypto)
{
    switch (crypto->kind) {
    case CIRCUIT_CRYPTO_TOR1: // the same at either of its ends
        tor1_layers_init(w->cipher, &forward->tor1, &backward->tor1, crypto->material);
        return true;
    case CIRCUIT_CRYPTO_CGO:
        cgo_client_layers_init(w->cgo, &forward->cgo, &backward->cgo, crypto->material);
        return true;
    case CIRCUIT_CRYPTO_ONION:
        onion_layers_init(forward->onion, backward->onion, crypto->material);
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

bool layer_build(struct worker *w, uint8_t kind, const struct relay_message *m,
                 uint8_t body[CELL_BODY_LEN])
{
    uint8_t padding[CELL_BODY_LEN];
    random_stream_bytes(&w->random, padding, sizeof(padding));
    if (kind == CIRCUIT_CRYPTO_CGO) {
        struct cgo_message message = {m->command, m->stream_id, m->length, m->body};
        return cgo_message_build(&message, padding, body) == 0;
    }
    if (m->length > RELAY_BODY_MAX)
        return false;
    relay_message_build(m, padding, body);
    return true;
}

void layer_mark(union layer *layer, uint8_t kind, uint8_t body[CELL_BODY_LEN],
                uint8_t tag[LAYER_TAG_MAX])
{
    if (kind == CIRCUIT_CRYPTO_TOR1)
        tor1_originate(&layer->tor1, body, tag);
    else if (kind == CIRCUIT_CRYPTO_ONION)
        onion_originate(layer->onion, body, tag);
}

void layer_tag(const struct cgo_job *job, uint8_t tag[LAYER_TAG_MAX])
{
    if (job)
        memcpy(tag, job->tag, sizeof(job->tag));
}

bool layer_recognise(union layer *layer, uint8_t kind, const struct cgo_job *job,
                     const uint8_t body[CELL_BODY_LEN], uint8_t tag[LAYER_TAG_MAX])
{
    if (kind == CIRCUIT_CRYPTO_TOR1)
        return tor1_recognise(&layer->tor1, body, tag);
    if (kind == CIRCUIT_CRYPTO_ONION)
        return onion_recognise(layer->onion, body, tag);
    if (job->recognised)
        memcpy(tag, job->tag, sizeof(job->tag));
    return job->recognised;
}

bool layer_originate(struct worker *w, union layer *layer, uint8_t kind,
                     const struct relay_message *m, uint8_t body[CELL_BODY_LEN],
                     uint8_t tag[LAYER_TAG_MAX])
{
    if (!layer_build(w, kind, m, body))
        return false;
    layer_mark(layer, kind, body, tag);
    const struct cgo_job *job =
        layer_burst_add(w, layer, kind, CGO_RELAY_ORIGINATE, CELL_RELAY, body, body);
    layer_burst_run(w);
    layer_tag(job, tag);
    return true;
}
