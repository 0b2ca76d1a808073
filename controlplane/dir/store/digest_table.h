// SPDX-License-Identifier: BSD-3-Clause
// From a digest (or another key of one length) to an object. Keys may be chosen by others: they are
// hashed with a secret.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_TABLE_KEY_MAX = 32 };

struct digest_slot {
    uint8_t key[DIGEST_TABLE_KEY_MAX];
    void *object; // NULL: empty
};

struct digest_table {
    size_t key_length;
    size_t n;
    size_t capacity; // a power of two, or 0
    struct digest_slot *slots;
    uint8_t secret[16];
};

// No memory is taken before the first put.
void digest_table_init(struct digest_table *t, size_t key_length);
void digest_table_release(struct digest_table *t); // not the objects
void *digest_table_get(const struct digest_table *t, const void *key);
// Replaces what is there. 0, or -ENOMEM.
int digest_table_put(struct digest_table *t, const void *key, void *object);
// NULL: it was not there.
void *digest_table_remove(struct digest_table *t, const void *key);
// Objects in no order: 0 to begin with, then what it returned, NULL at the end. The table must not
// change meanwhile.
void *digest_table_next(const struct digest_table *t, size_t *position);
// The slot of the object that was returned last.
static inline const uint8_t *digest_table_key(const struct digest_table *t, size_t position)
{
    return t->slots[position - 1].key;
}
