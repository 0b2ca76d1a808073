// SPDX-License-Identifier: BSD-3-Clause
// A directory's answer as the directory client reads it: the first byte says to what, the second
// how it is packed; what follows is an answer, or a consensus of ours and an answer by its
// difference.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dir/client/answer.h"
#include "dir/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const char border[] = "\nnetwork-status-diff-version ";
    if (length < 2)
        return 0;
    const uint8_t *body = bytes + 2;
    size_t size = length - 2;
    struct answer a = {.kind = (enum fetch_kind)(bytes[0] % FETCH_KINDS),
                       .flavour = bytes[0] & 0x80 ? CONSENSUS_MICRODESC : CONSENSUS_NS};
    enum compression c = bytes[1] % COMPRESSIONS;
    snprintf(a.encoding, sizeof(a.encoding), "%s", compression_name(c));
    const uint8_t *diff = size == 0 ? NULL : memmem(body, size, border, strlen(border));
    if (a.kind == FETCH_CONSENSUS && c == COMPRESSION_IDENTITY && diff != NULL) {
        a.base = blob_create(body, (size_t)(diff + 1 - body));
        size -= (size_t)(diff + 1 - body);
        body = diff + 1;
    }
    a.body = blob_create(body, size);
    answer_read(&a);
    for (size_t i = 0; i < a.n_documents; i++)
        if (a.documents[i].at >= a.text->length)
            abort();
    if (a.wrong == NULL && (a.text == NULL || (a.kind == FETCH_CONSENSUS) != (a.consensus != NULL)))
        abort();
    answer_release(&a);
    blob_drop(a.body);
    blob_drop(a.base);
    return 0;
}
