// SPDX-License-Identifier: BSD-3-Clause
// Takes objects out of the descriptor vector.
#pragma once

#include <string.h>

#include "crypto/encoding.h"
#include "crypto/rsa.h"
#include "descriptor_vector.h"

// The object that follows the keyword line `after`: its text from "-----BEGIN" on.
static inline const char *descriptor_object_text(const char *after, size_t *length)
{
    const char *start = strstr(router_descriptor, after);

    assert_non_null(start);
    start = strstr(start, "-----BEGIN ");
    assert_non_null(start);
    const char *end = strstr(start, "-----END ");
    assert_non_null(end);
    *length = (size_t)(strchr(end, '\n') + 1 - start);
    return start;
}

// The object's bytes; their number.
static inline int descriptor_object(const char *after, uint8_t *out, size_t capacity)
{
    size_t length;
    const char *start = descriptor_object_text(after, &length);
    const char *body = strchr(start, '\n') + 1;

    return base64_decode(body, (size_t)(strstr(body, "-----END ") - body), out, capacity);
}

// The bytes of the base64 argument after `keyword` (with its leading newline and trailing space).
static inline int descriptor_argument(const char *keyword, uint8_t *out, size_t capacity)
{
    const char *start = strstr(router_descriptor, keyword);

    assert_non_null(start);
    start += strlen(keyword);
    return base64_decode(start, strcspn(start, "\n"), out, capacity);
}

static inline struct rsa_key *descriptor_rsa_key(const char *after)
{
    size_t length;
    const char *text = descriptor_object_text(after, &length);

    return rsa_public_from_pem(text, length);
}
