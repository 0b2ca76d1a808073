// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share.
#pragma once

#include "onion/petname/petname.h"

struct petnames {
    struct petname *list; // by name
    size_t n, capacity;
};

struct petnames *petnames_empty(void); // NULL: no memory
