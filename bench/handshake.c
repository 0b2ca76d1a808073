// SPDX-License-Identifier: BSD-3-Clause
// The server's side of ntor and ntor-v3 on one core, alone and in batches, checked by a client;
// what X25519 takes of it, next to OpenSSL's; and how long one takes that comes alone.
#include "handshake.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "circuit/onion_skin.h"
#include "crypto/cgo.h"
#include "crypto/circuit_params.h"
#include "crypto/curve25519_batch.h"
#include "crypto/ntor.h"
#include "crypto/ntor_v3.h"
#include "crypto/random.h"
#include "crypto/tor1.h"
#include "handshake_report.h"

enum { ROUNDS_MAX = 101, TIMES = 64, MOST = ONION_SKINS_MAX };

struct handshakes {
    struct onion_keys keys;
    struct curve25519_batch *batch;
    struct onion_skin ntor[MOST], v3[MOST];
    struct ntor_client ntor_client[MOST];
    struct ntor_v3_client v3_client[MOST];
    struct onion_answer answers[MOST];
    struct curve25519_key pairs[MOST];
    uint8_t out[MOST][32];
    EVP_PKEY *own, *peer; // OpenSSL's
};

// ---- what is measured: `n` at a time

static bool answer_all(struct handshakes *h, const struct onion_skin *skins, unsigned n)
{
    const struct onion_skin *list[MOST] = {NULL};
    for (unsigned i = 0; i < n; i++)
        list[i] = &skins[i];
    onion_skins_answer(h->batch, &h->keys, &onion_skin_default_offer, list, h->answers, n);
    for (unsigned i = 0; i < n; i++)
        if (h->answers[i].refused != DESTROY_NONE)
            return false;
    return true;
}

static bool run_ntor(struct handshakes *h, unsigned n)
{
    return answer_all(h, h->ntor, n);
}

static bool run_ntor_v3(struct handshakes *h, unsigned n)
{
    return answer_all(h, h->v3, n);
}

static bool exchange_all(struct handshakes *h, unsigned n, bool with_peers)
{
    struct curve25519_exchange list[MOST];
    bool good = true;
    for (unsigned i = 0; i < n; i++)
        list[i] = (struct curve25519_exchange){
            h->pairs[i].secret, with_peers ? h->pairs[i ^ 1].public_key : NULL, h->out[i], false};
    curve25519_many(h->batch, list, n);
    for (unsigned i = 0; i < n; i++)
        good = list[i].good && good;
    return good;
}

static bool run_x25519(struct handshakes *h, unsigned n)
{
    return exchange_all(h, n, true);
}

static bool run_public_keys(struct handshakes *h, unsigned n)
{
    return exchange_all(h, n, false);
}

static bool run_openssl(struct handshakes *h, unsigned n)
{
    size_t length = 32;
    (void)n;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(h->own, NULL);
    bool good = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
                EVP_PKEY_derive_set_peer_ex(ctx, h->peer, 0) == 1 &&
                EVP_PKEY_derive(ctx, h->out[0], &length) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good;
}

static bool run_openssl_public_key(struct handshakes *h, unsigned n)
{
    (void)n;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, h->pairs[0].secret, 32);
    EVP_PKEY_free(key);
    return key != NULL;
}

static const struct {
    const char *name;
    unsigned batch;
    bool compared;
    bool (*run)(struct handshakes *, unsigned n);
} kinds[] = {
    {"ntor", 1, false, run_ntor},
    {"ntor", 8, false, run_ntor},
    {"ntor", 32, false, run_ntor},
    {"ntor-v3", 1, false, run_ntor_v3},
    {"ntor-v3", 8, false, run_ntor_v3},
    {"ntor-v3", 32, false, run_ntor_v3},
    {"X25519", 1, false, run_x25519},
    {"X25519", 32, false, run_x25519},
    {"X25519, OpenSSL", 1, true, run_openssl},
    {"public key", 32, false, run_public_keys},
    {"public key, OpenSSL", 1, true, run_openssl_public_key},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
_Static_assert((int)KINDS <= (int)HANDSHAKE_ROWS, "rows");

// ---- a client makes the skins, and must come to the same keys

static bool make_skins(struct handshakes *h)
{
    const uint8_t *onion_key = h->keys.keys[0].public_key;
    const struct circuit_params ask = {.congestion_control = true, .cgo = true};
    uint8_t request[CIRCUIT_PARAMS_REQUEST_MAX];
    int request_length = circuit_params_request(&ask, request, sizeof(request));
    for (unsigned i = 0; i < MOST; i++) {
        struct onion_skin *ntor = &h->ntor[i], *v3 = &h->v3[i];
        ntor->command = v3->command = CELL_CREATE2;
        ntor->handshake = HANDSHAKE_NTOR;
        ntor->length = NTOR_SKIN_LEN;
        ntor_client_start(&h->ntor_client[i], h->keys.rsa_id, onion_key, ntor->data);
        int length = ntor_v3_client_start(&h->v3_client[i], h->keys.ed25519_id, onion_key,
                                          NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN, request,
                                          (size_t)request_length, v3->data, sizeof(v3->data));
        if (length < 0)
            return false;
        v3->handshake = HANDSHAKE_NTOR_V3;
        v3->length = (uint16_t)length;
    }
    return request_length > 0;
}

static bool check_ntor(struct handshakes *h)
{
    uint8_t yield[TOR1_MATERIAL_LEN + CIRCUIT_NONCE_BYTES];
    if (!run_ntor(h, MOST))
        return false;
    for (unsigned i = 0; i < MOST; i++)
        if (ntor_client_finish(&h->ntor_client[i], h->answers[i].body + 2, NTOR_REPLY_LEN, yield,
                               sizeof(yield)) != 0 ||
            memcmp(yield, h->answers[i].crypto.material, TOR1_MATERIAL_LEN) != 0)
            return false;
    return true;
}

static bool check_ntor_v3(struct handshakes *h)
{
    uint8_t yield[CGO_MATERIAL_LEN + CIRCUIT_NONCE_BYTES], message[NTOR_V3_MESSAGE_MAX];
    if (!run_ntor_v3(h, MOST))
        return false;
    for (unsigned i = 0; i < MOST; i++)
        if (ntor_v3_client_finish(&h->v3_client[i], NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN,
                                  h->answers[i].body + 2, h->answers[i].body_length - 2u, message,
                                  sizeof(message), yield, sizeof(yield)) < 0 ||
            memcmp(yield, h->answers[i].crypto.material, CGO_MATERIAL_LEN) != 0)
            return false;
    return true;
}

static bool prepare(struct handshakes *h)
{
    random_bytes(h->keys.rsa_id, sizeof(h->keys.rsa_id));
    random_bytes(h->keys.ed25519_id, sizeof(h->keys.ed25519_id));
    curve25519_generate(&h->keys.keys[0]);
    curve25519_generate(&h->keys.junk);
    h->keys.key_count = 1;
    for (unsigned i = 0; i < MOST; i++)
        curve25519_generate(&h->pairs[i]);
    h->own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, h->pairs[0].secret, 32);
    h->peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, h->pairs[1].public_key, 32);
    h->batch = curve25519_batch_create();
    return h->own && h->peer && h->batch && make_skins(h) && check_ntor(h) && check_ntor_v3(h);
}

// ---- measuring

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The kinds in turns, so that what disturbs the machine for a while disturbs all of them.
static bool measure(struct handshakes *h, struct handshake_report *r)
{
    double times[KINDS][ROUNDS_MAX];
    bool good = true;
    for (unsigned round = 0; round < r->rounds; round++) {
        for (unsigned k = 0; k < KINDS; k++) {
            double began = now_ns();
            for (unsigned done = 0; done < TIMES; done += kinds[k].batch)
                good = kinds[k].run(h, kinds[k].batch) && good;
            times[k][round] = (now_ns() - began) / TIMES / 1000;
        }
    }
    r->n_rows = KINDS;
    for (unsigned k = 0; k < KINDS; k++) {
        qsort(times[k], r->rounds, sizeof(double), compare);
        r->rows[k] = (struct handshake_row){kinds[k].name, kinds[k].batch, kinds[k].compared,
                                            times[k][r->rounds / 2], times[k][0]};
    }
    return good;
}

// ---- reporting

static int print_json(const struct handshake_report *r)
{
    json_t *results = json_array();
    for (unsigned i = 0; i < r->n_rows; i++) {
        const struct handshake_row *row = &r->rows[i];
        json_array_append_new(results,
                              json_pack("{s:s, s:i, s:f, s:f, s:f}", "name", row->name, "batch",
                                        (int)row->batch, "us", row->us, "least_us", row->least_us,
                                        "per_second", 1e6 / row->us));
    }
    const struct handshake_latency *l = &r->latency;
    json_t *root =
        json_pack("{s:s, s:o, s:s, s:o, s:{s:f, s:f, s:f, s:f, s:i}}", "benchmark", "handshake",
                  "machine", machine_json(&r->machine), "x25519", r->x25519, "results", results,
                  "lone_latency_us", "least", l->least_us, "p50", l->p50_us, "p99", l->p99_us,
                  "most", l->most_us, "times", (int)l->times);
    int failed = !root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0;
    printf("\n");
    json_decref(root);
    return failed;
}

static void print_table(const struct handshake_report *r)
{
    machine_print(stdout, &r->machine);
    printf("X25519 by %s; one core, CPU time, %u rounds\n\n%-22s %10s %10s %10s %12s\n", r->x25519,
           r->rounds, "", "at a time", "median µs", "least µs", "per second");
    for (unsigned i = 0; i < r->n_rows; i++) {
        const struct handshake_row *row = &r->rows[i];
        printf("%-22s %10u %9.1f %9.1f %12.0f\n", row->name, row->batch, row->us, row->least_us,
               1e6 / row->us);
    }
    const struct handshake_latency *l = &r->latency;
    printf("\nan ntor-v3 skin alone, through the queue and a helper thread: p50 %.0f µs, p99 %.0f "
           "µs, %.0f to %.0f µs in all\n",
           l->p50_us, l->p99_us, l->least_us, l->most_us);
}

int bench_handshake(unsigned rounds, bool json, const char *report)
{
    static struct handshakes h;
    struct handshake_report r = {.rounds = rounds};
    if (crypto_init() != 0)
        return 1;
    machine_describe(&r.machine);
    if (!prepare(&h) || !measure(&h, &r)) {
        fprintf(stderr, "ramson-bench: server and client came to different keys\n");
        return 1;
    }
    r.x25519 = curve25519_batch_implementation(h.batch);
    if (!handshake_latency_measure(&h.keys, &h.v3[0], &r.latency)) {
        fprintf(stderr, "ramson-bench: an onion skin came through the queue without an answer\n");
        return 1;
    }
    machine_end(&r.machine);
    int failed = 0;
    if (json)
        failed = print_json(&r);
    else
        print_table(&r);
    int rc = report ? handshake_write_page(&r, report) : 0;
    if (rc != 0)
        fprintf(stderr, "ramson-bench: can't write to %s: %s\n", report, strerror(-rc));
    EVP_PKEY_free(h.own);
    EVP_PKEY_free(h.peer);
    curve25519_batch_free(h.batch);
    return failed || rc != 0;
}
