// SPDX-License-Identifier: BSD-3-Clause
// base32(PUBKEY | CHECKSUM | VERSION) and ".onion" (rend-spec-v3 6).
#include "onion/key/onion_address.h"

#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "crypto/digest.h"
#include "crypto/encoding.h"

enum { CHECKSUM_LEN = 2, VERSION = 3, ADDRESS_BYTES = ONION_KEY_LEN + CHECKSUM_LEN + 1 };

static const char suffix[] = ".onion";
static const char checksum_label[] = ".onion checksum";

static void checksum_of(const uint8_t key[ONION_KEY_LEN], uint8_t out[CHECKSUM_LEN])
{
    uint8_t input[sizeof(checksum_label) - 1 + ONION_KEY_LEN + 1], digest[SHA3_256_LEN];
    memcpy(input, checksum_label, sizeof(checksum_label) - 1);
    memcpy(input + sizeof(checksum_label) - 1, key, ONION_KEY_LEN);
    input[sizeof(input) - 1] = VERSION;
    sha3_256(input, sizeof(input), digest);
    memcpy(out, digest, CHECKSUM_LEN);
}

// The label before ".onion"; NULL: the name does not end so.
static const char *find_label(const char *name, size_t *length)
{
    size_t n = strlen(name);
    if (n > 0 && name[n - 1] == '.')
        n--;
    if (n < sizeof(suffix) - 1 ||
        strncasecmp(name + n - (sizeof(suffix) - 1), suffix, sizeof(suffix) - 1) != 0)
        return NULL;
    n -= sizeof(suffix) - 1;
    const char *dot = memrchr(name, '.', n);
    // What is before the label must be something, as in DNS.
    const char *label = dot && dot != name ? dot + 1 : name;
    *length = n - (size_t)(label - name);
    return label;
}

enum onion_address_fault onion_address_parse(const char *name, uint8_t key[ONION_KEY_LEN])
{
    uint8_t bytes[ADDRESS_BYTES], checksum[CHECKSUM_LEN];
    size_t length;
    const char *label = find_label(name, &length);
    if (!label)
        return ONION_ADDRESS_NONE;
    if (length != ONION_LABEL_LEN)
        return ONION_ADDRESS_LENGTH;
    if (base32_decode(label, length, bytes, sizeof(bytes)) != ADDRESS_BYTES)
        return ONION_ADDRESS_ALPHABET;
    if (bytes[ADDRESS_BYTES - 1] != VERSION)
        return ONION_ADDRESS_VERSION;
    checksum_of(bytes, checksum);
    if (memcmp(checksum, bytes + ONION_KEY_LEN, CHECKSUM_LEN) != 0)
        return ONION_ADDRESS_CHECKSUM;
    // With a torsion part, several addresses would be the same service's (8.01).
    if (crypto_core_ed25519_is_valid_point(bytes) != 1)
        return ONION_ADDRESS_KEY;
    memcpy(key, bytes, ONION_KEY_LEN);
    return ONION_ADDRESS_GOOD;
}

const char *onion_address_fault_text(enum onion_address_fault fault)
{
    switch (fault) {
    case ONION_ADDRESS_GOOD:
        return "it is well-formed";
    case ONION_ADDRESS_NONE:
        return "it does not end in \".onion\"";
    case ONION_ADDRESS_LENGTH:
        return "there are not 56 characters before \".onion\"";
    case ONION_ADDRESS_ALPHABET:
        return "it has a character other than a to z and 2 to 7";
    case ONION_ADDRESS_VERSION:
        return "it is not of version 3";
    case ONION_ADDRESS_CHECKSUM:
        return "its checksum is wrong: it is mistyped";
    case ONION_ADDRESS_KEY:
        return "its key is none that a service can have";
    }
    return "it is malformed";
}

void onion_address_format(const uint8_t key[ONION_KEY_LEN], char out[ONION_ADDRESS_LEN + 1])
{
    uint8_t bytes[ADDRESS_BYTES];
    memcpy(bytes, key, ONION_KEY_LEN);
    checksum_of(key, bytes + ONION_KEY_LEN);
    bytes[ADDRESS_BYTES - 1] = VERSION;
    (void)base32_encode(bytes, sizeof(bytes), out, ONION_ADDRESS_LEN + 1);
    memcpy(out + ONION_LABEL_LEN, suffix, sizeof(suffix));
}
