// SPDX-License-Identifier: BSD-3-Clause
// Petnames in applications' requests.
#include "origin/socks/socks_petname.h"

#include <string.h>

#include "onion/petname/petname.h"

static bool replace(struct petname_book *b, struct socks_request *q, enum petname_answer answer,
                    const char *onion)
{
    if (answer != PETNAME_KNOWN)
        return answer == PETNAME_NONE;
    if (q->command == APP_RESOLVE && q->host[0]) {
        bool lent = petname_book_lend(b, q->host, &q->address);
        q->host[0] = 0;
        return lent;
    }
    memcpy(q->host, onion, ONION_ADDRESS_LEN + 1);
    q->address = (struct address){0};
    q->bare = false; // it is a name after all
    return true;
}

bool socks_petname_replace(struct petname_book *b, struct socks_request *q)
{
    char onion[ONION_ADDRESS_LEN + 1] = "";
    if (q->host[0])
        return replace(b, q, petname_book_resolve(b, q->host, onion), onion);
    if (q->command == APP_RESOLVE)
        return true; // the answer is the address itself
    enum petname_answer answer = petname_book_lent(b, &q->address, onion);
    return replace(b, q,
                   q->command == APP_CONNECT || answer == PETNAME_NONE ? answer : PETNAME_UNKNOWN,
                   onion);
}
