// SPDX-License-Identifier: BSD-3-Clause
// `ramson-bench crypto`: what a cell and a record cost, next to OpenSSL on the same input.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "measure.h"

struct cell_cipher;
struct cgo_cipher;
struct machine;
struct record_aead;
struct cell_bench;
struct cgo_bench;
struct hops_bench;
struct record_bench;

// Runs all and prints. Exit status of the program.
int bench_crypto(bool json, const char *report);

// ---- crypto_page.c
// Writes crypto.html into the folder. 0 or a negative errno.
int crypto_write_page(const struct measurement *list, unsigned n, const struct machine *machine,
                      const char *folder);

// ---- crypto_cells.c
enum { CELL_BENCHES = 6 };
// Fills CELL_BENCHES measurements. NULL without memory, or if the two implementations disagree
// (`*error` says which).
struct cell_bench *cell_bench_create(struct cell_cipher *cc, struct measurement *out,
                                     const char **error);
void cell_bench_destroy(struct cell_bench *b);

// ---- crypto_cgo.c
enum { CGO_BENCHES = 8 };
struct cgo_bench *cgo_bench_create(struct cgo_cipher *cc, struct measurement *out,
                                   const char **error);
void cgo_bench_destroy(struct cgo_bench *b);

// ---- crypto_hops.c
enum { HOPS_BENCHES = 6 };
struct hops_bench *hops_bench_create(struct cell_cipher *cc, struct cgo_cipher *cgo,
                                     struct measurement *out, const char **error);
void hops_bench_destroy(struct hops_bench *b);

// ---- crypto_records.c
enum { RECORD_BENCHES = 3 * 2 * 4 };
struct record_bench *record_bench_create(const struct record_aead *ra, struct measurement *out,
                                         const char **error);
void record_bench_destroy(struct record_bench *b);
