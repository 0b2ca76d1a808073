// SPDX-License-Identifier: BSD-3-Clause
// Checked cursors: the only way bytes from outside are read, and the way messages are written.
//
// Both are sticky: after the first access that does not fit, `failed` is set, nothing more moves,
// and reads give zeros. So a parser reads all its fields and asks once, at its end.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct reader reader_of(const void *bytes, size_t length);
size_t reader_left(const struct reader *r);
// True when nothing failed and nothing is left over.
bool reader_done(const struct reader *r);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r); // integers are big-endian, as everywhere in Tor and TLS
uint32_t read_u24(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
// Points into the input, which must outlive the result. NULL when `length` bytes are not there.
const uint8_t *read_bytes(struct reader *r, size_t length);
// Copies; fills `out` with zeros when the bytes are not there.
void read_into(struct reader *r, void *out, size_t length);
// A reader over the next `length` bytes, which `r` skips.
struct reader read_sub(struct reader *r, size_t length);

struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

struct writer writer_of(void *bytes, size_t capacity);
size_t writer_length(const struct writer *w);
void write_u8(struct writer *w, uint8_t value);
void write_u16(struct writer *w, uint16_t value);
void write_u24(struct writer *w, uint32_t value);
void write_u32(struct writer *w, uint32_t value);
void write_u64(struct writer *w, uint64_t value);
void write_bytes(struct writer *w, const void *bytes, size_t length);
void write_zeros(struct writer *w, size_t length);
// Room for `length` bytes to be filled by the caller, or NULL.
uint8_t *write_room(struct writer *w, size_t length);
