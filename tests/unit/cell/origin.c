// SPDX-License-Identifier: BSD-3-Clause
// The client's side of the relay crypto.
#include "origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/cgo_message.h"

static bool is_cgo(const struct origin *o)
{
    return o->kind == CIRCUIT_CRYPTO_CGO;
}

void origin_set_keys(struct origin *o, enum circuit_crypto_kind kind, const uint8_t *material)
{
    o->kind = (uint8_t)kind;
    if (is_cgo(o))
        cgo_client_layers_init(o->cgo, &o->forward.cgo, &o->backward.cgo, material);
    else
        tor1_layers_init(o->cipher, &o->forward.tor1, &o->backward.tor1, material);
}

unsigned origin_tag_length(const struct origin *o)
{
    return is_cgo(o) ? CGO_TAG_LEN : TOR1_TAG_LEN;
}

struct origin *origin_create(struct peer_link *link, uint32_t circid, enum circuit_crypto_kind kind)
{
    struct origin *o = aligned_alloc(64, (sizeof(*o) + 63) / 64 * 64);
    memset(o, 0, sizeof(*o));
    o->link = link;
    o->circid = circid;
    o->cipher = cell_cipher_create();
    o->cgo = cgo_cipher_create();
    peer_send_cell(link, circid, CELL_CREATE2, "skin", 4);
    rig_run(link->rig);
    struct message *create = rig_expect(link->rig, MSG_CIRCUIT_CREATE);
    assert_memory_equal(create->payload, "skin", 4);
    o->end = create->circuit;
    channel_free(create);
    struct message *accept = rig_message(link->rig, link->worker, MSG_CIRCUIT_ACCEPT);
    accept->circuit = o->end;
    accept->secret = true;
    accept->command = CELL_CREATED2;
    accept->crypto.kind = (uint8_t)kind;
    for (unsigned i = 0; i < sizeof(accept->crypto.material); i++)
        accept->crypto.material[i] = (uint8_t)(circid + i);
    origin_set_keys(o, kind, accept->crypto.material);
    accept->length = 6;
    memcpy(accept->payload, "answer", 6);
    rig_send(link->rig, accept);
    struct peer_cell cell;
    peer_expect_cell(link, &cell, CELL_CREATED2);
    assert_int_equal(cell.circid, circid);
    assert_memory_equal(cell.body, "answer\0\0", 8);
    return o;
}

void origin_free(struct origin *o)
{
    cell_cipher_destroy(o->cipher);
    cgo_cipher_destroy(o->cgo);
    free(o);
}

static void run_tor1(struct origin *o, struct tor1_layer *layer, uint8_t *body)
{
    uint8_t buffer[CELL_CIPHER_SCRATCH + CELL_BODY_LEN];
    uint8_t *cell = buffer + CELL_CIPHER_SCRATCH;
    memset(buffer, 0, CELL_CIPHER_SCRATCH);
    memcpy(cell, body, CELL_BODY_LEN);
    cell_cipher_add(o->cipher, &layer->cipher, cell, cell);
    cell_cipher_run(o->cipher);
    memcpy(body, cell, CELL_BODY_LEN);
}

void origin_seal(struct origin *o, uint8_t cell_command, uint8_t body[CELL_BODY_LEN], bool ours)
{
    if (is_cgo(o) && ours) {
        cgo_client_originate(o->cgo, &o->forward.cgo, cell_command, body, o->tag);
    } else if (is_cgo(o)) {
        cgo_client_forward(o->cgo, &o->forward.cgo, cell_command, body);
    } else {
        if (ours)
            tor1_originate(&o->forward.tor1, body, o->tag);
        run_tor1(o, &o->forward.tor1, body);
    }
}

void origin_send(struct origin *o, uint8_t cell_command, uint8_t relay_command, uint16_t stream_id,
                 const void *body, uint16_t length, bool ours)
{
    static const uint8_t padding[CELL_BODY_LEN];
    uint8_t cell[CELL_BODY_LEN];
    if (is_cgo(o) && ours) {
        uint16_t v1_stream_id = cgo_message_has_stream(relay_command) ? stream_id : 0;
        struct cgo_message v1 = {relay_command, v1_stream_id, length, body};
        assert_int_equal(cgo_message_build(&v1, padding, cell), 0);
    } else {
        struct relay_message v0 = {relay_command, stream_id, length, body};
        relay_message_build(&v0, padding, cell);
        if (!ours)
            memset(cell + 1, 0xff, 2); // as if another layer covered it
    }
    origin_seal(o, cell_command, cell, ours);
    peer_send_cell(o->link, o->circid, cell_command, cell, CELL_BODY_LEN);
}

bool origin_open(struct origin *o, struct peer_cell *cell)
{
    if (is_cgo(o))
        return cgo_client_backward(o->cgo, &o->backward.cgo, cell->command, cell->body, o->tag);
    run_tor1(o, &o->backward.tor1, cell->body);
    return tor1_recognise(&o->backward.tor1, cell->body, o->tag);
}

struct relay_message origin_parse(const struct origin *o, const struct peer_cell *cell)
{
    struct relay_message m;
    assert_true(layer_parse(o->kind, cell->body, &m));
    return m;
}
