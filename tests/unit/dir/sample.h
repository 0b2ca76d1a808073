// SPDX-License-Identifier: BSD-3-Clause
// A descriptor and its extra-info, of an identity made for the occasion.
#pragma once

#include "dir/publish/descriptor.h"
#include "dir/publish/extra_info.h"
#include "identity/identity.h"

struct sample {
    struct identity *identity;
    struct descriptor descriptor;
    struct extra_info extra_info;
    char descriptor_text[DESCRIPTOR_MAX + 1], extra_info_text[EXTRA_INFO_MAX + 1];
    int descriptor_length, extra_info_length; // as returned
};

// Fills in everything but the texts; `now` is the time of publication.
void sample_prepare(struct sample *s, struct identity *identity, time_t now);
void sample_build(struct sample *s);
