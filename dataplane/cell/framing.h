// SPDX-License-Identifier: BSD-3-Clause
// Cuts the plaintext of a link into cells and gives each to where it belongs.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct conn;
struct worker;

// Takes all `length` bytes (an incomplete cell's begin is kept in the connection). They must be in
// the batch's staging area. May close the connection.
void framing_take(struct worker *w, struct conn *c, const uint8_t *bytes, size_t length);
