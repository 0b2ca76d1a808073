// SPDX-License-Identifier: BSD-3-Clause
// One core: challenges tried per second by a visitor, and proofs checked per second by a service,
// with HashX compiled and interpreted; and what a service takes for a proof that claims too much.
#include "pow.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "chart.h"
#include "crypto/equix.h"
#include "crypto/random.h"
#include "machine.h"
#include "measure.h"
#include "onion/pow/pow.h"

enum { BENCHES = 5, ROUNDS = 15, PROOFS = 128 };
static const uint64_t sample_ns = 4 * 1000 * 1000;

// A visitor's and a service's in one. Every call has another challenge, as in life.
struct bench {
    struct equix *equix[2]; // interpreted, compiled
    uint8_t blinded[32], seed[32];
    struct pow_proof proofs[PROOFS], too_much[PROOFS];
    bool wrong; // a proof was not taken for what it is
};

struct bench_case {
    struct bench *all;
    struct equix *equix;
    const struct pow_proof *proofs;
    bool good; // they hold
    struct pow_proof next;
    unsigned at;
};

static void run_solve(void *ctx, unsigned times)
{
    struct bench_case *c = ctx;
    while (times-- > 0) {
        // An effort that no hash is low enough for: every challenge is tried to its end.
        c->next.effort = UINT32_MAX;
        (void)pow_try(c->equix, c->all->blinded, c->all->seed, &c->next);
        pow_next_nonce(c->next.nonce);
    }
}

static void run_check(void *ctx, unsigned times)
{
    struct bench_case *c = ctx;
    while (times-- > 0) {
        const struct pow_proof *proof = &c->proofs[c->at++ % PROOFS];
        if (pow_check(c->equix, c->all->blinded, c->all->seed, proof) != c->good)
            c->all->wrong = true;
    }
}

static bool prepare(struct bench *b)
{
    random_bytes(b->blinded, sizeof(b->blinded));
    random_bytes(b->seed, sizeof(b->seed));
    for (unsigned i = 0; i < 2; i++) {
        b->equix[i] = equix_create(true, i == 1);
        if (!b->equix[i])
            return false;
    }
    for (unsigned i = 0; i < PROOFS; i++) {
        struct pow_proof *p = &b->proofs[i];
        random_bytes(p->nonce, sizeof(p->nonce));
        p->effort = 1;
        while (!pow_try(b->equix[1], b->blinded, b->seed, p))
            pow_next_nonce(p->nonce);
        b->too_much[i] = *p;
        b->too_much[i].effort = UINT32_MAX;
    }
    return true;
}

static void set_up(struct bench *b, struct bench_case *cases, struct measurement *list)
{
    static const struct {
        const char *group, *name;
        measure_fn *run;
        unsigned compiled;
        bool good;
    } kinds[BENCHES] = {
        {"try", "a challenge, compiled", run_solve, 1, true},
        {"try", "a challenge, interpreted", run_solve, 0, true},
        {"check", "a proof, interpreted", run_check, 0, true},
        {"check", "a proof, compiled", run_check, 1, true},
        {"check", "a proof that claims too much", run_check, 0, false},
    };
    for (unsigned i = 0; i < BENCHES; i++) {
        cases[i] = (struct bench_case){.all = b,
                                       .equix = b->equix[kinds[i].compiled],
                                       .proofs = kinds[i].good ? b->proofs : b->too_much,
                                       .good = kinds[i].good};
        list[i] = (struct measurement){.units = 1, .ours = kinds[i].run, .ctx = &cases[i]};
        snprintf(list[i].group, sizeof(list[i].group), "%s", kinds[i].group);
        snprintf(list[i].name, sizeof(list[i].name), "%s", kinds[i].name);
    }
}

// ---- reporting

static void print_table(const struct measurement *list, const struct machine *machine,
                        bool compiled)
{
    machine_print(stdout, machine);
    printf("one core, CPU time, medians of %d rounds%s\n\n%-7s %-32s %12s %12s\n", ROUNDS,
           compiled ? "" : "; nothing is compiled here", "", "", "µs", "per second");
    for (unsigned i = 0; i < BENCHES; i++)
        printf("%-7s %-32s %12.1f %12.0f\n", list[i].group, list[i].name, list[i].ours_ns / 1e3,
               1e9 / list[i].ours_ns);
}

static int print_json(const struct measurement *list, const struct machine *machine, bool compiled)
{
    json_t *results = json_array();
    for (unsigned i = 0; i < BENCHES; i++)
        json_array_append_new(results, json_pack("{s:s, s:s, s:f, s:f}", "what", list[i].group,
                                                 "name", list[i].name, "us", list[i].ours_ns / 1e3,
                                                 "per_second", 1e9 / list[i].ours_ns));
    json_t *root =
        json_pack("{s:s, s:o, s:b, s:i, s:o}", "benchmark", "pow", "machine", machine_json(machine),
                  "compiled", (int)compiled, "rounds", ROUNDS, "results", results);
    int failed = !root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0;
    printf("\n");
    json_decref(root);
    return failed;
}

static int write_page(const struct measurement *list, const struct machine *machine,
                      const char *folder)
{
    char path[4096];
    struct chart_bar bars[BENCHES];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof(path), "%s/pow.html", folder);
    FILE *f = fopen(path, "we");
    if (!f)
        return -errno;
    page_begin(f, "ramson-bench pow");
    machine_print_html(f, machine);
    for (unsigned i = 0; i < BENCHES; i++)
        bars[i] = (struct chart_bar){list[i].name, 1e9 / list[i].ours_ns, false};
    fputs("<h2>Challenges that a visitor's core tries in a second</h2>\n", f);
    chart_bars(f, bars, 2, "/s");
    fputs("<h2>Proofs that a service's core checks in a second</h2>\n", f);
    chart_bars(f, bars + 2, 2, "/s");
    page_end(f);
    return fclose(f) == 0 ? 0 : -EIO;
}

int bench_pow(bool json, const char *report)
{
    static struct bench b;
    static struct bench_case cases[BENCHES];
    static struct measurement list[BENCHES];
    static struct machine machine;
    int status = 1;
    if (crypto_init() != 0)
        return 1;
    machine_describe(&machine);
    bool ready = prepare(&b);
    if (ready) {
        set_up(&b, cases, list);
        ready = measure_all(list, BENCHES, ROUNDS, sample_ns) == 0;
    }
    if (ready && !b.wrong) {
        bool compiled = equix_is_compiled(b.equix[1]);
        machine_end(&machine);
        status = 0;
        if (json)
            status = print_json(list, &machine, compiled);
        else
            print_table(list, &machine, compiled);
        int rc = report ? write_page(list, &machine, report) : 0;
        if (rc != 0)
            fprintf(stderr, "ramson-bench: can't write to %s: %s\n", report, strerror(-rc));
        status |= rc != 0;
    } else {
        fprintf(stderr, "ramson-bench: %s\n",
                ready ? "a proof was not taken for what it is" : "no memory");
    }
    equix_free(b.equix[0]);
    equix_free(b.equix[1]);
    return status;
}
