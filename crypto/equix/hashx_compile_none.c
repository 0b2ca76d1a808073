// SPDX-License-Identifier: BSD-3-Clause
// Where programs are not compiled: they are interpreted.
#include "equix/hashx.h"

struct hashx_code *hashx_code_create(void)
{
    return NULL;
}

void hashx_code_free(struct hashx_code *code)
{
    (void)code;
}

bool hashx_code_compile(struct hashx_code *code, const struct hashx_program *p)
{
    (void)code;
    (void)p;
    return false;
}

void hashx_code_run(const struct hashx_code *code, hashx_lanes registers[HASHX_REGISTERS])
{
    (void)code;
    (void)registers;
}
