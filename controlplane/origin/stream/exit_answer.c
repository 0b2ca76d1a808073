// SPDX-License-Identifier: BSD-3-Clause
// What exits answer.
#include "origin/stream/exit_answer.h"

#include <ctype.h>
#include <string.h>

#include "base/cursor.h"

enum {
    TYPE_NAME = 0x00,
    TYPE_IPV4 = 0x04,
    TYPE_IPV6 = 0x06,
    TYPE_ERROR_TRANSIENT = 0xf0,
    TYPE_ERROR = 0xf1,
};

static struct address address_from(uint8_t family, const uint8_t *bytes)
{
    struct address a = {.family = family};
    memcpy(a.bytes, bytes, address_length(&a));
    return a;
}

bool exit_answer_is_null(const struct address *a)
{
    static const uint8_t zeros[16];
    return memcmp(a->bytes, zeros, sizeof(zeros)) == 0;
}

bool exit_answer_connected(const uint8_t *body, size_t length, struct address *out)
{
    struct reader r = reader_of(body, length);
    *out = (struct address){0};
    if (length == 0)
        return true;
    const uint8_t *ipv4 = read_bytes(&r, 4);
    if (!ipv4)
        return false;
    *out = address_from(ADDRESS_IPV4, ipv4);
    if (!exit_answer_is_null(out))
        return true; // the time to live is optional
    uint8_t type = read_u8(&r);
    const uint8_t *ipv6 = read_bytes(&r, 16);
    read_u32(&r); // time to live
    if (r.failed || type != TYPE_IPV6)
        return false;
    *out = address_from(ADDRESS_IPV6, ipv6);
    return true;
}

// An application, or its terminal, gets this.
static bool is_printable(const uint8_t *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isgraph(name[i]))
            return false;
    return length > 0;
}

// False: malformed. `kept`: it is one for the application.
static bool take_answer(uint8_t type, const uint8_t *value, size_t length, struct app_answer *out,
                        bool *kept)
{
    *kept = false;
    switch (type) {
    case TYPE_IPV4:
    case TYPE_IPV6:
        if (length != (type == TYPE_IPV4 ? 4 : 16))
            return false;
        out->kind = APP_ANSWER_ADDRESS;
        out->address = address_from(type, value);
        *kept = true;
        return true;
    case TYPE_NAME:
        if (length == 0)
            return false;
        out->kind = APP_ANSWER_NAME;
        memcpy(out->name, value, length);
        out->name[length] = 0;
        *kept = is_printable(value, length);
        return true;
    default:
        return true;
    }
}

bool exit_answer_resolved(const uint8_t *body, size_t length, struct exit_answers *out)
{
    struct reader r = reader_of(body, length);
    enum exit_answer_error error = EXIT_ANSWER_NEVER;
    memset(out, 0, sizeof(*out));
    while (reader_left(&r) > 0) {
        uint8_t type = read_u8(&r);
        uint8_t value_length = read_u8(&r);
        const uint8_t *value = read_bytes(&r, value_length);
        uint32_t ttl_s = read_u32(&r);
        struct app_answer answer = {.ttl_s = ttl_s};
        bool kept;
        if (r.failed || !take_answer(type, value, value_length, &answer, &kept))
            return false;
        if (type == TYPE_ERROR_TRANSIENT)
            error = EXIT_ANSWER_NOT_NOW;
        if (kept && out->n < APP_ANSWERS_MAX)
            out->list[out->n++] = answer;
    }
    out->error = out->n > 0 ? EXIT_ANSWER_FOUND : error;
    return !r.failed;
}

struct address exit_answer_refused(const uint8_t *body, size_t length)
{
    struct reader r = reader_of(body, body ? length : 0);
    read_u8(&r); // the reason
    size_t left = reader_left(&r);
    // With the time to live, or without.
    if (left == 4 || left == 8)
        return address_from(ADDRESS_IPV4, read_bytes(&r, 4));
    if (left == 16 || left == 20)
        return address_from(ADDRESS_IPV6, read_bytes(&r, 16));
    return (struct address){0};
}
