// SPDX-License-Identifier: BSD-3-Clause
// What `ramson status` shows: a Unix socket, data_directory/status.sock, that only its owner can
// use, answers each connection with one JSON document (bootstrap, guards, circuits with their hops,
// streams, counters) and closes it. Control thread only.
#pragma once

#include <stddef.h>

struct relay;
struct status_server;

// NULL, with one line in `error`.
struct status_server *status_server_create(struct relay *relay, char *error, size_t error_size);
// The loop must run once more. NULL is fine.
void status_server_free(struct status_server *server);
