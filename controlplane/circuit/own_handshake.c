// SPDX-License-Identifier: BSD-3-Clause
// Begins and finishes one hop's handshake.
#include "circuit/own_handshake.h"

#include <string.h>

#include "crypto/cgo.h"
#include "crypto/random.h"
#include "crypto/tor1.h"

static bool may_use_ntor_v3(const struct own_circuit_hop *hop)
{
    return hop->has_ntor_key && hop->ntor_v3 && hop->target.has_ed_id;
}

struct circuit_params own_handshake_ask(const struct own_circuit_hop *hop, bool last,
                                        const struct circuit_params *offer)
{
    struct circuit_params ask = {0};
    if (!last || !may_use_ntor_v3(hop) || !hop->congestion_control || !offer->congestion_control)
        return ask;
    ask.congestion_control = true;
    ask.sendme_inc_cells = offer->sendme_inc_cells;
    ask.cgo = hop->cgo && offer->cgo; // never without congestion control (2.23)
    return ask;
}

// ntor-v3 is for those of whom something is asked, or could be with their CGO (2.24).
static enum onion_handshake choose(const struct own_circuit_hop *hop,
                                   const struct circuit_params *ask)
{
    if (!hop->has_ntor_key)
        return HANDSHAKE_FAST;
    if (ask->congestion_control || (hop->cgo && may_use_ntor_v3(hop)))
        return HANDSHAKE_NTOR_V3;
    return HANDSHAKE_NTOR;
}

static void start_ntor_v3(struct own_handshake *h, const struct own_circuit_hop *hop,
                          struct writer *w)
{
    uint8_t request[CIRCUIT_PARAMS_REQUEST_MAX];
    int request_length = circuit_params_request(&h->asked, request, sizeof(request));
    struct writer length_field = *w;
    write_u16(w, 0);
    int length =
        request_length < 0 || w->failed
            ? -1
            : ntor_v3_client_start(&h->ntor_v3, hop->target.ed_id, hop->ntor_key, NTOR_V3_CIRCUIT,
                                   NTOR_V3_CIRCUIT_LEN, request, (size_t)request_length, w->at,
                                   (size_t)(w->end - w->at));
    if (length < 0) {
        w->failed = true;
        return;
    }
    write_u16(&length_field, (uint16_t)length);
    write_room(w, (size_t)length);
}

uint8_t own_handshake_start(struct own_handshake *h, const struct own_circuit_hop *hop,
                            const struct circuit_params *ask, struct writer *w)
{
    memset(h, 0, sizeof(*h));
    h->type = (uint16_t)choose(hop, ask);
    h->asked = *ask;
    if (h->type == HANDSHAKE_FAST) {
        random_bytes(h->fast, sizeof(h->fast));
        write_bytes(w, h->fast, sizeof(h->fast));
        return w->failed ? 0 : CELL_CREATE_FAST;
    }
    write_u16(w, h->type);
    if (h->type == HANDSHAKE_NTOR_V3) {
        start_ntor_v3(h, hop, w);
    } else {
        write_u16(w, NTOR_SKIN_LEN);
        uint8_t *skin = write_room(w, NTOR_SKIN_LEN);
        if (skin)
            ntor_client_start(&h->ntor, hop->target.rsa_id, hop->ntor_key, skin);
    }
    return w->failed ? 0 : CELL_CREATE2;
}

// What a handshake yields: the hop's key material, then KH.
static void keep(struct own_hop_keys *out, const uint8_t *yield)
{
    size_t length = out->granted.cgo ? CGO_MATERIAL_LEN : TOR1_MATERIAL_LEN;
    out->crypto.kind = out->granted.cgo ? CIRCUIT_CRYPTO_CGO : CIRCUIT_CRYPTO_TOR1;
    memcpy(out->crypto.material, yield, length);
    memcpy(out->nonce, yield + length, sizeof(out->nonce));
}

static bool finish_fast(const struct own_handshake *h, const uint8_t *reply, uint16_t length,
                        uint8_t *yield)
{
    if (length < CREATED_FAST_LEN ||
        create_fast_client(h->fast, reply, yield, TOR1_MATERIAL_LEN) != 0)
        return false;
    memcpy(yield + TOR1_MATERIAL_LEN, reply + CREATED_FAST_LEN / 2, CIRCUIT_NONCE_LEN);
    return true;
}

// How much key material it yields depends on what was asked for: a relay can't grant less of it
// (2.22), so it is known before its answer is read.
static bool finish_ntor_v3(const struct own_handshake *h, const uint8_t *reply, uint16_t length,
                           struct circuit_params *granted, uint8_t *yield)
{
    uint8_t answer[CELL_BODY_LEN];
    size_t material = h->asked.cgo ? CGO_MATERIAL_LEN : TOR1_MATERIAL_LEN;
    int n = ntor_v3_client_finish(&h->ntor_v3, NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN, reply, length,
                                  answer, sizeof(answer), yield, material + CIRCUIT_NONCE_LEN);
    return n >= 0 && circuit_params_accept(answer, (size_t)n, &h->asked, granted) == 0;
}

bool own_handshake_finish(struct own_handshake *h, const uint8_t *reply, uint16_t length,
                          struct own_hop_keys *out)
{
    uint8_t yield[CGO_MATERIAL_LEN + CIRCUIT_NONCE_LEN];
    bool good = false;
    memset(out, 0, sizeof(*out));
    switch ((enum onion_handshake)h->type) {
    case HANDSHAKE_FAST:
        good = finish_fast(h, reply, length, yield);
        break;
    case HANDSHAKE_NTOR:
        good = ntor_client_finish(&h->ntor, reply, length, yield,
                                  TOR1_MATERIAL_LEN + CIRCUIT_NONCE_LEN) == 0;
        break;
    case HANDSHAKE_NTOR_V3:
        good = finish_ntor_v3(h, reply, length, &out->granted, yield);
        break;
    default:
        break;
    }
    if (good)
        keep(out, yield);
    explicit_bzero(yield, sizeof(yield));
    own_handshake_wipe(h);
    return good;
}

void own_handshake_wipe(struct own_handshake *h)
{
    explicit_bzero(h, sizeof(*h));
}
