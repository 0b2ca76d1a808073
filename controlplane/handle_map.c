// SPDX-License-Identifier: BSD-3-Clause
// Arrays from handle to object.
#include "handle_map.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

void handle_map_release(struct handle_map *map)
{
    free(map->slots);
    *map = (struct handle_map){0};
}

bool handle_map_put(struct handle_map *map, struct handle handle, void *object)
{
    if (handle.index >= map->capacity) {
        uint32_t capacity = map->capacity ? map->capacity : FIRST_CAPACITY;
        while (capacity <= handle.index)
            capacity *= 2;
        struct handle_slot *slots = realloc(map->slots, capacity * sizeof(*slots));
        if (!slots)
            return false;
        memset(slots + map->capacity, 0, (capacity - map->capacity) * sizeof(*slots));
        map->slots = slots;
        map->capacity = capacity;
    }
    map->slots[handle.index] = (struct handle_slot){object, handle.generation};
    return true;
}

void *handle_map_get(const struct handle_map *map, struct handle handle)
{
    if (handle.index >= map->capacity || handle.generation == 0)
        return NULL;
    const struct handle_slot *slot = &map->slots[handle.index];
    return slot->generation == handle.generation ? slot->object : NULL;
}

void handle_map_remove(struct handle_map *map, struct handle handle)
{
    if (handle_map_get(map, handle))
        map->slots[handle.index] = (struct handle_slot){0};
}
