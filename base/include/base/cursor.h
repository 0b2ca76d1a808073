// SPDX-License-Identifier: BSD-3-Clause
// Checked cursors: the only way bytes from outside are read, and the way messages are written.
//
// Both are sticky: after the first access that does not fit, `failed` is set, nothing more moves,
// and reads give zeros. So a parser reads all its fields and asks once, at its end.
//
// What workers do for each packet and cell is inline: a call would cost more than the work.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct reader reader_of(const void *bytes, size_t length)
{
    const uint8_t *at = (const uint8_t *)bytes;
    return (struct reader){at, at + length, false};
}

static inline size_t reader_left(const struct reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->at);
}

// True when nothing failed and nothing is left over.
static inline bool reader_done(const struct reader *r)
{
    return !r->failed && r->at == r->end;
}

// Points into the input, which must outlive the result. NULL when `length` bytes are not there.
static inline const uint8_t *read_bytes(struct reader *r, size_t length)
{
    if (r->failed || (size_t)(r->end - r->at) < length) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *bytes = r->at;
    r->at += length;
    return bytes;
}

// Copies; fills `out` with zeros when the bytes are not there.
static inline void read_into(struct reader *r, void *out, size_t length)
{
    const uint8_t *bytes = read_bytes(r, length);
    if (bytes)
        memcpy(out, bytes, length);
    else
        memset(out, 0, length);
}

// A reader over the next `length` bytes, which `r` skips.
static inline struct reader read_sub(struct reader *r, size_t length)
{
    const uint8_t *bytes = read_bytes(r, length);
    if (!bytes)
        return (struct reader){NULL, NULL, true};
    return reader_of(bytes, length);
}

// Integers are big-endian, as everywhere in Tor and TLS.

static inline uint8_t read_u8(struct reader *r)
{
    const uint8_t *bytes = read_bytes(r, 1);
    return bytes ? *bytes : 0;
}

static inline uint16_t read_u16(struct reader *r)
{
    uint16_t value;
    read_into(r, &value, sizeof(value));
    return __builtin_bswap16(value);
}

static inline uint32_t read_u24(struct reader *r)
{
    const uint8_t *bytes = read_bytes(r, 3);
    return bytes ? (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2] : 0;
}

static inline uint32_t read_u32(struct reader *r)
{
    uint32_t value;
    read_into(r, &value, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t read_u64(struct reader *r)
{
    uint64_t value;
    read_into(r, &value, sizeof(value));
    return __builtin_bswap64(value);
}

struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

static inline struct writer writer_of(void *bytes, size_t capacity)
{
    uint8_t *start = (uint8_t *)bytes;
    return (struct writer){start, start, start + capacity, false};
}

static inline size_t writer_length(const struct writer *w)
{
    return (size_t)(w->at - w->start);
}

// Room for `length` bytes to be filled by the caller, or NULL.
static inline uint8_t *write_room(struct writer *w, size_t length)
{
    if (w->failed || (size_t)(w->end - w->at) < length) {
        w->failed = true;
        return NULL;
    }
    uint8_t *room = w->at;
    w->at += length;
    return room;
}

void write_bytes(struct writer *w, const void *bytes, size_t length);
void write_zeros(struct writer *w, size_t length);

static inline void write_u8(struct writer *w, uint8_t value)
{
    uint8_t *room = write_room(w, sizeof(value));
    if (room)
        memcpy(room, &value, sizeof(value));
}

static inline void write_u16(struct writer *w, uint16_t value)
{
    uint8_t *room = write_room(w, sizeof(value));
    value = __builtin_bswap16(value);
    if (room)
        memcpy(room, &value, sizeof(value));
}

static inline void write_u24(struct writer *w, uint32_t value)
{
    const uint8_t bytes[3] = {(uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    write_bytes(w, bytes, sizeof(bytes));
}

static inline void write_u32(struct writer *w, uint32_t value)
{
    uint8_t *room = write_room(w, sizeof(value));
    value = __builtin_bswap32(value);
    if (room)
        memcpy(room, &value, sizeof(value));
}

static inline void write_u64(struct writer *w, uint64_t value)
{
    uint8_t *room = write_room(w, sizeof(value));
    value = __builtin_bswap64(value);
    if (room)
        memcpy(room, &value, sizeof(value));
}
