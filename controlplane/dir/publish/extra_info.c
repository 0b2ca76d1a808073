// SPDX-License-Identifier: BSD-3-Clause
// The extra-info document.
#include "dir/publish/extra_info.h"

#include <errno.h>
#include <string.h>

#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "dir/publish/document.h"
#include "identity/identity.h"

int extra_info_build(const struct extra_info *in, char *out, size_t capacity,
                     struct extra_info_digest *digest)
{
    struct writer w = writer_of(out, capacity < EXTRA_INFO_MAX ? capacity : EXTRA_INFO_MAX);
    char fingerprint[HEX_TEXT_SIZE(20)];
    hex_encode(in->identity->rsa_id, sizeof(in->identity->rsa_id), fingerprint,
               sizeof(fingerprint));
    document_add(&w, "extra-info %s %s\n", in->nickname, fingerprint);
    document_add_identity(&w, in->identity);
    document_add_published(&w, in->published);
    write_bytes(&w, in->lines, strlen(in->lines));
    int err = document_sign(&w, in->identity, digest->sha1);
    if (err < 0)
        return err;
    if (w.failed)
        return -EMSGSIZE;
    sha256(out, writer_length(&w), digest->sha256);
    return (int)writer_length(&w);
}
