// SPDX-License-Identifier: BSD-3-Clause
// Decompressing what others sent: it must go on, end where it says, and not grow beyond measure.
#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "dir/compress.h"

enum {
    ZLIB_BITS = 15,
    GZIP_BITS = 16,
    ZSTD_WINDOW_LOG_MAX = 23,     // 8 MB, more than any level has that C tor uses
    LZMA_MEMORY_BYTES = 16 << 20, // as C tor's decoder
    PIECE_BYTES = 64 << 10,       // of output, before the limits are looked at again
    FIRST_BYTES = 16 << 10,       // of decompress(): room to begin with
};

struct decompressor {
    enum compression compression;
    size_t limit;
    uint64_t in_total, out_total;
    bool ended;
    int failed;
    union {
        z_stream zlib;
        ZSTD_DCtx *zstd;
        lzma_stream lzma;
    };
};

static bool begin(struct decompressor *d)
{
    switch (d->compression) {
    case COMPRESSION_DEFLATE:
        return inflateInit2(&d->zlib, ZLIB_BITS) == Z_OK;
    case COMPRESSION_GZIP:
        return inflateInit2(&d->zlib, ZLIB_BITS + GZIP_BITS) == Z_OK;
    case COMPRESSION_ZSTD:
        d->zstd = ZSTD_createDCtx();
        if (d->zstd == NULL)
            return false;
        ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
        return true;
    case COMPRESSION_LZMA:
        return lzma_alone_decoder(&d->lzma, LZMA_MEMORY_BYTES) == LZMA_OK;
    default:
        return true;
    }
}

struct decompressor *decompressor_create(enum compression compression, size_t limit)
{
    struct decompressor *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->compression = compression;
    d->limit = limit;
    if (begin(d))
        return d;
    free(d);
    return NULL;
}

void decompressor_free(struct decompressor *d)
{
    if (d == NULL)
        return;
    if (d->compression == COMPRESSION_DEFLATE || d->compression == COMPRESSION_GZIP)
        inflateEnd(&d->zlib);
    else if (d->compression == COMPRESSION_ZSTD)
        ZSTD_freeDCtx(d->zstd);
    else if (d->compression == COMPRESSION_LZMA)
        lzma_end(&d->lzma);
    free(d);
}

// Each of these takes and gives what it can of the piece: 0, or an error; `d->ended`.

static int run_zlib(struct decompressor *d, struct compress_step *piece)
{
    unsigned in = piece->in_left > UINT32_MAX ? UINT32_MAX : (unsigned)piece->in_left;
    unsigned out = (unsigned)piece->out_left;
    d->zlib.next_in = (uint8_t *)(uintptr_t)piece->in;
    d->zlib.avail_in = in;
    d->zlib.next_out = piece->out;
    d->zlib.avail_out = out;
    int result = inflate(&d->zlib, Z_NO_FLUSH);
    piece->in_left -= in - d->zlib.avail_in;
    piece->in += in - d->zlib.avail_in;
    piece->out_left -= out - d->zlib.avail_out;
    piece->out += out - d->zlib.avail_out;
    d->ended = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR)
        return -ENOMEM;
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? 0 : -EBADMSG;
}

static int run_zstd(struct decompressor *d, struct compress_step *piece)
{
    ZSTD_inBuffer in = {piece->in, piece->in_left, 0};
    ZSTD_outBuffer out = {piece->out, piece->out_left, 0};
    size_t result = ZSTD_decompressStream(d->zstd, &out, &in);
    if (ZSTD_isError(result))
        return -EBADMSG;
    piece->in += in.pos;
    piece->in_left -= in.pos;
    piece->out += out.pos;
    piece->out_left -= out.pos;
    d->ended = result == 0;
    return 0;
}

static int run_lzma(struct decompressor *d, struct compress_step *piece)
{
    d->lzma.next_in = piece->in;
    d->lzma.avail_in = piece->in_left;
    d->lzma.next_out = piece->out;
    d->lzma.avail_out = piece->out_left;
    lzma_ret result = lzma_code(&d->lzma, LZMA_RUN);
    piece->in = d->lzma.next_in;
    piece->in_left = d->lzma.avail_in;
    piece->out = d->lzma.next_out;
    piece->out_left = d->lzma.avail_out;
    d->ended = result == LZMA_STREAM_END;
    if (result == LZMA_MEM_ERROR)
        return -ENOMEM;
    return result == LZMA_OK || result == LZMA_STREAM_END || result == LZMA_BUF_ERROR ? 0
                                                                                      : -EBADMSG;
}

static int run_identity(struct compress_step *piece)
{
    size_t n = piece->in_left < piece->out_left ? piece->in_left : piece->out_left;
    if (n > 0)
        memcpy(piece->out, piece->in, n);
    piece->in += n;
    piece->in_left -= n;
    piece->out += n;
    piece->out_left -= n;
    return 0;
}

static int run_library(struct decompressor *d, struct compress_step *piece)
{
    switch (d->compression) {
    case COMPRESSION_DEFLATE:
    case COMPRESSION_GZIP:
        return run_zlib(d, piece);
    case COMPRESSION_ZSTD:
        return run_zstd(d, piece);
    case COMPRESSION_LZMA:
        return run_lzma(d, piece);
    default:
        return run_identity(piece);
    }
}

static bool is_bomb(const struct decompressor *d)
{
    return d->compression != COMPRESSION_IDENTITY && d->out_total > COMPRESSION_BOMB_BYTES &&
           d->out_total / COMPRESSION_BOMB_RATIO > d->in_total;
}

// One call of the library, with what is counted and checked around it.
static int run_piece(struct decompressor *d, struct compress_step *step, bool *moved)
{
    struct compress_step piece = *step;
    if (piece.out_left > PIECE_BYTES)
        piece.out_left = PIECE_BYTES;
    size_t room = piece.out_left;
    int result = run_library(d, &piece);
    size_t taken = step->in_left - piece.in_left, given = room - piece.out_left;
    *moved = taken > 0 || given > 0;
    d->in_total += taken;
    d->out_total += given;
    step->in = piece.in;
    step->in_left = piece.in_left;
    step->out = piece.out;
    step->out_left -= given;
    if (result == 0 && (d->out_total > d->limit || is_bomb(d)))
        result = -EFBIG;
    return result;
}

static int run(struct decompressor *d, struct compress_step *step, bool last)
{
    bool moved = true;
    while (!d->ended && moved && step->out_left > 0) {
        int result = run_piece(d, step, &moved);
        if (result != 0)
            return result;
    }
    if (d->compression == COMPRESSION_IDENTITY && last && step->in_left == 0)
        d->ended = true;
    if (d->ended) // another stream behind it would escape the check for bombs (13.07)
        return step->in_left > 0 ? -EBADMSG : COMPRESS_END;
    if (last && step->out_left > 0 && !moved) // nothing comes of it any more (13.08)
        return -EBADMSG;
    return COMPRESS_MORE;
}

int decompressor_run(struct decompressor *d, struct compress_step *step, bool last)
{
    if (d->failed != 0)
        return d->failed;
    int result = run(d, step, last);
    if (result < 0)
        d->failed = result;
    return result;
}

// Doubles the room, but not beyond what the limit allows, and one byte to see that it is exceeded.
static bool grow(struct blob **blob, size_t *capacity, size_t used, size_t limit)
{
    size_t wanted = *capacity ? *capacity * 2 : FIRST_BYTES;
    if (wanted > limit)
        wanted = limit + 1;
    struct blob *larger = blob_create(NULL, wanted);
    if (larger == NULL)
        return false;
    if (*blob)
        memcpy(larger->bytes, (*blob)->bytes, used);
    blob_drop(*blob);
    *blob = larger;
    *capacity = wanted;
    return true;
}

static int run_all(struct decompressor *d, const uint8_t *in, size_t length, struct blob **blob)
{
    struct compress_step step = {.in = in, .in_left = length};
    size_t capacity = 0, used = 0;
    int result = COMPRESS_MORE;
    while (result == COMPRESS_MORE) {
        if (used == capacity && !grow(blob, &capacity, used, d->limit))
            return -ENOMEM;
        step.out = (*blob)->bytes + used;
        step.out_left = capacity - used;
        result = decompressor_run(d, &step, true);
        used = (size_t)(step.out - (*blob)->bytes);
    }
    if (result == COMPRESS_END) {
        (*blob)->length = used;
        (*blob)->bytes[used] = '\0';
    }
    return result;
}

int decompress(enum compression compression, const uint8_t *in, size_t length, size_t limit,
               struct blob **out)
{
    struct blob *blob = NULL;
    struct decompressor *d = decompressor_create(compression, limit);
    if (d == NULL)
        return -ENOMEM;
    int result = run_all(d, in, length, &blob);
    decompressor_free(d);
    if (result == COMPRESS_END) {
        *out = blob;
        return 0;
    }
    blob_drop(blob);
    return result;
}
