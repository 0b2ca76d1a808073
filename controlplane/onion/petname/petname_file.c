// SPDX-License-Identifier: BSD-3-Clause
// petnames.json.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "config/config.h"
#include "config/locate.h"
#include "onion/petname/petname_internal.h"
#include "whole_file.h"

enum { FILE_BYTES_MAX = PETNAMES_MAX * 256 };

bool petnames_path(const struct config *config, char *out, size_t size)
{
    bool set = config->petnames[0];
    int length = snprintf(out, size, "%s%s", set ? config->petnames : config->data_directory,
                          set ? "" : "/petnames.json");
    return length > 0 && (size_t)length < size;
}

// ---- reading

struct parse {
    const char *path, *text;
    size_t length;
    char *error;
};

// FILE:LINE:COLUMN: WHAT
static void fail_at(const struct parse *parse, struct text_place place, const char *what)
{
    char file[192], shown[288];
    snprintf(parse->error, PETNAME_ERROR_MAX, "%s:%u:%u: %s",
             printable(parse->path, strlen(parse->path), file, sizeof(file)), place.line,
             place.column, printable(what, strlen(what), shown, sizeof(shown)));
}

// What is wrong with a member, or with all of it (`key` NULL).
static void fail_member(const struct parse *parse, const char *key, bool at_key, const char *what)
{
    struct key_path path = {0};
    if (key)
        path = (struct key_path){{{.key = key, .key_length = strlen(key)}}, 1};
    size_t offset = locate_path(parse->text, parse->length, &path, at_key);
    fail_at(parse, text_place_of(parse->text, parse->length, offset), what);
}

static json_t *parse_json(const struct parse *parse)
{
    json_error_t json;
    json_t *document = json_loadb(parse->text, parse->length, JSON_REJECT_DUPLICATES, &json);
    if (!document) {
        struct text_place place = {json.line > 0 ? (unsigned)json.line : 1,
                                   json.column > 0 ? (unsigned)json.column : 1};
        fail_at(parse, place, json.text);
    }
    return document;
}

static bool add_member(const struct parse *parse, struct petnames *p, const char *key,
                       const json_t *value)
{
    char why[PETNAME_ERROR_MAX];
    const char *address = json_string_value(value);
    if (!address) {
        fail_member(parse, key, false, "found no text, expected an onion address of version 3");
        return false;
    }
    if (petnames_add(p, key, address, why) == 0)
        return true;
    // Which of both is wrong: the name if it is with any address.
    uint8_t identity[ONION_KEY_LEN];
    bool at_key = onion_address_parse(address, identity) == ONION_ADDRESS_GOOD;
    fail_member(parse, key, at_key, why);
    return false;
}

static bool add_all(const struct parse *parse, struct petnames *p, json_t *document)
{
    const char *key;
    json_t *value;
    if (!json_is_object(document)) {
        fail_member(parse, NULL, false, "found a list, expected { \"NAME\": \"ADDRESS.onion\" }");
        return false;
    }
    json_object_foreach(document, key, value) if (!add_member(parse, p, key, value)) return false;
    return true;
}

struct petnames *petnames_parse(const char *path, const char *text, size_t length,
                                char error[PETNAME_ERROR_MAX])
{
    const struct parse parse = {path, text, length, error};
    struct petnames *p = petnames_empty();
    snprintf(error, PETNAME_ERROR_MAX, "no memory left");
    json_t *document = p ? parse_json(&parse) : NULL;
    if (!document || !add_all(&parse, p, document)) {
        petnames_free(p);
        p = NULL;
    }
    json_decref(document);
    return p;
}

struct petnames *petnames_load(const char *path, char error[PETNAME_ERROR_MAX])
{
    char *text = NULL;
    size_t length;
    int err = whole_file_read(path, FILE_BYTES_MAX, &text, &length);
    snprintf(error, PETNAME_ERROR_MAX, "%.300s: %s", path, strerror(-err));
    if (err)
        return err == -ENOENT ? petnames_empty() : NULL;
    struct petnames *p = petnames_parse(path, text, length, error);
    free(text);
    return p;
}

// ---- writing

static char *format(const struct petnames *p)
{
    json_t *document = json_object();
    bool good = document;
    for (size_t i = 0; good && i < p->n; i++)
        good = json_object_set_new(document, p->list[i].name, json_string(p->list[i].address)) == 0;
    char *text = good ? json_dumps(document, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    json_decref(document);
    return text;
}

int petnames_save(const struct petnames *p, const char *path, char error[PETNAME_ERROR_MAX])
{
    char *text = format(p);
    size_t length = text ? strlen(text) : 0;
    int err = -ENOMEM;
    if (text) {
        text[length] = '\n'; // in the place of its NUL
        err = whole_file_write(path, text, length + 1, 0);
    }
    free(text);
    if (err)
        snprintf(error, PETNAME_ERROR_MAX, "%.300s: %s", path, strerror(-err));
    return err;
}
