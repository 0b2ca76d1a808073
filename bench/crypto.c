// SPDX-License-Identifier: BSD-3-Clause
// `ramson-bench crypto`: runs the measurements and prints them.
#include "crypto.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cell_cipher.h"
#include "crypto/cgo.h"
#include "crypto/record_aead.h"
#include "machine.h"

enum {
    HOPS_AT = CELL_BENCHES + CGO_BENCHES,
    RECORDS_AT = HOPS_AT + HOPS_BENCHES,
    BENCHES = RECORDS_AT + RECORD_BENCHES,
    ROUNDS = 15,
};

static const uint64_t sample_ns = 1000 * 1000;

static void print_text(const struct measurement *list, const struct machine *machine)
{
    machine_print(stdout, machine);
    printf("next to %s; medians of %d rounds\n\n", OpenSSL_version(OPENSSL_VERSION), ROUNDS);
    printf("%-4s  %-40s %10s %10s %8s %7s\n", "", "", "ramson ns", "OpenSSL ns", "GB/s", "ratio");
    for (unsigned i = 0; i < BENCHES; i++) {
        const struct measurement *m = &list[i];
        printf("%-4s  %-40s %10.1f", m->group, m->name, m->ours_ns);
        if (m->openssl)
            printf(" %10.1f %8.2f %6.2fx\n", m->openssl_ns, (double)m->bytes / m->ours_ns,
                   m->openssl_ns / m->ours_ns);
        else
            printf(" %10s %8.2f\n", "-", (double)m->bytes / m->ours_ns);
    }
}

static int print_json(const struct measurement *list, const struct machine *machine)
{
    json_t *results = json_array();
    for (unsigned i = 0; i < BENCHES; i++) {
        const struct measurement *m = &list[i];
        json_t *result =
            json_pack("{s:s, s:s, s:i, s:i, s:f}", "what", m->group, "name", m->name, "bytes",
                      (int)m->bytes, "burst", (int)m->units, "ramson_ns", m->ours_ns);
        if (m->openssl) {
            json_object_set_new(result, "openssl_ns", json_real(m->openssl_ns));
            json_object_set_new(result, "ratio", json_real(m->openssl_ns / m->ours_ns));
        }
        json_array_append_new(results, result);
    }
    json_t *root = json_pack("{s:s, s:o, s:s, s:i, s:o}", "benchmark", "crypto", "machine",
                             machine_json(machine), "openssl", OpenSSL_version(OPENSSL_VERSION),
                             "rounds", ROUNDS, "results", results);
    int failed = !root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0;
    printf("\n");
    json_decref(root);
    return failed;
}

int bench_crypto(bool json, const char *report)
{
    static struct machine machine;
    static struct measurement list[BENCHES];
    const char *error = "this CPU or its memory does not do";
    int status = 1;
    machine_describe(&machine);
    struct cell_cipher *cc = cell_cipher_create();
    struct record_aead *ra = record_aead_create();
    struct cgo_cipher *cgo_cipher = cgo_cipher_create();
    struct cell_bench *cells = cc ? cell_bench_create(cc, list, &error) : NULL;
    struct cgo_bench *cgo =
        cells && cgo_cipher ? cgo_bench_create(cgo_cipher, list + CELL_BENCHES, &error) : NULL;
    struct hops_bench *hops =
        cgo ? hops_bench_create(cc, cgo_cipher, list + HOPS_AT, &error) : NULL;
    struct record_bench *records =
        hops && ra ? record_bench_create(ra, list + RECORDS_AT, &error) : NULL;
    if (records && measure_all(list, BENCHES, ROUNDS, sample_ns) == 0) {
        machine_end(&machine);
        status = 0;
        if (json)
            status = print_json(list, &machine);
        else
            print_text(list, &machine);
        int rc = report ? crypto_write_page(list, BENCHES, &machine, report) : 0;
        if (rc != 0)
            fprintf(stderr, "ramson-bench: can't write to %s: %s\n", report, strerror(-rc));
        status |= rc != 0;
    } else {
        fprintf(stderr, "ramson-bench: %s\n", error);
    }
    if (records)
        record_bench_destroy(records);
    if (hops)
        hops_bench_destroy(hops);
    if (cgo)
        cgo_bench_destroy(cgo);
    if (cells)
        cell_bench_destroy(cells);
    cgo_cipher_destroy(cgo_cipher);
    record_aead_destroy(ra);
    cell_cipher_destroy(cc);
    return status;
}
