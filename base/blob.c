// SPDX-License-Identifier: BSD-3-Clause
// Counted holders of bytes.
#include "base/blob.h"

#include <stdlib.h>
#include <string.h>

struct blob *blob_create(const void *bytes, size_t length)
{
    if (length > SIZE_MAX - sizeof(struct blob) - 1)
        return NULL;
    struct blob *blob = malloc(sizeof(*blob) + length + 1);
    if (!blob)
        return NULL;
    atomic_init(&blob->holders, 1);
    blob->length = length;
    if (bytes && length)
        memcpy(blob->bytes, bytes, length);
    blob->bytes[length] = 0;
    return blob;
}

struct blob *blob_hold(struct blob *blob)
{
    atomic_fetch_add_explicit(&blob->holders, 1, memory_order_relaxed);
    return blob;
}

void blob_drop(struct blob *blob)
{
    if (blob && atomic_fetch_sub_explicit(&blob->holders, 1, memory_order_acq_rel) == 1)
        free(blob);
}
