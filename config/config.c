// SPDX-License-Identifier: BSD-3-Clause
// Reading a configuration: file, JSON, keys, checks; and the one line that says what is wrong.
#include "config/config.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "config/locate.h"
#include "schema.h"

struct config_source {
    char name[256];
    size_t length;
    char text[];
};

// ---- errors

static void error_text(struct config_error *error, const char *found, const char *expected)
{
    printable(found, strlen(found), error->found, sizeof(error->found));
    printable(expected, strlen(expected), error->expected, sizeof(error->expected));
}

static void error_place(struct config_error *error, const struct config_source *source,
                        size_t offset)
{
    struct text_place place = text_place_of(source->text, source->length, offset);
    snprintf(error->file, sizeof(error->file), "%s", source->name);
    error->line = place.line;
    error->column = place.column;
}

// "a.b[1].c" as steps, whose keys point into the text.
static struct key_path parse_key_path(const char *text)
{
    struct key_path path = {0};
    while (*text && path.depth < KEY_PATH_DEPTH_MAX) {
        struct key_step *step = &path.steps[path.depth++];
        if (*text == '[') {
            char *end;
            step->index = strtoul(text + 1, &end, 10);
            text = end + (*end == ']');
        } else {
            step->key = text;
            step->key_length = strcspn(text, ".[");
            text += step->key_length;
        }
        text += *text == '.';
    }
    return path;
}

void config_error_at(const struct config *config, const char *key_path, const char *found,
                     const char *expected, struct config_error *error)
{
    const struct config_source *source = config->source;
    *error = (struct config_error){0};
    struct key_path path = parse_key_path(key_path);
    error_place(error, source, locate_path(source->text, source->length, &path, false));
    snprintf(error->key_path, sizeof(error->key_path), "%s", key_path);
    error_text(error, found, expected);
}

const char *config_error_format(const struct config_error *e, char buffer[CONFIG_ERROR_TEXT_MAX])
{
    int used = snprintf(buffer, CONFIG_ERROR_TEXT_MAX, "%s:", e->file);
    if (e->line && used >= 0)
        used += snprintf(buffer + used, CONFIG_ERROR_TEXT_MAX - (size_t)used, "%u:%u:", e->line,
                         e->column);
    if (e->line && used >= 0)
        used += snprintf(buffer + used, CONFIG_ERROR_TEXT_MAX - (size_t)used,
                         " %s:", e->key_path[0] ? e->key_path : "(document)");
    if (used >= 0)
        snprintf(buffer + used, CONFIG_ERROR_TEXT_MAX - (size_t)used, " found %s, expected %s",
                 e->found, e->expected);
    return buffer;
}

// ---- JSON

// jansson's text is "WHAT expected near 'TOKEN'", "WHAT near 'TOKEN'" or "WHAT".
static void explain_syntax(const json_error_t *json, const char *token, struct config_error *error)
{
    static const char marker[] = " expected";
    char what[sizeof(json->text)], found[2 * sizeof(json->text)];
    snprintf(what, sizeof(what), "%s", json->text);
    char *near = strstr(what, " near ");
    if (near)
        *near = '\0';
    char *end = strstr(what, marker);
    bool says_what = end && end[sizeof(marker) - 1] == '\0';
    if (says_what)
        *end = '\0';
    snprintf(found, sizeof(found), says_what ? "%s" : "%s (%s)", token, what);
    error_text(error, found, says_what ? what : "valid JSON");
}

static void explain_json(const struct config_source *source, const json_error_t *json,
                         struct config_error *error)
{
    enum json_error_code code = json_error_code(json);
    bool at_end = code == json_error_premature_end_of_input;
    size_t offset = at_end || json->position < 0 || (size_t)json->position > source->length
                        ? source->length
                        : (size_t)json->position;
    size_t token_length;
    size_t token_at =
        locate_token(source->text, source->length, offset, &token_length, error->key_path);
    error_place(error, source, at_end ? source->length : token_at);
    char token[64];
    printable(source->text + token_at, token_length, token, sizeof(token));
    switch (code) {
    case json_error_premature_end_of_input:
        explain_syntax(json, "the end of the file", error);
        break;
    case json_error_duplicate_key:
        error_text(error, "the key a second time", "each key once");
        break;
    case json_error_invalid_utf8:
        error_text(error, "bytes that are no UTF-8", "UTF-8 text");
        break;
    case json_error_stack_overflow:
        error_text(error, "too many brackets inside each other", "the keys of a configuration");
        break;
    case json_error_null_character:
    case json_error_null_byte_in_key:
        error_text(error, "a NUL character", "text without NUL");
        break;
    default:
        explain_syntax(json, token_length ? token : "nothing", error);
        break;
    }
}

static json_t *parse_json(const struct config_source *source, struct config_error *error)
{
    json_error_t json;
    json_t *document = json_loadb(source->text, source->length, JSON_REJECT_DUPLICATES, &json);
    if (!document)
        explain_json(source, &json, error);
    return document;
}

// ---- loading

static bool apply_document(const json_t *document, struct config *config,
                           struct config_error *error)
{
    struct schema_fault fault = {0};
    bool ok = false;
    if (json_is_object(document)) {
        ok = schema_apply(document, &schema_root, config, &fault);
    } else {
        snprintf(fault.found, sizeof(fault.found), "a list");
        snprintf(fault.expected, sizeof(fault.expected), "an object, { \"nickname\": ... }");
    }
    if (ok)
        return true;
    const struct config_source *source = config->source;
    error_place(error, source,
                locate_path(source->text, source->length, &fault.path, fault.at_key));
    key_path_format(&fault.path, error->key_path);
    error_text(error, fault.found, fault.expected);
    return false;
}

static bool fill_in(struct config *config, struct config_error *error)
{
    json_t *document = parse_json(config->source, error);
    if (!document)
        return false;
    config_defaults(config);
    bool ok = apply_document(document, config, error);
    json_decref(document);
    if (!ok)
        return false;
    config_derive(config);
    return config_check(config, error);
}

// Takes `source`.
static int parse_source(struct config_source *source, struct config **out,
                        struct config_error *error)
{
    struct config *config = calloc(1, sizeof(*config));
    if (!config) {
        free(source);
        snprintf(error->file, sizeof(error->file), "(configuration)");
        error_text(error, "no memory left", "memory");
        return -ENOMEM;
    }
    config->source = source;
    if (!fill_in(config, error)) {
        config_free(config);
        return -EINVAL;
    }
    *out = config;
    return 0;
}

static int fail_file(const char *name, int code, const char *found, struct config_error *error)
{
    *error = (struct config_error){0};
    printable(name, strlen(name), error->file, sizeof(error->file));
    error_text(error, found, "a readable file of at most 1 MB");
    return -code;
}

static struct config_source *make_source(const char *name, size_t length)
{
    struct config_source *source = calloc(1, sizeof(*source) + length + 1);
    if (source) {
        printable(name, strlen(name), source->name, sizeof(source->name));
        source->length = length;
    }
    return source;
}

int config_parse(const char *name, const char *text, size_t length, struct config **out,
                 struct config_error *error)
{
    *out = NULL;
    *error = (struct config_error){0};
    if (length > CONFIG_FILE_BYTES_MAX)
        return fail_file(name, EINVAL, "more than 1 MB", error);
    struct config_source *source = make_source(name, length);
    if (!source)
        return fail_file(name, ENOMEM, "no memory left", error);
    if (length)
        memcpy(source->text, text, length);
    return parse_source(source, out, error);
}

int config_load(const char *path, struct config **out, struct config_error *error)
{
    *out = NULL;
    *error = (struct config_error){0};
    FILE *file = fopen(path, "re");
    if (!file)
        return fail_file(path, errno, strerror(errno), error);
    struct config_source *source = make_source(path, CONFIG_FILE_BYTES_MAX + 1);
    if (!source) {
        fclose(file);
        return fail_file(path, ENOMEM, "no memory left", error);
    }
    errno = 0;
    source->length = fread(source->text, 1, CONFIG_FILE_BYTES_MAX + 1, file);
    int code = ferror(file) ? (errno ? errno : EIO) : 0;
    fclose(file);
    if (code || source->length > CONFIG_FILE_BYTES_MAX) {
        free(source);
        return fail_file(path, code ? code : EINVAL, code ? strerror(code) : "more than 1 MB",
                         error);
    }
    return parse_source(source, out, error);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    free(config->onion_services);
    free(config->source);
    free(config);
}
