// SPDX-License-Identifier: BSD-3-Clause
// A client's layers, one per flow, that may miss cells.
#include "relay_cgo.h"

#include <stdlib.h>
#include <string.h>

struct cgo_flow {
    struct cgo_layer layer;
    uint64_t next; // number of the cell that the layer's tag is for
};

struct cgo_flows {
    struct cgo_cipher *cipher;
    struct cgo_flow *flows;
};

struct cgo_flows *cgo_flows_create(unsigned circuits)
{
    struct cgo_flows *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->cipher = cgo_cipher_create();
    f->flows = aligned_alloc(64, (2 * circuits * sizeof(*f->flows) + 63) / 64 * 64);
    if (f->cipher && f->flows)
        return f;
    cgo_flows_destroy(f);
    return NULL;
}

void cgo_flows_destroy(struct cgo_flows *f)
{
    if (!f)
        return;
    cgo_cipher_destroy(f->cipher);
    free(f->flows);
    free(f);
}

void cgo_flows_set(struct cgo_flows *f, unsigned circuit, const uint8_t material[CGO_MATERIAL_LEN])
{
    struct cgo_flow *forward = &f->flows[2 * circuit], *backward = forward + 1;
    cgo_client_layers_init(f->cipher, &forward->layer, &backward->layer, material);
    forward->next = backward->next = 0;
}

// Both ways a client decrypts, so what takes a layer off shows what the relay put on in either.
static bool take_off(struct cgo_flows *f, uint32_t flow, const uint8_t *body, uint8_t *plain)
{
    uint8_t tag[CGO_TAG_LEN];
    memcpy(plain, body, CELL_BODY_LEN);
    return cgo_client_backward(f->cipher, &f->flows[flow].layer, CELL_RELAY, plain, tag);
}

bool cgo_flows_extended(struct cgo_flows *f, unsigned circuit, const uint8_t body[CELL_BODY_LEN])
{
    uint8_t plain[CELL_BODY_LEN];
    return take_off(f, circuit << 1 | 1, body, plain);
}

void cgo_flows_open(struct cgo_flows *f, uint32_t flow, const uint8_t body[CELL_BODY_LEN],
                    uint8_t plain[CELL_BODY_LEN])
{
    (void)take_off(f, flow, body, plain);
}

bool cgo_flows_follows(struct cgo_flows *f, uint32_t flow, uint64_t number)
{
    bool follows = f->flows[flow].next == number;
    f->flows[flow].next = number + 1;
    return follows;
}
