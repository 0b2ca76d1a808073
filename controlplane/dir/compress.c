// SPDX-License-Identifier: BSD-3-Clause
// Compressing: one interface over zlib, zstd and liblzma.
#include "dir/compress.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

enum {
    GZIP_BITS = 16,             // to be added to zlib's window bits
    DICTIONARY_BYTES = 4 << 20, // C tor's decoder has 16 MB in all
    LZMA_PRESET = 6,
};

static const char *const names[COMPRESSIONS] = {
    [COMPRESSION_IDENTITY] = "identity", [COMPRESSION_DEFLATE] = "deflate",
    [COMPRESSION_GZIP] = "gzip",         [COMPRESSION_ZSTD] = "x-zstd",
    [COMPRESSION_LZMA] = "x-tor-lzma",
};

const char *compression_name(enum compression compression)
{
    return names[compression];
}

bool compression_by_name(const char *name, size_t length, enum compression *out)
{
    for (unsigned i = 0; i < COMPRESSIONS; i++)
        if (strlen(names[i]) == length && strncasecmp(names[i], name, length) == 0) {
            *out = (enum compression)i;
            return true;
        }
    return false;
}

struct compressor {
    enum compression compression;
    union {
        z_stream zlib;
        ZSTD_CCtx *zstd;
        lzma_stream lzma;
    };
};

static bool begin_zlib(struct compressor *c, enum compressor_effort effort)
{
    bool quick = effort == COMPRESSOR_QUICK;
    int bits = quick ? 12 : 15;
    if (c->compression == COMPRESSION_GZIP)
        bits += GZIP_BITS;
    return deflateInit2(&c->zlib, quick ? 4 : 9, Z_DEFLATED, bits, quick ? 5 : 9,
                        Z_DEFAULT_STRATEGY) == Z_OK;
}

static bool begin_zstd(struct compressor *c, enum compressor_effort effort)
{
    static const struct {
        ZSTD_cParameter parameter;
        int value;
    } quick[] = {{ZSTD_c_compressionLevel, 1},
                 {ZSTD_c_windowLog, 13},
                 {ZSTD_c_hashLog, 10},
                 {ZSTD_c_chainLog, 10},
                 {ZSTD_c_checksumFlag, 0}};
    c->zstd = ZSTD_createCCtx();
    if (c->zstd == NULL)
        return false;
    bool good = true;
    if (effort == COMPRESSOR_SMALL)
        good = !ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, 15)) &&
               !ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_windowLog, 22));
    else
        for (size_t i = 0; i < sizeof(quick) / sizeof(quick[0]); i++)
            good = good && !ZSTD_isError(
                               ZSTD_CCtx_setParameter(c->zstd, quick[i].parameter, quick[i].value));
    if (!good)
        ZSTD_freeCCtx(c->zstd);
    return good;
}

static bool begin_lzma(struct compressor *c)
{
    lzma_options_lzma options;
    if (lzma_lzma_preset(&options, LZMA_PRESET))
        return false;
    options.dict_size = DICTIONARY_BYTES;
    return lzma_alone_encoder(&c->lzma, &options) == LZMA_OK;
}

struct compressor *compressor_create(enum compression compression, enum compressor_effort effort)
{
    struct compressor *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    bool good = true;
    c->compression = compression;
    switch (compression) {
    case COMPRESSION_DEFLATE:
    case COMPRESSION_GZIP:
        good = begin_zlib(c, effort);
        break;
    case COMPRESSION_ZSTD:
        good = begin_zstd(c, effort);
        break;
    case COMPRESSION_LZMA:
        good = begin_lzma(c);
        break;
    default:
        break;
    }
    if (good)
        return c;
    free(c);
    return NULL;
}

void compressor_free(struct compressor *c)
{
    if (c == NULL)
        return;
    if (c->compression == COMPRESSION_DEFLATE || c->compression == COMPRESSION_GZIP)
        deflateEnd(&c->zlib);
    else if (c->compression == COMPRESSION_ZSTD)
        ZSTD_freeCCtx(c->zstd);
    else if (c->compression == COMPRESSION_LZMA)
        lzma_end(&c->lzma);
    free(c);
}

static int run_identity(struct compress_step *step, bool last)
{
    size_t n = step->in_left < step->out_left ? step->in_left : step->out_left;
    if (n > 0)
        memcpy(step->out, step->in, n);
    step->in += n;
    step->in_left -= n;
    step->out += n;
    step->out_left -= n;
    return last && step->in_left == 0 ? COMPRESS_END : COMPRESS_MORE;
}

// zlib counts in 32 bits: its callers give it less.
enum { ZLIB_PIECE = 1 << 30 };

static unsigned zlib_piece(size_t n)
{
    return n > ZLIB_PIECE ? ZLIB_PIECE : (unsigned)n;
}

static int run_zlib(struct compressor *c, struct compress_step *step, bool last)
{
    unsigned in = zlib_piece(step->in_left), out = zlib_piece(step->out_left);
    c->zlib.next_in = (uint8_t *)(uintptr_t)step->in;
    c->zlib.avail_in = in;
    c->zlib.next_out = step->out;
    c->zlib.avail_out = out;
    int result = deflate(&c->zlib, last && in == step->in_left ? Z_FINISH : Z_NO_FLUSH);
    step->in += in - c->zlib.avail_in;
    step->in_left -= in - c->zlib.avail_in;
    step->out += out - c->zlib.avail_out;
    step->out_left -= out - c->zlib.avail_out;
    if (result == Z_STREAM_END)
        return COMPRESS_END;
    return result == Z_OK || result == Z_BUF_ERROR ? COMPRESS_MORE : -ENOMEM;
}

static int run_zstd(struct compressor *c, struct compress_step *step, bool last)
{
    ZSTD_inBuffer in = {step->in, step->in_left, 0};
    ZSTD_outBuffer out = {step->out, step->out_left, 0};
    size_t left = ZSTD_compressStream2(c->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left))
        return -ENOMEM;
    step->in += in.pos;
    step->in_left -= in.pos;
    step->out += out.pos;
    step->out_left -= out.pos;
    return last && left == 0 ? COMPRESS_END : COMPRESS_MORE;
}

static int run_lzma(struct compressor *c, struct compress_step *step, bool last)
{
    c->lzma.next_in = step->in;
    c->lzma.avail_in = step->in_left;
    c->lzma.next_out = step->out;
    c->lzma.avail_out = step->out_left;
    lzma_ret result = lzma_code(&c->lzma, last ? LZMA_FINISH : LZMA_RUN);
    step->in = c->lzma.next_in;
    step->in_left = c->lzma.avail_in;
    step->out = c->lzma.next_out;
    step->out_left = c->lzma.avail_out;
    if (result == LZMA_STREAM_END)
        return COMPRESS_END;
    return result == LZMA_OK || result == LZMA_BUF_ERROR ? COMPRESS_MORE : -ENOMEM;
}

int compressor_run(struct compressor *c, struct compress_step *step, bool last)
{
    for (;;) {
        size_t in = step->in_left, out = step->out_left;
        int result;
        switch (c->compression) {
        case COMPRESSION_DEFLATE:
        case COMPRESSION_GZIP:
            result = run_zlib(c, step, last);
            break;
        case COMPRESSION_ZSTD:
            result = run_zstd(c, step, last);
            break;
        case COMPRESSION_LZMA:
            result = run_lzma(c, step, last);
            break;
        default:
            result = run_identity(step, last);
            break;
        }
        bool moved = step->in_left < in || step->out_left < out;
        bool may_go_on = step->out_left > 0 && (step->in_left > 0 || last);
        if (result != COMPRESS_MORE || !moved || !may_go_on)
            return result;
    }
}
