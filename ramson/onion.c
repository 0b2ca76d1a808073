// SPDX-License-Identifier: BSD-3-Clause
// Keys of onion services on the command line.
#include "onion.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypto/curve25519.h"
#include "crypto/random.h"
#include "onion/key/authorization_file.h"
#include "onion/key/key_directory.h"
#include "prefix_search.h"
#include "whole_file.h"

enum {
    WORDS_MAX = 1,
    DAY_MINUTES = 1440,
    OFFSET_MINUTES = 720, // of time periods in the public network
};

struct options {
    const char *words[WORDS_MAX]; // what is no option
    unsigned n_words;
    const char *prefix, *periods, *first, *minutes, *out;
};

__attribute__((format(printf, 1, 2))) static int complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("ramson: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return EXIT_FAILURE;
}

static void warn(void *user, const char *line)
{
    (void)user;
    fprintf(stderr, "ramson: %s\n", line);
}

static int finish(void)
{
    return fflush(stdout) == 0 ? EXIT_SUCCESS
                               : complain("found that nothing can be written, expected a standard "
                                          "output");
}

// ---- new

static int make(const struct options *o)
{
    char error[KEY_DIRECTORY_ERROR_MAX];
    char hostname[ONION_ADDRESS_LEN + 1];
    struct ed25519_key key;
    const char *fault = o->prefix ? prefix_fault(o->prefix) : NULL;
    if (fault)
        return complain("--prefix: found %s, expected 1 to %d of a-z and 2-7", fault,
                        ADDRESS_PREFIX_MAX);
    // Said before a long search, too.
    if (key_directory_is_taken(o->words[0], error))
        return complain("%s", error);
    if (o->prefix) {
        int result = prefix_search(o->prefix, &key);
        if (result < 0)
            return complain("no search: %s", strerror(-result));
    } else {
        ed25519_generate(&key);
    }
    int result = key_directory_write(o->words[0], &key, error);
    onion_address_format(key.public_key, hostname);
    ed25519_wipe(&key);
    if (result < 0)
        return complain("%s", error);
    printf("%s\n", hostname);
    return finish();
}

// ---- show

static uint64_t end_s(struct time_period t)
{
    return ((t.number + 1) * t.length_minutes + OFFSET_MINUTES) * 60;
}

static void print_time(const char *before, uint64_t time_s)
{
    time_t time = (time_t)time_s;
    struct tm utc;
    char text[32] = "?";
    if (gmtime_r(&time, &utc))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &utc);
    printf("%s%s\n", before, text);
}

static int show(const struct options *o)
{
    char error[KEY_DIRECTORY_ERROR_MAX];
    char master[ONION_ADDRESS_LEN + 1];
    struct key_directory d;
    if (key_directory_load(o->words[0], false, &d, warn, NULL, error) < 0)
        return complain("%s", error);
    printf("%s\n", d.hostname);
    for (unsigned i = 0; i < d.n_clients; i++)
        printf("client: %s\n", d.clients[i].name);
    for (unsigned i = 0; i < d.n_masters; i++) {
        onion_address_format(d.masters[i], master);
        printf("backend of: %s\n", master);
    }
    if (d.n_premade > 0)
        print_time("signing keys until: ", end_s(d.premade[d.n_premade - 1].period));
    key_directory_release(&d);
    return finish();
}

// ---- client-key

// Of an address, or of a service's directory.
static int find_identity(const char *word, uint8_t identity[ONION_KEY_LEN])
{
    char error[KEY_DIRECTORY_ERROR_MAX];
    struct key_directory d;
    size_t length = strlen(word);
    if (length > 6 && strcmp(word + length - 6, ".onion") == 0 && access(word, F_OK) != 0) {
        enum onion_address_fault fault = onion_address_parse(word, identity);
        return fault == ONION_ADDRESS_GOOD
                   ? EXIT_SUCCESS
                   : complain("%s: found %s, expected an address or a service's directory", word,
                              onion_address_fault_text(fault));
    }
    if (key_directory_load(word, false, &d, NULL, NULL, error) < 0)
        return complain("%s", error);
    memcpy(identity, d.identity.public_key, ONION_KEY_LEN);
    key_directory_release(&d);
    return EXIT_SUCCESS;
}

static int make_client_key(const struct options *o)
{
    uint8_t identity[ONION_KEY_LEN];
    struct curve25519_key key;
    char for_service[AUTHORIZATION_LINE_MAX], for_client[AUTHORIZATION_LINE_MAX];
    if (find_identity(o->words[0], identity) != EXIT_SUCCESS)
        return EXIT_FAILURE;
    curve25519_generate(&key);
    authorization_write_public(key.public_key, for_service);
    authorization_write_secret(identity, key.secret, for_client);
    curve25519_wipe(&key);
    printf("for the service, authorized_clients/NAME.auth:\n%s\n"
           "for the visitor, NAME.auth_private:\n%s\n",
           for_service, for_client);
    explicit_bzero(for_client, sizeof(for_client));
    return finish();
}

// ---- sign

static bool number_of(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *text >= '0' && *text <= '9' && *out >= least &&
           *out <= most;
}

// Which periods: as many as were asked for from the present one on, and the one before it, whose
// descriptor may still be asked for.
static int read_periods(const struct options *o, struct time_period *first, uint64_t *n)
{
    first->length_minutes = DAY_MINUTES;
    if (o->minutes && !number_of(o->minutes, 1, 14400, &first->length_minutes))
        return complain("--minutes: found \"%.40s\", expected 1 to 14400", o->minutes);
    if (!o->periods || !number_of(o->periods, 1, PREMADE_KEYS_MAX - 1, n))
        return complain("--periods: found \"%.40s\", expected 1 to %d",
                        o->periods ? o->periods : "", PREMADE_KEYS_MAX - 1);
    uint64_t now = ((uint64_t)time(NULL) / 60 - OFFSET_MINUTES) / first->length_minutes;
    if (o->first && !number_of(o->first, 1, UINT32_MAX - PREMADE_KEYS_MAX, &now))
        return complain("--first: found \"%.40s\", expected a time period's number", o->first);
    first->number = now - 1;
    *n += 1;
    return EXIT_SUCCESS;
}

static int write_keys(const char *path, const struct ed25519_key *identity,
                      struct time_period first, unsigned n)
{
    char *text;
    size_t length;
    int result = premade_keys_make(identity, first, n, &text, &length);
    if (result < 0)
        return complain("no keys: %s", strerror(-result));
    result = whole_file_write(path, text, length, 0);
    explicit_bzero(text, length);
    free(text);
    if (result < 0)
        return complain("%s: cannot be written: %s", path, strerror(-result));
    print_time("signing keys until: ",
               end_s((struct time_period){first.number + n - 1, first.length_minutes}));
    return finish();
}

static int sign(const struct options *o)
{
    char error[KEY_DIRECTORY_ERROR_MAX];
    struct key_directory d;
    struct time_period first = {0};
    uint64_t n = 0;
    if (!o->out || !*o->out)
        return complain("--out: found nothing, expected a file");
    if (access(o->out, F_OK) == 0)
        return complain("%s: found a file already, expected none", o->out);
    if (read_periods(o, &first, &n) != EXIT_SUCCESS)
        return EXIT_FAILURE;
    if (key_directory_load(o->words[0], false, &d, warn, NULL, error) < 0)
        return complain("%s", error);
    int status = d.has_secret
                     ? write_keys(o->out, &d.identity, first, (unsigned)n)
                     : complain("%s: found no hs_ed25519_secret_key, expected one", o->words[0]);
    key_directory_release(&d);
    return status;
}

// ---- all

static const struct command {
    const char *name, *expected;
    int (*execute)(const struct options *o);
    const char *options; // that it may have, between spaces
} commands[] = {
    {"new", "a directory to make", make, " --prefix "},
    {"show", "a service's directory", show, " "},
    {"client-key", "a service's directory or address", make_client_key, " "},
    {"sign", "a service's directory", sign, " --periods --out --first --minutes "},
};

static const char **place_of(struct options *o, const char *name, size_t length)
{
    const struct {
        const char *name, **place;
    } places[] = {{"--prefix", &o->prefix},
                  {"--periods", &o->periods},
                  {"--out", &o->out},
                  {"--first", &o->first},
                  {"--minutes", &o->minutes}};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (strlen(places[i].name) == length && strncmp(places[i].name, name, length) == 0)
            return places[i].place;
    return NULL;
}

// "--name value" or "--name=value", each once. False after having said what is wrong.
static bool read_option(const struct command *c, char ***words, struct options *o)
{
    const char *word = **words, *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const char **place = place_of(o, word, length);
    char between[32];
    snprintf(between, sizeof(between), " %.*s ", (int)(length < 24 ? length : 24), word);
    if (!place || !strstr(c->options, between) || *place) {
        complain("onion %s: found \"%.100s\"%s, expected%s%s", c->name, word,
                 place && *place ? " twice" : "", place && *place ? " it once" : " another option",
                 place && *place ? "" : " or none");
        return false;
    }
    *place = equals ? equals + 1 : (*words)[1];
    if (!*place) {
        complain("onion %s: found \"%.100s\" at the end, expected a value", c->name, word);
        return false;
    }
    *words += equals ? 0 : 1;
    return true;
}

static bool read_options(const struct command *c, char **words, struct options *o)
{
    for (; *words; words++) {
        if (strncmp(*words, "--", 2) == 0) {
            if (!read_option(c, &words, o))
                return false;
        } else if (o->n_words == WORDS_MAX) {
            complain("onion %s: found \"%.100s\" as well, expected only %s", c->name, *words,
                     c->expected);
            return false;
        } else {
            o->words[o->n_words++] = *words;
        }
    }
    if (o->n_words == WORDS_MAX && *o->words[0])
        return true;
    complain("onion %s: found nothing, expected %s", c->name, c->expected);
    return false;
}

int onion_command(char **words)
{
    struct options o = {.n_words = 0};
    if (crypto_init() < 0)
        return complain("found no cryptography library that works, expected one");
    for (size_t i = 0; words[0] && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, words[0]) == 0)
            return read_options(&commands[i], words + 1, &o) ? commands[i].execute(&o)
                                                             : EXIT_FAILURE;
    return complain("onion: found \"%.100s\", expected one of new, show, client-key, sign (see "
                    "ramson --help)",
                    words[0] ? words[0] : "");
}
