// SPDX-License-Identifier: BSD-3-Clause
// Petnames in applications' requests.
#pragma once

#include <stdbool.h>

#include "origin/socks/socks_request.h"

struct petname_book;

// Before anything else looks at the request: a petname, or an address that was lent for one,
// becomes the onion address that it stands for; one whose address is asked for (RESOLVE), an
// address that is lent for it. False: it is nobody's, and must be refused.
bool socks_petname_replace(struct petname_book *b, struct socks_request *q);
