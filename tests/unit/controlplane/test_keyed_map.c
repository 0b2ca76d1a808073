// SPDX-License-Identifier: BSD-3-Clause
// The hash table over keys of strangers, beside a plain list.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "keyed_map.h"

enum { KEYS = 3000, STEPS = 30000, KEY_LEN = 20 };

struct item {
    struct keyed_node node;
    uint8_t key[KEY_LEN];
    bool in;
};

static void test_against_a_list(void **state)
{
    (void)state;
    struct keyed_map map;
    struct item *items = calloc(KEYS, sizeof(*items));
    size_t n = 0;
    assert_non_null(items);
    assert_true(keyed_map_init(&map, KEY_LEN));
    for (unsigned i = 0; i < KEYS; i++)
        memcpy(items[i].key + KEY_LEN - sizeof(i), &i, sizeof(i)); // alike but for their end
    for (unsigned step = 0; step < STEPS; step++) {
        struct item *item = &items[random_uniform(KEYS)];
        if (item->in)
            keyed_map_remove(&map, &item->node);
        else
            keyed_map_add(&map, &item->node);
        item->in = !item->in;
        n += item->in ? 1 : (size_t)-1;
        item = &items[random_uniform(KEYS)];
        assert_ptr_equal(keyed_map_find(&map, item->key), item->in ? &item->node : NULL);
        assert_int_equal(map.n_nodes, n);
    }
    assert_true(map.n_buckets >= n && map.n_buckets <= 4 * KEYS);
    keyed_map_release(&map);
    free(items);
}

// Two tables put the same keys in different places: nobody can know who collides.
static void test_secret(void **state)
{
    (void)state;
    struct keyed_map a, b;
    struct item in_a = {.key = "the same key"}, in_b = in_a;
    assert_true(keyed_map_init(&a, KEY_LEN) && keyed_map_init(&b, KEY_LEN));
    keyed_map_add(&a, &in_a.node);
    keyed_map_add(&b, &in_b.node);
    assert_true(in_a.node.hash != in_b.node.hash);
    keyed_map_release(&a);
    keyed_map_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_list),
        cmocka_unit_test(test_secret),
    };
    assert_int_equal(crypto_init(), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
