// SPDX-License-Identifier: BSD-3-Clause
// Where applications come in: listeners of the kernel's sockets, TCP or Unix, that speak SOCKS4,
// 4a, 5 and HTTP CONNECT (protocol 9.25–9.29). Control thread only.
#pragma once

#include <stddef.h>

struct origin;
struct socks_server;

// Listens on all of config's `socks`. NULL, with one line in `error`: which, and why not.
struct socks_server *socks_server_create(struct origin *origin, char *error, size_t error_size);
// Closes listeners and connections. The loop must run once more. NULL is fine.
void socks_server_free(struct socks_server *server);
// Each second.
void socks_server_tick(struct socks_server *server);
unsigned socks_server_connections(const struct socks_server *server);
