// SPDX-License-Identifier: BSD-3-Clause
// The directory server's parts among themselves.
//
// A request goes: its head, for a POST its body; then what it asks for is found, perhaps only once
// a helper thread has made it; then the answer is sent piece by piece. Nothing of it is copied: it
// is holds of documents, and for the small ones a compressor.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "dir/compress.h"
#include "dir/serve/packed.h"
#include "dir/serve/resource.h"
#include "dir/serve/serve.h"
#include "relay.h"
#include "stream/stream.h"

enum {
    SERVE_REQUESTS_MAX = 32768,        // at a time
    SERVE_MEMORY_BYTES_MAX = 64 << 20, // of heads, bodies, lists, compressors, onion descriptors
    SERVE_COMPRESSOR_SHARE_BYTES = 48 << 20, // beyond it documents are sent as they are
    SERVE_READ_MS = 60 * 1000,               // for head and body
    SERVE_ANSWER_MS = 10 * 60 * 1000,        // for the whole answer
    SERVE_HEAD_ROOM = 448,
};

enum request_state {
    REQUEST_HEAD,   // its head is not whole
    REQUEST_BODY,   // its body is not
    REQUEST_WAITS,  // what it asks for is being made
    REQUEST_ANSWER, // sends
    REQUEST_CLOSED, // END was asked for
};

TAILQ_HEAD(request_list, request);

struct request {
    struct directory_server *server;
    struct stream *stream;
    struct request_list *list; // which it is in
    TAILQ_ENTRY(request) entry;
    uint64_t since_ms; // that it is in it
    enum request_state state;
    size_t charged_bytes;
    // ---- what came; dropped when the answer begins
    uint8_t *input;
    size_t input_length, input_capacity, searched;
    size_t head_length;
    size_t body_length; // that is to come, or has
    // ---- what is sent
    char head[SERVE_HEAD_ROOM];
    unsigned answer_head_length, answer_head_sent;
    struct blob **documents; // held
    size_t n_documents, documents_capacity;
    size_t next, at;               // the document, and the byte of it, that comes next
    struct compressor *compressor; // NULL: they are sent as they are
};

struct directory_server {
    struct relay *relay;
    struct packed_texts *packed;
    struct uv_timer_s *timer;
    struct request_list reading, waiting, answering; // each by since_ms
    unsigned n_requests;
    size_t memory_bytes, compressor_bytes;
    uint64_t generation; // of the store, when `packed` was last cleared
};

// ---- serve.c

// More memory is this request's. False: there would be too much.
bool request_charge(struct request *r, size_t bytes);
void request_close(struct request *r, enum end_reason reason);
// Ends what takes too long.
void directory_server_expire(struct directory_server *server, uint64_t now_ms);

// ---- serve_documents.c

// Its head, and for a POST its body, are there: finds what it asks for, and begins the answer; or
// leaves it in REQUEST_WAITS, to be called again.
void request_handle(struct request *r);
// If the consensuses have changed, what was made of the ones before goes.
void directory_server_forget_old(struct directory_server *server);
// The head of a POST is there. False: it is answered already.
bool request_wants_body(struct request *r, const struct http_request *http);

// ---- serve_reply.c

// An answer without a body.
void reply_status(struct request *r, unsigned status, const char *reason);
// 503: there is no memory for more.
void reply_busy(struct request *r);
// Adds a document to the answer, of which it takes a hold. False: no memory, and it is answered.
bool reply_add(struct request *r, struct blob *document);
// Each document only once.
void reply_unique(struct request *r);
struct reply_head {
    enum compression encoding;
    bool compress;       // the documents, while they are sent; else they are in this encoding
    long lifetime_s;     // 0: not to be cached
    bool varies_by_diff; // the answer depends on X-Or-Diff-From-Consensus
};
// 200 with the documents added before.
void reply_begin(struct request *r, const struct reply_head *head);
// 200: a small text.
void reply_text(struct request *r, const void *text, size_t length, long lifetime_s);
// How documents are best compressed while they are sent.
enum compression reply_encoding(const struct request *r, unsigned accepted);
// As stream_ops.produce.
int reply_produce(struct request *r, uint8_t *out, size_t capacity);
// Drops all that the request has.
void reply_release(struct request *r);
