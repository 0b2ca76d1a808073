// SPDX-License-Identifier: BSD-3-Clause
// HTTP CONNECT as C tor's HTTPTunnelPort takes it: the head of a request, and answers to what is
// none.
#pragma once

#include "origin/socks/socks_request.h"

// As socks_handshake_read, from the first byte on.
enum socks_progress http_connect_read(struct socks_handshake *handshake, struct reader *in,
                                      struct writer *reply);
// For a listener without HTTP: says so to a browser.
void http_connect_refuse(struct writer *reply);
