// SPDX-License-Identifier: BSD-3-Clause
// A circuit that a worker began, in the workers' tests, and the relays on its way:
//
//   worker ──link── hop 1 ──── hop 2 ──── … hop n
//
// The relays have the other half of the layers, tor1 or CGO; the last may be the other side of an
// onion service's circuit, whose half is computed by OpenSSL.
#pragma once

#include <openssl/evp.h>

#include "cell/hops.h"
#include "rig.h"

enum { CHAIN_COOKIE = 1234 };

struct chain_side {
    EVP_MD_CTX *digest;
    EVP_CIPHER_CTX *cipher;
};

struct chain_hop {
    uint8_t kind; // enum circuit_crypto_kind
    union layer forward, backward;
    struct chain_side from_us, to_us; // instead, of an onion service's circuit
    uint8_t tag[LAYER_TAG_MAX];       // of the last cell that ended, or began, here
};

struct chain {
    struct peer_link *link;
    uint32_t circid;
    struct handle end; // the worker's
    struct cell_cipher *cipher;
    struct cgo_cipher *cgo;
    unsigned n;
    struct chain_hop hops[HOPS_MAX + 1];
};

// Dialled, not created.
struct chain *chain_dial(struct peer_link *link);
// Created, without a hop.
struct chain *chain_open(struct peer_link *link);
void chain_created(struct chain *c);
// One more hop, in our half only, and the message that tells the worker of it.
struct message *chain_hop(struct chain *c, enum circuit_crypto_kind kind);
// … and in both.
void chain_add(struct chain *c, enum circuit_crypto_kind kind);
enum circuit_crypto_kind chain_kind(char kind);
// With these hops: "t" is tor1, "c" is CGO, "o" is the other side behind the relays.
struct chain *chain_of(struct peer_link *link, const char *kinds);
void chain_free(struct chain *c);
unsigned chain_tag_length(const struct chain *c, unsigned hop);

// MSG_CIRCUIT_ORIGINATE, on its way only with the next turn.
void chain_ask(struct chain *c, unsigned hop, uint8_t cell_command, uint8_t relay_command,
               uint16_t stream_id, uint8_t tell, const void *body, uint16_t length);
// The cell at the first relay, and on: which hop it ends at (0: at none), decrypted in place.
unsigned chain_take(struct chain *c, struct peer_cell *cell);
struct relay_message chain_parse(const struct chain *c, unsigned hop, const struct peer_cell *cell);
// A cell that `hop` sends, as it arrives at the worker.
void chain_answer(struct chain *c, unsigned hop, uint8_t relay_command, uint16_t stream_id,
                  const void *body, uint16_t length, uint8_t out[CELL_BODY_LEN]);
// The same, sent.
void chain_send(struct chain *c, unsigned hop, uint8_t relay_command, uint16_t stream_id,
                const void *body, uint16_t length);
// Marks a body as begun at this hop, which is the other side of an onion service's circuit.
void chain_mark(struct chain_hop *hop, uint8_t body[CELL_BODY_LEN]);
// The layers of the hops up to this one, put on a body.
void chain_cover(struct chain *c, unsigned hop, uint8_t body[CELL_BODY_LEN]);
