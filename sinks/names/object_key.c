/* A name is the prefix, in which expressions are replaced, a slash or default folders, and a tail of stream, version, time and id. All
 * of it follows from the seal alone, so that an attempt after a crash names the same object. A prefix is walked over piece by piece
 * (pieces.h), once to check it and then for each name. */
#include "sinks/names/object_key.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/key_set.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/time_zone.h"
#include "sinks/names/literal.h"
#include "sinks/names/pieces.h"
#include "sinks/names/time_pattern.h"
#include "sinks/seal_identity.h"

#include <inttypes.h>
#include <string.h>

#define IDENTITY_BYTES    16
#define RANDOM_CHARACTERS 11
#define EXTENSION_MAX     128
#define ERROR_TYPE_MAX    64

/* What follows the stream's name, and an extension that no format and codec together is longer than. */
#define LONGEST_TAIL      "-4294967295-2026-09-30-23-59-59-01234567-0123-0123-0123-0123456789ab"
#define LONGEST_EXTENSION ".hsnappy"

#define DEFAULT_FOLDERS "yyyy/MM/dd/HH/"
#define NAME_TIME       "yyyy-MM-dd-HH-mm-ss"

/* A Wednesday in September, near midnight: no other moment takes more characters. */
#define LONGEST_MOMENT ((nsec)1790812799 * NSEC_PER_SEC)
/* No name of an error type is longer. */
#define LONGEST_ERROR_TYPE "AmazonOpenSearchServerless-failed"

/* What the names of one kind of objects begin with. */
struct prefix {
    const char *option; /* its name, for messages */
    char *text;
    bool has_expressions, has_error_type;
};

struct object_key {
    struct prefix objects, errors; /* errors.text NULL: derived from that of the objects */
    bool backup;
    size_t name_max; /* 0: no bound */
    char *extension; /* NULL: what format and codec say */
    struct time_zone *zone;
    char *stream;
    uint32_t version;
    unsigned char identity[IDENTITY_BYTES];
};

static const struct prefix *prefix_for(const struct object_key *k, const struct sink_seal_id *id)
{
    return id->error_type && k->errors.text ? &k->errors : &k->objects;
}

static bool is_error_type(const struct piece *p)
{
    return slice_is(p->space, "firehose") && slice_is(p->value, "error-output-type");
}

static int check_expression(const struct prefix *x, bool for_errors, bool keys, const struct piece *p, struct err *e)
{
    if (slice_is(p->space, "timestamp")) {
        if (time_pattern_check(p->value, e) < 0)
            return err_wrap(e, "%s: `%.*s`", x->option, (int)p->text.n, p->text.p);
        return 0;
    }
    if ((slice_is(p->space, "firehose") && slice_is(p->value, "random-string")) || (for_errors && is_error_type(p)))
        return 0;
    if (is_error_type(p))
        return err_set(e, ERR_CONFIG, "%s: `!{firehose:error-output-type}` is for error_prefix only", x->option);
    if (piece_key(p) != KEY_NONE && keys)
        return piece_check_key(x->option, p, e);
    if (piece_key(p) != KEY_NONE)
        return err_set(e, ERR_CONFIG, "%s: `%.*s`: what goes to a backup has no partition keys", x->option,
                       (int)p->text.n, p->text.p);
    return err_set(e, ERR_CONFIG,
                   "%s: `%.*s` is not known; there are !{timestamp:PATTERN}, !{firehose:random-string}%s", x->option,
                   (int)p->text.n, p->text.p, for_errors ? " and !{firehose:error-output-type}" : "");
}

static int check_text(struct prefix *x, bool for_errors, bool keys, struct err *e)
{
    struct slice rest = slice_str(x->text);
    struct piece p;
    int rc;

    for (size_t i = 0; i < rest.n; i++)
        if ((unsigned char)rest.p[i] < 0x20 || rest.p[i] == 0x7f)
            return err_set(e, ERR_CONFIG, "%s: byte %zu is a control character", x->option, i + 1);
    x->has_expressions = strstr(x->text, "!{") != NULL;
    if (literal_check(x->option, x->text, false, e) < 0) {
        x->has_expressions = true; /* once it is corrected */
        return -1;
    }
    while ((rc = piece_next(x->option, &rest, &p, e)) > 0) {
        if (p.expression && check_expression(x, for_errors, keys, &p, e) < 0)
            return -1;
        x->has_error_type |= p.expression && is_error_type(&p);
    }
    return rc;
}

static int check_prefix(struct prefix *x, bool for_errors, bool keys, struct err *e)
{
    size_t n = strlen(x->text);

    if (n > OBJECT_PREFIX_MAX)
        return err_set(e, ERR_CONFIG, "%s: %zu bytes, at most %d are allowed", x->option, n, OBJECT_PREFIX_MAX);
    return check_text(x, for_errors, keys, e);
}

int object_key_check_text(const char *option, const char *text, struct err *e)
{
    struct prefix x = {.option = option, .text = (char *)text};

    return check_text(&x, false, true, e);
}

/* Firehose's rules. Where no error object will ever be written, an error prefix is a mistake: it would do nothing. */
static int check_error_prefix(struct object_key *k, struct err *e)
{
    if (!k->errors.text) {
        if (k->backup && k->objects.has_expressions)
            return err_set(
                e, ERR_CONFIG,
                "error_prefix: needed where object names have expressions: say where error objects go, such as "
                "errors/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/");
        return 0;
    }
    if (!k->backup)
        return err_set(e, ERR_CONFIG, "error_prefix: error objects go to the stream's `backup`: set it there");
    if (check_prefix(&k->errors, true, false, e) < 0)
        return -1;
    if (k->errors.has_expressions && !k->errors.has_error_type)
        return err_set(e, ERR_CONFIG,
                       "error_prefix: has expressions, and then `!{firehose:error-output-type}` must be one of them");
    return 0;
}

/* Firehose: \.[0-9a-z!\-_.*'()]+ */
static int check_extension(const char *ext, struct err *e)
{
    size_t n = strlen(ext);

    if (n < 2 || n > EXTENSION_MAX || ext[0] != '.' ||
        strspn(ext + 1, "0123456789abcdefghijklmnopqrstuvwxyz!-_.*'()") != n - 1)
        return err_set(e, ERR_CONFIG,
                       "extension: `%s` does not begin with a dot followed by at most %d of 0-9 a-z ! - _ . * ' ( )",
                       ext, EXTENSION_MAX - 1);
    return 0;
}

/* A folder named `..` would leave the place that objects belong in: a file sink's folder, or the bucket, as URLs are
 * resolved. */
static int check_folders(const struct object_key *k, const char *option, struct slice key, struct err *e)
{
    size_t from = 0;

    for (size_t i = 0; i <= key.n; i++) {
        struct slice part;

        if (i < key.n && key.p[i] != '/')
            continue;
        part = slice_of(key.p + from, i - from);
        if (slice_is(part, ".") || slice_is(part, ".."))
            return err_set(e, ERR_CONFIG, "%s: a folder cannot be named `%.*s`", option, (int)part.n, part.p);
        if (k->name_max > 0 && part.n > k->name_max)
            return err_set(e, ERR_CONFIG,
                           "%s: the name of a %s can have %zu bytes with it, and file systems take at most %zu", option,
                           i < key.n ? "folder" : "file", part.n, k->name_max);
        from = i + 1;
    }
    return 0;
}

/* A set with a short value for each key of the prefix. */
static int add_sample_keys(const struct prefix *x, struct buf *keys, struct err *e)
{
    struct slice rest = slice_str(x->text);
    struct piece p;
    int rc;

    while ((rc = piece_next(x->option, &rest, &p, e)) > 0)
        if (piece_key(&p) != KEY_NONE && key_set_add(keys, p.value, SLICE("x")) < 0)
            return err_set(e, ERR_CONFIG, "%s: too many partition keys", x->option);
    return rc;
}

static int check_longest(const struct object_key *k, const char *error_type, struct err *e)
{
    struct sink_seal_id id = {
        .first = UINT64_MAX - 1, .last = UINT64_MAX, .oldest = LONGEST_MOMENT, .error_type = error_type};
    struct buf b, keys;
    int rc;

    buf_init(&b, 2 * OBJECT_KEY_MAX);
    buf_init(&keys, 2 * OBJECT_PREFIX_MAX);
    rc = add_sample_keys(prefix_for(k, &id), &keys, e);
    id.keys = buf_slice(&keys);
    if (rc == 0)
        rc = object_key_render(k, &id, "", &b, e);
    if (rc == 0)
        rc = check_folders(k, prefix_for(k, &id)->option, buf_slice(&b), e);
    buf_release(&b);
    buf_release(&keys);
    return rc;
}

static struct object_key *new_key(const struct object_key_conf *conf, const struct sink_env *env)
{
    struct object_key *k = mem_alloc(sizeof(*k));

    k->objects = (struct prefix){.option = "prefix", .text = mem_strdup(conf->prefix ? conf->prefix : "")};
    k->errors = (struct prefix){.option = "error_prefix"};
    if (conf->error_prefix && *conf->error_prefix)
        k->errors.text = mem_strdup(conf->error_prefix);
    k->backup = env->backup;
    k->name_max = conf->name_max;
    k->stream = mem_strdup(env->stream);
    k->version = env->version;
    if (env->identity)
        memcpy(k->identity, env->identity, IDENTITY_BYTES);
    return k;
}

/* What the steps below need. */
struct opening {
    struct object_key *key;
    const struct object_key_conf *conf;
};

static int open_prefix(struct opening *o, struct err *e)
{
    return check_prefix(&o->key->objects, false, !o->key->backup, e);
}

static int open_error_prefix(struct opening *o, struct err *e)
{
    return check_error_prefix(o->key, e);
}

static int open_zone(struct opening *o, struct err *e)
{
    return time_zone_open(&o->key->zone, o->conf->timezone, e) < 0 ? err_wrap(e, "timezone") : 0;
}

static int open_extension(struct opening *o, struct err *e)
{
    const char *extension = o->conf->extension;

    if (!extension || !*extension)
        return 0;
    if (check_extension(extension, e) < 0)
        return -1;
    o->key->extension = mem_strdup(extension);
    return 0;
}

/* Each looks at one option. */
static int (*const STEPS[])(struct opening *o, struct err *e) = {open_prefix, open_error_prefix, open_zone,
                                                                 open_extension};

/* When all steps went well. */
static int check_whole(const struct object_key *k, struct err *e)
{
    return check_longest(k, NULL, e) < 0 || (k->backup && check_longest(k, LONGEST_ERROR_TYPE, e) < 0) ? -1 : 0;
}

void object_key_check(const struct object_key_conf *conf, const struct sink_env *env, const struct cfg_options *o)
{
    struct object_key *k = new_key(conf, env);
    struct opening opening = {k, conf};
    bool well = true;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(STEPS); i++)
        if (STEPS[i](&opening, &e) < 0) {
            cfg_options_refuse(o, &e);
            well = false;
        }
    if (well && check_whole(k, &e) < 0)
        cfg_options_refuse(o, &e);
    object_key_free(&k);
}

int object_key_open(struct object_key **out, const struct object_key_conf *conf, const struct sink_env *env,
                    struct err *e)
{
    struct object_key *k = new_key(conf, env);
    struct opening opening = {k, conf};

    for (size_t i = 0; i < ARRAY_LEN(STEPS); i++)
        if (STEPS[i](&opening, e) < 0)
            goto fail;
    if (check_whole(k, e) < 0)
        goto fail;
    *out = k;
    return 0;
fail:
    object_key_free(&k);
    return -1;
}

bool object_key_template(const struct object_key_conf *conf, size_t index, struct sink_template *out)
{
    bool plain = !conf->prefix || !strstr(conf->prefix, "!{");
    const char *extension = conf->extension && *conf->extension ? conf->extension : LONGEST_EXTENSION;

    *out = (struct sink_template){.option = "prefix",
                                  .text = conf->prefix,
                                  .implied = plain ? DEFAULT_FOLDERS : NULL,
                                  .timezone = conf->timezone,
                                  .max = OBJECT_PREFIX_EVALUATED_MAX,
                                  .name_max = conf->name_max,
                                  .tail = strlen(LONGEST_TAIL) + strlen(extension),
                                  .form = PARTITION_FOLDER};
    return index == 0;
}

void object_key_free(struct object_key **k)
{
    if (!*k)
        return;
    mem_free((*k)->objects.text);
    mem_free((*k)->errors.text);
    mem_free((*k)->stream);
    mem_free((*k)->extension);
    time_zone_free(&(*k)->zone);
    MEM_CLEAR(*k);
}

/* 32 bytes that look random and are the same for the same records; `use` tells the uses apart (0: the uuid). What a backup
 * holds, and what is only a part of a seal, is told apart by a few more bytes. */
static void seal_digest(const struct object_key *k, const struct sink_seal_id *id, uint32_t use,
                        unsigned char out[SHA256_BYTES])
{
    unsigned char in[IDENTITY_BYTES + 8 + 8 + 4 + 1 + 8 + 1 + ERROR_TYPE_MAX], *p = in + IDENTITY_BYTES;
    size_t type = id->error_type ? strnlen(id->error_type, ERROR_TYPE_MAX) : 0;

    seal_identity_with_keys(k->identity, id->epoch, id->keys, in);
    for (int shift = 56; shift >= 0; shift -= 8, p++) {
        p[0] = (unsigned char)(id->first >> shift);
        p[8] = (unsigned char)(id->last >> shift);
    }
    p += 8;
    for (int shift = 24; shift >= 0; shift -= 8)
        *p++ = (unsigned char)(use >> shift);
    if (id->window) {
        *p++ = 'w';
        for (int shift = 56; shift >= 0; shift -= 8)
            *p++ = (unsigned char)(id->window >> shift);
    }
    if (k->backup)
        *p++ = 'b';
    if (type > 0)
        memcpy(p, id->error_type, type);
    sha256_of(slice_of((const char *)in, (size_t)(p - in) + type), out);
}

static int add_random_string(const struct object_key *k, const struct sink_seal_id *id, uint32_t occurrence,
                             struct buf *out)
{
    static const char ALPHABET[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    unsigned char d[SHA256_BYTES];
    char text[RANDOM_CHARACTERS];

    seal_digest(k, id, occurrence, d);
    for (size_t i = 0; i < RANDOM_CHARACTERS; i++)
        text[i] = ALPHABET[(d[2 * i] << 8 | d[2 * i + 1]) % 36];
    return buf_add(out, text, sizeof(text));
}

/* RFC 9562 version 8: the bits are ours to choose. */
static int add_uuid(const struct object_key *k, const struct sink_seal_id *id, struct buf *out)
{
    unsigned char d[SHA256_BYTES];
    char hex[SHA256_HEX];

    seal_digest(k, id, 0, d);
    d[6] = (unsigned char)((d[6] & 0x0f) | 0x80);
    d[8] = (unsigned char)((d[8] & 0x3f) | 0x80);
    hex_encode(d, 16, hex);
    return buf_printf(out, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* What !{timestamp:...} is about: the records' own time where they have one. */
static nsec moment_of(const struct sink_seal_id *id)
{
    int64_t seconds;

    return partition_time(id->keys, &seconds) ? seconds * NSEC_PER_SEC : id->oldest;
}

static int add_expression(const struct object_key *k, const struct sink_seal_id *id, const struct piece *p,
                          uint32_t *occurrence, struct buf *out)
{
    if (slice_is(p->space, "timestamp"))
        return time_pattern_render(p->value, moment_of(id), k->zone, out);
    if (piece_key(p) != KEY_NONE)
        return piece_add_key(p, id->keys, PARTITION_FOLDER, out);
    if (is_error_type(p))
        return buf_add_str(out, id->error_type);
    return add_random_string(k, id, ++*occurrence, out);
}

int object_key_render_text(const struct object_key *k, const struct sink_seal_id *id, const char *text, struct buf *out)
{
    struct slice rest = slice_str(text);
    uint32_t occurrence = 0;
    struct piece p;
    struct err e;
    int full = 0;

    while (full == 0 && piece_next("", &rest, &p, &e) > 0)
        full = p.expression ? add_expression(k, id, &p, &occurrence, out) : literal_add(p.text, out);
    return full;
}

static int add_prefix(const struct object_key *k, const struct sink_seal_id *id, struct buf *out)
{
    const struct prefix *x = prefix_for(k, id);
    int full = object_key_render_text(k, id, x->text, out);

    if (full == 0 && id->error_type && !x->has_error_type)
        full = buf_add_str(out, id->error_type) < 0 || buf_add_char(out, '/') < 0 ? -1 : 0;
    if (full == 0 && !x->has_expressions)
        full = time_pattern_render(SLICE(DEFAULT_FOLDERS), moment_of(id), k->zone, out);
    return full;
}

static int add_extension(const struct object_key *k, const struct sink_seal_id *id, const char *extension,
                         struct buf *out)
{
    return id->error_type ? 0 : buf_add_str(out, k->extension ? k->extension : extension);
}

int object_key_render(const struct object_key *k, const struct sink_seal_id *id, const char *extension, struct buf *out,
                      struct err *e)
{
    size_t from = out->n;

    if (add_prefix(k, id, out) < 0)
        return err_set(e, ERR_LIMIT, "object name: no room for the prefix, or a partition key of it is not there");
    if (out->n - from > OBJECT_PREFIX_EVALUATED_MAX)
        return err_set(e, ERR_LIMIT, "%s: evaluated it has %zu bytes, at most %d are allowed",
                       prefix_for(k, id)->option, out->n - from, OBJECT_PREFIX_EVALUATED_MAX);
    if (buf_printf(out, "%s-%" PRIu32 "-", k->stream, k->version) < 0 ||
        time_pattern_render(SLICE(NAME_TIME), id->oldest, k->zone, out) < 0 || buf_add_char(out, '-') < 0 ||
        add_uuid(k, id, out) < 0 || add_extension(k, id, extension, out) < 0)
        return err_set(e, ERR_LIMIT, "object name: more than %zu bytes", out->max);
    return 0;
}

int object_key_firehose(const struct object_key_conf *conf, bool extended, struct buf *out)
{
    if ((conf->prefix && json_quote_member("Prefix", conf->prefix, out) < 0) ||
        (conf->error_prefix && json_quote_member("ErrorOutputPrefix", conf->error_prefix, out) < 0))
        return -1;
    if (!extended)
        return 0;
    if (conf->extension && json_quote_member("FileExtension", conf->extension, out) < 0)
        return -1;
    return json_quote_member("CustomTimeZone", conf->timezone, out);
}
