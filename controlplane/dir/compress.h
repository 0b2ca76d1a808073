// SPDX-License-Identifier: BSD-3-Clause
// The compressions of directory documents (protocol 6.26, 6.32, 13.07, 13.08). A compressor or
// decompressor belongs to one thread at a time; any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"

enum compression {
    COMPRESSION_IDENTITY,
    COMPRESSION_DEFLATE, // zlib's format; what ".z" means
    COMPRESSION_GZIP,
    COMPRESSION_ZSTD,
    COMPRESSION_LZMA, // LZMA alone, not xz
    COMPRESSIONS,
};

enum {
    COMPRESSION_BOMB_BYTES = 5 << 20,  // output up to here is never a bomb
    COMPRESSION_BOMB_RATIO = 25,       // beyond it, more output than that for a byte of input is
    COMPRESSOR_QUICK_BYTES = 88 << 10, // at most so much memory has a compressor of small effort
};

// As in Content-Encoding: "x-tor-lzma".
const char *compression_name(enum compression compression);
// False: no such. Upper and lower case are one.
bool compression_by_name(const char *name, size_t length, enum compression *out);

// What is to be read and where to write; a run moves them on.
struct compress_step {
    const uint8_t *in;
    size_t in_left;
    uint8_t *out;
    size_t out_left;
};

enum compress_state {
    COMPRESS_MORE, // all input was taken, or there is no room left
    COMPRESS_END,  // the end has been written
};

enum compressor_effort {
    COMPRESSOR_QUICK, // little time and memory; not for LZMA
    COMPRESSOR_SMALL, // for what is compressed once and sent often
};

struct compressor;
struct compressor *compressor_create(enum compression compression, enum compressor_effort effort);
void compressor_free(struct compressor *c); // NULL is fine
// `last`: nothing comes after the input of this step; to be said again until COMPRESS_END.
// Or -ENOMEM.
int compressor_run(struct compressor *c, struct compress_step *step, bool last);

struct decompressor;
// The output may have `limit` bytes.
struct decompressor *decompressor_create(enum compression compression, size_t limit);
void decompressor_free(struct decompressor *d); // NULL is fine
// `last` as above. Or -EBADMSG: malformed, truncated, or something follows its end; -EFBIG: beyond
// the limit, or a bomb; -ENOMEM. After an error it gives no more.
int decompressor_run(struct decompressor *d, struct compress_step *step, bool last);

// All at once. 0 and `*out`, which the caller drops, or an error of decompressor_run.
int decompress(enum compression compression, const uint8_t *in, size_t length, size_t limit,
               struct blob **out);
