// SPDX-License-Identifier: BSD-3-Clause
// The directory server on a stream: an HTTP request, its answer, END (protocol 6.20–6.28, 7.01,
// 7.02). Control thread only.
#pragma once

struct relay;
struct stream;
struct directory_server;

struct directory_server *directory_server_create(struct relay *relay); // NULL: no memory
// Before the circuits, whose streams it has. The loop must run once more. NULL is fine.
void directory_server_free(struct directory_server *server);
// A stream that began with BEGIN_DIR; CONNECTED was sent. Sets its ops, or closes it.
void directory_server_accept(struct directory_server *server, struct stream *stream);
