// SPDX-License-Identifier: BSD-3-Clause
// The table of circuit ids against a plain scan, over random adding and removing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_common.h>
#include <rte_eal.h>

#include "cell/circid_map.h"
#include "cell/circuit_end.h"
#include "cell/conn.h"

enum { ENDS = 600, CONNS = 3, CIRCIDS = 400, STEPS = 20000 };

struct bench {
    struct circuit_end *ends;
    struct conn *conns;
    struct circid_map map;
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    b->ends = calloc(ENDS, sizeof(*b->ends));
    b->conns = calloc(CONNS, sizeof(*b->conns));
    for (uint32_t i = 0; i < ENDS; i++)
        b->ends[i].self.index = i;
    for (uint32_t i = 0; i < CONNS; i++)
        b->conns[i].self.index = i;
    *state = b;
    return circid_map_init(&b->map, b->ends, ENDS);
}

static int teardown(void **state)
{
    struct bench *b = *state;
    circid_map_release(&b->map);
    free(b->ends);
    free(b->conns);
    free(b);
    return 0;
}

static struct circuit_end *scan(struct bench *b, const struct conn *conn, uint32_t circid)
{
    for (uint32_t i = 0; i < ENDS; i++)
        if (b->ends[i].conn == conn && b->ends[i].circid == circid)
            return &b->ends[i];
    return NULL;
}

static void test_same_as_scan(void **state)
{
    struct bench *b = *state;
    srand(1);
    for (unsigned step = 0; step < STEPS; step++) {
        struct circuit_end *end = &b->ends[rand() % ENDS];
        if (end->conn) {
            circid_map_remove(&b->map, end);
            end->conn = NULL;
            continue;
        }
        struct conn *conn = &b->conns[rand() % CONNS];
        uint32_t circid = UINT32_C(0x80000000) + (uint32_t)(rand() % CIRCIDS);
        struct circuit_end *there = scan(b, conn, circid);
        assert_ptr_equal(circid_map_find(&b->map, conn, circid), there);
        if (there)
            continue;
        end->conn = conn;
        end->circid = circid;
        circid_map_add(&b->map, end);
    }

    // All of them, many at a time, with ids that are not there between them.
    for (unsigned c = 0; c < CONNS; c++) {
        for (uint32_t first = 0; first < 2 * CIRCIDS; first += CIRCID_MAP_BURST) {
            uint32_t circids[CIRCID_MAP_BURST];
            struct circuit_end *found[CIRCID_MAP_BURST];
            for (uint32_t i = 0; i < CIRCID_MAP_BURST; i++)
                circids[i] = UINT32_C(0x80000000) + first + i;
            circid_map_find_many(&b->map, &b->conns[c], circids, CIRCID_MAP_BURST, found);
            for (uint32_t i = 0; i < CIRCID_MAP_BURST; i++)
                assert_ptr_equal(found[i], scan(b, &b->conns[c], circids[i]));
        }
    }
}

static void test_none_of_none(void **state)
{
    struct bench *b = *state;
    struct circuit_end *found[1];
    assert_null(circid_map_find(&b->map, &b->conns[0], 1));
    circid_map_find_many(&b->map, &b->conns[0], (uint32_t[]){1}, 1, found);
    assert_null(found[0]);
    circid_map_find_many(&b->map, &b->conns[0], NULL, 0, NULL);
}

int main(void)
{
    const char *const arguments[] = {"test", "--no-huge", "--no-shconf",    "--no-pci",
                                     "-m",   "64",        "--no-telemetry", "--log-level=error",
                                     NULL};
    if (rte_eal_init(RTE_DIM(arguments) - 1, (char **)(uintptr_t)arguments) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_as_scan, setup, teardown),
        cmocka_unit_test_setup_teardown(test_none_of_none, setup, teardown),
    };
    return cmocka_run_group_tests_name("circuit ids", tests, NULL, NULL);
}
