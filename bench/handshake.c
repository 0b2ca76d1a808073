// SPDX-License-Identifier: BSD-3-Clause
// The server's side of ntor and ntor-v3, one after the other on one core, checked by a client; and
// what X25519 alone takes of it.
#include "handshake.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "chart.h"
#include "crypto/ntor.h"
#include "crypto/ntor_v3.h"
#include "machine.h"

enum { KINDS = 3, ROUNDS = 31, TIMES = 60, KEYS_LEN = 92, SKIN_MAX = 1024, REPLY_MAX = 1024 };

struct handshakes {
    struct onion_keys keys;
    uint8_t ntor_skin[NTOR_SKIN_LEN];
    uint8_t v3_skin[SKIN_MAX];
    size_t v3_skin_length;
    uint8_t reply[REPLY_MAX], key[KEYS_LEN];
    uint8_t point[32];
};

static bool answer_ntor(struct handshakes *h)
{
    return ntor_server(&h->keys, h->ntor_skin, sizeof(h->ntor_skin), h->reply, h->key,
                       sizeof(h->key)) == 0;
}

// The reply's length, or an error.
static int answer_ntor_v3(struct handshakes *h)
{
    struct ntor_v3_server server;
    uint8_t message[NTOR_V3_MESSAGE_MAX];
    int length = ntor_v3_server_open(&server, &h->keys, NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN,
                                     h->v3_skin, h->v3_skin_length, message, sizeof(message));
    if (length >= 0)
        length = ntor_v3_server_reply(&server, NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN, message,
                                      (size_t)length, h->reply, sizeof(h->reply), h->key,
                                      sizeof(h->key));
    ntor_v3_server_wipe(&server);
    return length;
}

static bool run_ntor(struct handshakes *h)
{
    return answer_ntor(h);
}

static bool run_ntor_v3(struct handshakes *h)
{
    return answer_ntor_v3(h) >= 0;
}

static bool run_x25519(struct handshakes *h)
{
    return curve25519_shared(h->keys.keys[0].secret, h->point, h->key);
}

static const struct {
    const char *name;
    bool (*run)(struct handshakes *);
} kinds[KINDS] = {{"ntor", run_ntor}, {"ntor-v3", run_ntor_v3}, {"X25519 alone", run_x25519}};

// A client makes the skins, and must come to the same keys.
static bool prepare(struct handshakes *h)
{
    struct ntor_client client;
    struct ntor_v3_client client_v3;
    uint8_t key[KEYS_LEN], message[NTOR_V3_MESSAGE_MAX];
    memset(h, 0, sizeof(*h));
    if (RAND_bytes(h->keys.rsa_id, sizeof(h->keys.rsa_id)) != 1 ||
        RAND_bytes(h->keys.ed25519_id, sizeof(h->keys.ed25519_id)) != 1)
        return false;
    curve25519_generate(&h->keys.keys[0]);
    curve25519_generate(&h->keys.junk);
    h->keys.key_count = 1;
    memcpy(h->point, h->keys.junk.public_key, sizeof(h->point));
    const uint8_t *onion_key = h->keys.keys[0].public_key;
    ntor_client_start(&client, h->keys.rsa_id, onion_key, h->ntor_skin);
    if (!answer_ntor(h) ||
        ntor_client_finish(&client, h->reply, NTOR_REPLY_LEN, key, sizeof(key)) != 0 ||
        memcmp(key, h->key, sizeof(key)) != 0)
        return false;
    int length = ntor_v3_client_start(&client_v3, h->keys.ed25519_id, onion_key, NTOR_V3_CIRCUIT,
                                      NTOR_V3_CIRCUIT_LEN, (const uint8_t *)"", 1, h->v3_skin,
                                      sizeof(h->v3_skin));
    if (length < 0)
        return false;
    h->v3_skin_length = (size_t)length;
    length = answer_ntor_v3(h);
    return length >= 0 &&
           ntor_v3_client_finish(&client_v3, NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN, h->reply,
                                 (size_t)length, message, sizeof(message), key, sizeof(key)) >= 0 &&
           memcmp(key, h->key, sizeof(key)) == 0;
}

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

// Microseconds of CPU time for each kind: medians, the kinds in turns.
static bool measure(struct handshakes *h, double out_us[KINDS])
{
    double times[KINDS][ROUNDS];
    bool good = true;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned k = 0; k < KINDS; k++) {
            double began = now_ns();
            for (unsigned i = 0; i < TIMES; i++)
                good = kinds[k].run(h) && good;
            times[k][round] = (now_ns() - began) / TIMES / 1000;
        }
    }
    for (unsigned k = 0; k < KINDS; k++) {
        qsort(times[k], ROUNDS, sizeof(double), compare);
        out_us[k] = times[k][ROUNDS / 2];
    }
    return good;
}

static int write_page(const char *folder, const struct machine *m, const double us[KINDS])
{
    char path[4096];
    struct chart_bar bars[KINDS];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof(path), "%s/handshake.html", folder);
    FILE *f = fopen(path, "we");
    if (!f)
        return -errno;
    page_begin(f, "ramson-bench handshake");
    fputs("<p class=\"note\">", f);
    text_escaped(f, m->cpu);
    fprintf(f, ", %s, load %s before.</p>\n<h2>Onion skins answered per second and core</h2>\n",
            m->kernel, m->load);
    for (unsigned k = 0; k < KINDS; k++)
        bars[k] = (struct chart_bar){kinds[k].name, 1e6 / us[k], k == KINDS - 1};
    chart_bars(f, bars, KINDS, "/s");
    page_end(f);
    return fclose(f) == 0 ? 0 : -EIO;
}

static int print_json(const struct machine *m, const double us[KINDS])
{
    json_t *results = json_array();
    for (unsigned k = 0; k < KINDS; k++)
        json_array_append_new(results, json_pack("{s:s, s:f, s:f}", "name", kinds[k].name, "us",
                                                 us[k], "per_second", 1e6 / us[k]));
    json_t *root = json_pack("{s:s, s:s, s:s, s:o}", "benchmark", "handshake", "cpu", m->cpu,
                             "load", m->load, "results", results);
    int failed = !root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0;
    printf("\n");
    json_decref(root);
    return failed;
}

int bench_handshake(bool json, const char *report)
{
    static struct handshakes h;
    struct machine machine;
    double us[KINDS];
    machine_describe(&machine);
    if (!prepare(&h) || !measure(&h, us)) {
        fprintf(stderr, "ramson-bench: server and client came to different keys\n");
        return 1;
    }
    int failed = 0;
    if (json) {
        failed = print_json(&machine, us);
    } else {
        printf("CPU: %s, load %s; one core, CPU time, medians of %d rounds\n\n%-16s %10s %12s\n",
               machine.cpu, machine.load, ROUNDS, "", "µs", "per second");
        for (unsigned k = 0; k < KINDS; k++)
            printf("%-16s %10.1f %12.0f\n", kinds[k].name, us[k], 1e6 / us[k]);
    }
    int rc = report ? write_page(report, &machine, us) : 0;
    if (rc != 0)
        fprintf(stderr, "ramson-bench: can't write to %s: %s\n", report, strerror(-rc));
    return failed || rc != 0;
}
