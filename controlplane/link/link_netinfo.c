// SPDX-License-Identifier: BSD-3-Clause
// NETINFO cells.
#include "link/link_netinfo.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

// address_length() of it is 0 if there is none to write.
static void write_address(struct writer *w, const struct address *a)
{
    size_t length = address_length(a);
    write_u8(w, a->family);
    write_u8(w, (uint8_t)length);
    write_bytes(w, a->bytes, length);
}

void netinfo_build(const struct netinfo *info, uint8_t out[CELL_BODY_LEN])
{
    struct writer w = writer_of(out, CELL_BODY_LEN);
    memset(out, 0, CELL_BODY_LEN);
    write_u32(&w, info->timestamp);
    write_address(&w, &info->other);
    unsigned n = info->n_own < NETINFO_ADDRESSES_MAX ? info->n_own : NETINFO_ADDRESSES_MAX;
    write_u8(&w, (uint8_t)n);
    for (unsigned i = 0; i < n; i++)
        write_address(&w, &info->own[i]);
}

// False for a known type with a wrong length. An unknown type gives ADDRESS_NONE.
static bool read_address(struct reader *r, struct address *out)
{
    uint8_t type = read_u8(r);
    uint8_t length = read_u8(r);
    const uint8_t *bytes = read_bytes(r, length);
    *out = (struct address){0};
    if (r->failed || (type != ADDRESS_IPV4 && type != ADDRESS_IPV6))
        return !r->failed;
    if (length != (type == ADDRESS_IPV4 ? 4 : 16))
        return false;
    out->family = type;
    memcpy(out->bytes, bytes, length);
    return true;
}

int netinfo_parse(const uint8_t body[CELL_BODY_LEN], struct netinfo *out)
{
    struct reader r = reader_of(body, CELL_BODY_LEN);
    *out = (struct netinfo){.timestamp = read_u32(&r)};
    if (!read_address(&r, &out->other) || out->other.family == ADDRESS_NONE)
        return -EPROTO;
    unsigned n = read_u8(&r);
    for (unsigned i = 0; i < n; i++) {
        struct address a;
        if (!read_address(&r, &a))
            return -EPROTO;
        if (a.family != ADDRESS_NONE && out->n_own < NETINFO_ADDRESSES_MAX)
            out->own[out->n_own++] = a;
    }
    return 0;
}
