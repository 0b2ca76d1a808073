// SPDX-License-Identifier: BSD-3-Clause
// Checked reading and writing of byte strings.
#include "base/cursor.h"

#include <string.h>

struct reader reader_of(const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    return (struct reader){.at = at, .end = at + length};
}

size_t reader_left(const struct reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->at);
}

bool reader_done(const struct reader *r)
{
    return !r->failed && r->at == r->end;
}

const uint8_t *read_bytes(struct reader *r, size_t length)
{
    if (r->failed || (size_t)(r->end - r->at) < length) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *bytes = r->at;
    r->at += length;
    return bytes;
}

static uint64_t read_integer(struct reader *r, size_t length)
{
    const uint8_t *bytes = read_bytes(r, length);
    uint64_t value = 0;
    for (size_t i = 0; bytes && i < length; i++)
        value = value << 8 | bytes[i];
    return value;
}

uint8_t read_u8(struct reader *r)
{
    return (uint8_t)read_integer(r, 1);
}

uint16_t read_u16(struct reader *r)
{
    return (uint16_t)read_integer(r, 2);
}

uint32_t read_u24(struct reader *r)
{
    return (uint32_t)read_integer(r, 3);
}

uint32_t read_u32(struct reader *r)
{
    return (uint32_t)read_integer(r, 4);
}

uint64_t read_u64(struct reader *r)
{
    return read_integer(r, 8);
}

void read_into(struct reader *r, void *out, size_t length)
{
    const uint8_t *bytes = read_bytes(r, length);
    if (bytes)
        memcpy(out, bytes, length);
    else
        memset(out, 0, length);
}

struct reader read_sub(struct reader *r, size_t length)
{
    const uint8_t *bytes = read_bytes(r, length);
    if (!bytes)
        return (struct reader){.failed = true};
    return reader_of(bytes, length);
}

struct writer writer_of(void *bytes, size_t capacity)
{
    uint8_t *start = bytes;
    return (struct writer){.start = start, .at = start, .end = start + capacity};
}

size_t writer_length(const struct writer *w)
{
    return (size_t)(w->at - w->start);
}

uint8_t *write_room(struct writer *w, size_t length)
{
    if (w->failed || (size_t)(w->end - w->at) < length) {
        w->failed = true;
        return NULL;
    }
    uint8_t *room = w->at;
    w->at += length;
    return room;
}

static void write_integer(struct writer *w, uint64_t value, size_t length)
{
    uint8_t *room = write_room(w, length);
    for (size_t i = length; room && i-- > 0; value >>= 8)
        room[i] = (uint8_t)value;
}

void write_u8(struct writer *w, uint8_t value)
{
    write_integer(w, value, 1);
}

void write_u16(struct writer *w, uint16_t value)
{
    write_integer(w, value, 2);
}

void write_u24(struct writer *w, uint32_t value)
{
    write_integer(w, value, 3);
}

void write_u32(struct writer *w, uint32_t value)
{
    write_integer(w, value, 4);
}

void write_u64(struct writer *w, uint64_t value)
{
    write_integer(w, value, 8);
}

void write_bytes(struct writer *w, const void *bytes, size_t length)
{
    uint8_t *room = write_room(w, length);
    if (room && length)
        memcpy(room, bytes, length);
}

void write_zeros(struct writer *w, size_t length)
{
    uint8_t *room = write_room(w, length);
    if (room && length)
        memset(room, 0, length);
}
