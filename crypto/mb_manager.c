// SPDX-License-Identifier: BSD-3-Clause
// Chooses the multi-buffer library's implementation at run time.
#include "mb_manager.h"

#include <string.h>

static const char *mb_manager_name(const IMB_MGR *mgr, IMB_ARCH arch)
{
    switch (arch) {
    case IMB_ARCH_NOAESNI:
        return "no-aesni";
    case IMB_ARCH_SSE:
        return "sse";
    case IMB_ARCH_AVX:
        return "avx";
    case IMB_ARCH_AVX2:
        return "avx2";
    case IMB_ARCH_AVX512:
        return (mgr->features & IMB_FEATURE_VAES) ? "avx512-vaes" : "avx512";
    default:
        return "none";
    }
}

IMB_MGR *mb_manager_create(const char **name)
{
    IMB_MGR *mgr = alloc_mb_mgr(0);
    if (!mgr)
        return NULL;
    IMB_ARCH arch = IMB_ARCH_NONE;
    init_mb_mgr_auto(mgr, &arch);
    if (imb_get_errno(mgr) != 0 || arch == IMB_ARCH_NONE) {
        free_mb_mgr(mgr);
        return NULL;
    }
    *name = mb_manager_name(mgr, arch);
    return mgr;
}

void mb_manager_destroy(IMB_MGR *mgr)
{
    if (!mgr)
        return;
    // The library keeps pieces of keys and counters between calls.
    explicit_bzero(mgr, imb_get_mb_mgr_size());
    free_mb_mgr(mgr);
}
