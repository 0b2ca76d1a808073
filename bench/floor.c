// SPDX-License-Identifier: BSD-3-Clause
// Opens records, runs a cell cipher over their cells, seals them again.
#include "floor.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cell.h"
#include "crypto/cell_cipher.h"
#include "crypto/cgo.h"
#include "crypto/record_aead.h"

enum { RECORDS = 8, CELLS_MAX = 31, PASSES = 24, CELL_STRIDE = 576, CGO_BURST = 64 };
enum { OPEN, CELL, SEAL_LONG, SEAL_SHORT, PARTS }; // records of CELLS_MAX cells, of one

static const uint8_t header[RECORD_AAD_LEN] = {23, 3, 3, 0x3e, 0x3e};

struct floor {
    struct record_key open, seal;
    struct ctr_stream streams[RECORDS * CELLS_MAX];
    struct record_aead *aead;
    struct cell_cipher *cipher;
    struct cgo_cipher *cgo; // NULL: tor1
    struct cgo_layer layers[RECORDS * CELLS_MAX];
    unsigned cells;
    struct {
        uint8_t sealed[CELLS_MAX * CELL_LEN + 1], tag[RECORD_TAG_LEN];
        uint8_t front[CELL_CIPHER_SCRATCH], plain[CELLS_MAX * CELL_LEN + 1];
        uint8_t cells[CELLS_MAX][CELL_STRIDE];
        uint8_t out[CELLS_MAX * CELL_LEN + 1], out_tag[RECORD_TAG_LEN];
    } records[RECORDS];
    double times[PARTS][FLOOR_ROUNDS_MAX]; // ns for a record, a cell, a record, a record
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static size_t length_of(unsigned cells)
{
    return cells * (size_t)CELL_LEN + 1; // and the content type
}

static bool open_all(struct floor *f)
{
    bool good = true;
    for (unsigned i = 0; i < RECORDS; i++) {
        struct record_op op;
        f->open.sequence = i;
        record_aead_begin(f->aead, &op, &f->open, header);
        record_aead_open(f->aead, &op, &f->open, f->records[i].plain, f->records[i].sealed,
                         length_of(f->cells));
        good = record_aead_open_end(f->aead, &op, &f->open, f->records[i].tag) && good;
    }
    return good;
}

static const uint8_t *body_of(const struct floor *f, unsigned cell)
{
    return f->records[cell / f->cells].plain + cell % f->cells * CELL_LEN + CELL_LEN -
           CELL_BODY_LEN;
}

// In bursts, as the relay does.
static void cgo_all(struct floor *f)
{
    struct cgo_job jobs[CGO_BURST];
    unsigned all = RECORDS * f->cells;
    for (unsigned done = 0, n; done < all; done += n) {
        n = all - done < CGO_BURST ? all - done : CGO_BURST;
        for (unsigned i = 0; i < n; i++) {
            unsigned cell = done + i;
            jobs[i].layer = &f->layers[cell];
            jobs[i].src = body_of(f, cell);
            jobs[i].dst = f->records[cell / f->cells].cells[cell % f->cells];
            jobs[i].operation = cell % 2 ? CGO_RELAY_FORWARD : CGO_RELAY_BACKWARD;
            jobs[i].command = CELL_RELAY;
        }
        cgo_run(f->cgo, jobs, n);
    }
}

static void cipher_all(struct floor *f)
{
    if (f->cgo) {
        cgo_all(f);
        return;
    }
    for (unsigned i = 0; i < RECORDS; i++)
        for (unsigned c = 0; c < f->cells; c++)
            cell_cipher_add(f->cipher, &f->streams[i * f->cells + c], body_of(f, i * f->cells + c),
                            f->records[i].cells[c] + CELL_CIPHER_SCRATCH);
    cell_cipher_run(f->cipher);
}

static void seal_all(struct floor *f, unsigned cells)
{
    for (unsigned i = 0; i < RECORDS; i++) {
        struct record_op op;
        record_aead_begin(f->aead, &op, &f->seal, header);
        record_aead_seal(f->aead, &op, &f->seal, f->records[i].out, f->records[i].plain,
                         length_of(cells));
        record_aead_seal_end(f->aead, &op, &f->seal, f->records[i].out_tag);
    }
}

static bool prepare(struct floor *f, uint16_t suite)
{
    static const uint8_t secret[32] = "records", iv[12] = "iv";
    if (!f->aead || !f->cipher || !record_key_init(f->aead, &f->open, suite, secret, iv, 0) ||
        !record_key_init(f->aead, &f->seal, suite, secret, iv, 0))
        return false;
    for (unsigned i = 0; i < RECORDS * CELLS_MAX; i++)
        ctr_stream_init(f->cipher, &f->streams[i], (const uint8_t *)"a circuit's keys");
    for (unsigned i = 0; f->cgo && i < RECORDS * CELLS_MAX; i += 2) {
        uint8_t material[CGO_MATERIAL_LEN];
        memset(material, (int)i + 1, sizeof(material));
        cgo_relay_layers_init(f->cgo, &f->layers[i], &f->layers[i + 1], material);
    }
    seal_all(f, f->cells);
    for (unsigned i = 0; i < RECORDS; i++) {
        memcpy(f->records[i].sealed, f->records[i].out, length_of(f->cells));
        memcpy(f->records[i].tag, f->records[i].out_tag, RECORD_TAG_LEN);
    }
    return open_all(f);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof(*values), compare);
    return values[n / 2];
}

static void measure(struct floor *f, unsigned rounds, struct floor_result *out)
{
    for (unsigned round = 0; round < rounds; round++) {
        double t[PARTS + 1] = {now_ns()};
        for (unsigned i = 0; i < PASSES; i++)
            (void)open_all(f);
        t[1] = now_ns();
        for (unsigned i = 0; i < PASSES; i++)
            cipher_all(f);
        t[2] = now_ns();
        for (unsigned i = 0; i < PASSES; i++)
            seal_all(f, CELLS_MAX);
        t[3] = now_ns();
        for (unsigned i = 0; i < PASSES; i++)
            seal_all(f, 1);
        t[4] = now_ns();
        for (unsigned i = 0; i < PARTS; i++)
            f->times[i][round] = (t[i + 1] - t[i]) / PASSES / RECORDS;
    }
    double longest = median(f->times[SEAL_LONG], rounds);
    double shortest = median(f->times[SEAL_SHORT], rounds);
    out->open_ns = median(f->times[OPEN], rounds) / f->cells;
    out->cell_ns = median(f->times[CELL], rounds) / f->cells;
    out->seal_cell_ns = (longest - shortest) / (CELLS_MAX - 1);
    out->seal_record_ns = shortest > out->seal_cell_ns ? shortest - out->seal_cell_ns : 0;
}

int floor_run(void *arg)
{
    struct floor_request *request = arg;
    struct floor *f = aligned_alloc(64, (sizeof(*f) + 63) / 64 * 64);
    if (!f)
        return -1;
    memset(f, 0, sizeof(*f));
    f->cells = request->record_cells;
    f->aead = record_aead_create();
    f->cipher = cell_cipher_create();
    f->cgo = request->cgo ? cgo_cipher_create() : NULL;
    request->good = (f->cgo || !request->cgo) && prepare(f, request->cipher);
    if (request->good)
        measure(f, request->rounds, &request->result);
    cell_cipher_destroy(f->cipher);
    cgo_cipher_destroy(f->cgo);
    record_aead_destroy(f->aead);
    free(f);
    return request->good ? 0 : -1;
}
