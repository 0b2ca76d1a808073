// SPDX-License-Identifier: BSD-3-Clause
// What `ramson status` shows: a Unix socket, data_directory/status.sock, that only its owner can
// use, answers each connection with one JSON document (bootstrap, guards, circuits with their hops,
// streams, counters) and closes it. Control thread only.
//
// The document says where streams go: nobody else is ever told.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct relay;
struct status_server;

#define STATUS_SOCKET_NAME "status.sock"

enum {
    STATUS_CONNECTIONS_MAX = 8, // at a time; more are closed at once
    STATUS_READ_MAX_MS = 5000,  // a reader that takes longer is dropped
    STATUS_LIST_MAX = 10000,    // of circuits, of streams; the rest is counted
};

// NULL, with one line in `error`: what is wrong with the directory or the socket there. A socket
// that nobody listens on any more is replaced.
struct status_server *status_server_create(struct relay *relay, char *error, size_t error_size);
// The socket goes, and so do readers. The loop must run once more. NULL is fine.
void status_server_free(struct status_server *server);

// Drops readers that have taken too long by now (as of uv_now); its timer does.
void status_server_tick(struct status_server *server, uint64_t now_ms);
unsigned status_server_readers(const struct status_server *server);

// The document. NULL: no memory. The caller's, for json_decref.
json_t *status_report(const struct relay *relay);
