// SPDX-License-Identifier: BSD-3-Clause
// Bytes that many hold at once and nobody changes: a directory document while it is served.
//
// Any thread may hold and drop; the bytes are freed with the last holder.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
    atomic_uint holders;
    size_t length;
    uint8_t bytes[]; // a NUL follows them, which `length` does not count
};

// A copy of `bytes`, or room for that many with NULL; held once. NULL: no memory.
struct blob *blob_create(const void *bytes, size_t length);
struct blob *blob_hold(struct blob *blob); // returns it
void blob_drop(struct blob *blob);         // NULL is fine
