// SPDX-License-Identifier: BSD-3-Clause
// From a worker's handle to our object. Handles are small dense indices, so this is an array.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/message.h"

struct handle_slot {
    void *object;
    uint32_t generation;
};

struct handle_map {
    struct handle_slot *slots;
    uint32_t capacity;
};

void handle_map_release(struct handle_map *map);
// False without memory.
bool handle_map_put(struct handle_map *map, struct handle handle, void *object);
void *handle_map_get(const struct handle_map *map, struct handle handle); // or NULL
void handle_map_remove(struct handle_map *map, struct handle handle);
