// SPDX-License-Identifier: BSD-3-Clause
// Prints what we read in a file of directory documents, for check_documents.py to compare with what
// stem reads there.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/encoding.h"
#include "netdoc/certificate.h"
#include "netdoc/consensus.h"
#include "netdoc/microdescriptor.h"
#include "netdoc/router.h"

static const char *hex(const uint8_t *bytes, size_t length)
{
    static char texts[4][65];
    static unsigned next;
    char *text = texts[next++ % 4];
    hex_encode(bytes, length, text, sizeof(texts[0]));
    return text;
}

static void print_values(const char *what, const struct consensus_parameter *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%s %s %d\n", what, values[i].name, values[i].value);
}

static int print_consensus(const uint8_t *text, size_t size)
{
    struct consensus *c;
    char v4[ADDRESS_TEXT_MAX], v6[ADDRESS_TEXT_MAX];
    const char *wrong;
    if (consensus_parse(text, size, &c, &wrong) < 0) {
        fprintf(stderr, "%s\n", wrong);
        return 1;
    }
    printf("times %ld %ld %ld %u %u %u\n", (long)c->valid_after, (long)c->fresh_until,
           (long)c->valid_until, c->method, c->vote_delay_s, c->dist_delay_s);
    print_values("parameter", c->parameters, c->n_parameters);
    print_values("weight", c->weights, c->n_weights);
    for (size_t i = 0; i < c->n_routers; i++) {
        const struct router_status *r = &c->routers[i];
        size_t digest_length = c->flavour == CONSENSUS_NS ? 20 : 32;
        printf("router %s %s %s %s %s %u %x %u %d %ld\n", r->nickname, hex(r->rsa_id, 20),
               hex(r->digest, digest_length), address_format(&r->ipv4, v4),
               r->ipv6.family == ADDRESS_NONE ? "-" : address_format(&r->ipv6, v6), r->dir_port,
               r->flags, r->bandwidth, r->unmeasured, (long)r->published);
        printf("pr %s\n", r->protocols);
    }
    for (size_t i = 0; i < c->n_signatures; i++)
        printf("signature %s %s %s\n", c->signatures[i].sha256 ? "sha256" : "sha1",
               hex(c->signatures[i].identity, 20), hex(c->signatures[i].signing_key, 20));
    consensus_free(c);
    return 0;
}

static size_t print_certificate(const uint8_t *text, size_t size)
{
    struct certificate *c;
    size_t length;
    if (certificate_parse(text, size, &c, &length) == 0)
        printf("certificate %s %s %ld %ld\n", hex(c->identity, 20), hex(c->signing_key, 20),
               (long)c->published, (long)c->expires);
    certificate_free(c);
    return length;
}

static size_t print_microdescriptor(const uint8_t *text, size_t size)
{
    struct microdescriptor m;
    size_t length;
    if (microdescriptor_parse(text, size, &m, &length) == 0)
        printf("microdescriptor %s %s %s\n", hex(m.sha256, 32), hex(m.ntor_key, 32),
               hex(m.ed_id, 32));
    return length;
}

static void print_router(const char *what, const struct router_document *d)
{
    printf("%s %s %s %s %ld %s\n", what, hex(d->rsa_id, 20), hex(d->ed_id, 32), hex(d->sha1, 20),
           (long)d->published, hex(d->extra_info_sha1, 20));
}

static size_t print_descriptor(const uint8_t *text, size_t size)
{
    struct router_document d;
    size_t length;
    if (router_descriptor_parse(text, size, &d, &length) == 0)
        print_router("descriptor", &d);
    return length;
}

static size_t print_extra_info(const uint8_t *text, size_t size)
{
    struct router_document d;
    size_t length;
    if (router_extra_info_parse(text, size, &d, &length) == 0)
        print_router("extra-info", &d);
    return length;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *kind;
        size_t (*print)(const uint8_t *text, size_t size);
    } kinds[] = {
        {"certificates", print_certificate},
        {"microdescriptors", print_microdescriptor},
        {"descriptors", print_descriptor},
        {"extra-infos", print_extra_info},
    };
    static uint8_t text[CONSENSUS_TEXT_MAX];
    FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: print-documents KIND FILE\n");
        return 2;
    }
    size_t size = fread(text, 1, sizeof(text), file), length;
    fclose(file);
    if (strcmp(argv[1], "consensus") == 0)
        return print_consensus(text, size);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(argv[1], kinds[i].kind) == 0)
            for (size_t at = 0; at < size; at += length)
                length = kinds[i].print(text + at, size - at);
    return 0;
}
