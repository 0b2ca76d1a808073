// SPDX-License-Identifier: BSD-3-Clause
// Batched AES-128-CTR over the bodies of relay cells (tor-spec: "Relay cells", tor1), and
// AES-256-CTR for those between a client and an onion service.
//
// tor1 has one running counter per direction of a circuit, over all 509-byte bodies one after the
// other. 509 is no multiple of 16, so most bodies begin in the middle of a counter block. A job
// therefore works on the whole blocks around the body: it begins up to 15 bytes before it.
//
// A struct cell_cipher belongs to one thread. Nothing here allocates after cell_cipher_create.
#pragma once

#include <stdint.h>

enum {
    CELL_CIPHER_BURST_MAX = 64, // jobs that are gathered before they run
    CELL_CIPHER_SCRATCH = 16,   // bytes in front of a body that must belong to the buffer
};

struct cell_cipher;

// One direction's key stream. Has to be wiped by its owner with ctr_stream_clear. May be copied and
// moved while no job of it is gathered. Round keys are computed in each run, which costs less than
// fetching them from a distant cache (docs/decisions/compact-layers.md).
struct ctr_stream {
    uint8_t key[16];
    uint64_t position_bytes; // of the next body in the key stream
};

// The same with a key of 256 bits.
struct ctr_long_stream {
    uint8_t key[32];
    uint64_t position_bytes;
};

// NULL without memory, or when the multi-buffer library, which serves CPUs without AES
// instructions, finds nothing for this one.
struct cell_cipher *cell_cipher_create(void);
void cell_cipher_destroy(struct cell_cipher *cc);
// Which implementation was chosen at run time, e.g. "vaes256"; static storage.
const char *cell_cipher_implementation(const struct cell_cipher *cc);

// Zero IV, position 0. Does not disturb gathered jobs.
void ctr_stream_init(struct cell_cipher *cc, struct ctr_stream *stream, const uint8_t key[16]);
void ctr_stream_clear(struct ctr_stream *stream);
void ctr_long_stream_init(struct ctr_long_stream *stream, const uint8_t key[32]);

// Gathers a job: *dst = *src XOR the next 509 bytes of the key stream; moves the stream on by 509.
// The buffers and the stream must stay where they are until cell_cipher_run. When
// CELL_CIPHER_BURST_MAX jobs are gathered they run at once.
//
// The CELL_CIPHER_SCRATCH bytes in front of src_body must be readable, those in front of dst_body
// writable: THEIR CONTENT IS LOST (write a cell's header after cell_cipher_run, not before).
// src_body may equal dst_body; other overlaps, of the bodies or their scratch, are not allowed,
// between jobs of one burst neither. So cells that lie packed in a buffer can be sources but not
// destinations. Any number of jobs may share a stream; one body takes part in one job per run.
void cell_cipher_add(struct cell_cipher *cc, struct ctr_stream *stream, const uint8_t *src_body,
                     uint8_t *dst_body);
// The same. One body takes part in one job per run, of either sort.
void cell_cipher_add_long(struct cell_cipher *cc, struct ctr_long_stream *stream,
                          const uint8_t *src_body, uint8_t *dst_body);
// Runs what was gathered. After it, all dst bodies are filled.
void cell_cipher_run(struct cell_cipher *cc);
