/* Keys are looked for in the order of the header, at each request anew: the environment and a stamp of the files are cheap to ask, and keys
 * may be rotated at any time. The files are read by an aside_reader, since a disk may hang; what was read before serves on while they
 * cannot be read. Keys are checked before they are used: a line break in one would break a header. */
#include "pipeline/aws/credentials.h"

#include "pipeline/aws/profile_files.h"
#include "pipeline/base/aside_reader.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* As long as they are: a token may have thousands of characters, and there may be thousands of streams without one. */
struct kept_keys {
    char *access_key_id, *secret_access_key, *session_token; /* NULL or "": none */
};

/* What the two files say about the profile. */
struct contents {
    bool found;
    struct kept_keys keys;
    char region[64], unsupported[64];
    char *endpoint; /* NULL: none */
};

struct credentials {
    struct kept_keys configured;
    char *profile; /* NULL: not configured */

    struct aside_reader reader; /* its lock guards the rest */
    bool loaded;
    struct file_stamp stamps[2]; /* of the files below, when they were read */
    struct contents contents;    /* of both files */
    bool in_config;              /* the keys come from the config file */
    struct err why;              /* not loaded: this is why */
};

static const char *env_or_null(const char *name)
{
    const char *v = getenv(name);

    return v && *v ? v : NULL;
}

static void file_path(enum aws_file kind, char *out, size_t size)
{
    bool config = kind == AWS_FILE_CONFIG;
    const char *path = env_or_null(config ? "AWS_CONFIG_FILE" : "AWS_SHARED_CREDENTIALS_FILE");
    const char *home = env_or_null("HOME");

    if (path && path[0] == '~' && path[1] == '/' && home)
        snprintf(out, size, "%s%s", home, path + 1);
    else if (path)
        snprintf(out, size, "%s", path);
    else
        snprintf(out, size, "%s/.aws/%s", home ? home : "", config ? "config" : "credentials");
}

static const char *profile_name(const struct credentials *c)
{
    const char *v = c->profile ? c->profile : env_or_null("AWS_PROFILE");

    return v ? v : "default";
}

/* Keys go into headers and into a signature: a line break (from a file read whole, say) would break both. */
static int copy_key(char *out, size_t size, const char *value, const char *what, struct err *e)
{
    size_t n = value ? strlen(value) : 0;

    if (n >= size)
        return err_set(e, ERR_CONFIG, "%s: %zu characters, at most %zu are allowed", what, n, size - 1);
    for (size_t i = 0; i < n; i++)
        if (value[i] <= ' ' || value[i] > '~')
            return err_set(e, ERR_CONFIG, "%s: character %zu is white space or not ASCII", what, i + 1);
    memcpy(out, value ? value : "", n + 1);
    return 0;
}

static int set_keys(struct aws_keys *out, const char *id, const char *secret, const char *token, struct err *e)
{
    if (copy_key(out->access_key_id, sizeof(out->access_key_id), id, "access_key_id", e) < 0 ||
        copy_key(out->secret_access_key, sizeof(out->secret_access_key), secret, "secret_access_key", e) < 0 ||
        copy_key(out->session_token, sizeof(out->session_token), token, "session_token", e) < 0)
        return -1;
    if (!out->access_key_id[0] != !out->secret_access_key[0])
        return err_set(e, ERR_CONFIG, "%s: given without %s",
                       out->access_key_id[0] ? "access_key_id" : "secret_access_key",
                       out->access_key_id[0] ? "secret_access_key" : "access_key_id");
    return 0;
}

static char *keep(const char *value)
{
    return value && *value ? mem_strdup(value) : NULL;
}

static void wipe(char **value)
{
    if (*value)
        explicit_bzero(*value, strlen(*value));
    MEM_CLEAR(*value);
}

static void wipe_keys(struct kept_keys *k)
{
    wipe(&k->access_key_id);
    wipe(&k->secret_access_key);
    wipe(&k->session_token);
}

static int keep_configured(struct kept_keys *kept, const struct credentials_conf *conf, struct err *e)
{
    struct aws_keys checked;
    int rc = set_keys(&checked, conf->access_key_id, conf->secret_access_key, conf->session_token, e);

    aws_keys_wipe(&checked);
    if (rc == 0)
        *kept = (struct kept_keys){keep(conf->access_key_id), keep(conf->secret_access_key), keep(conf->session_token)};
    return rc;
}

static void read_aside(struct aside_reader *r);
static void end(struct aside_reader *r);

static const struct aside_reader_ops READER = {.thread = "credentials", .read = read_aside, .end = end};

int credentials_new(struct credentials **out, const struct credentials_conf *conf, struct err *e)
{
    struct credentials *c = mem_alloc(sizeof(*c));

    aside_reader_init(&c->reader, &READER);
    if (conf->profile && *conf->profile)
        c->profile = mem_strdup(conf->profile);
    if (keep_configured(&c->configured, conf, e) < 0)
        goto fail;
    if (c->profile && c->configured.access_key_id) {
        err_set(e, ERR_CONFIG, "profile: given beside access_key_id; keep one of them");
        goto fail;
    }
    *out = c;
    return 0;
fail:
    credentials_free(&c);
    return -1;
}

void credentials_free(struct credentials **c)
{
    if (*c)
        aside_reader_leave(&(*c)->reader);
    *c = NULL;
}

void aws_keys_wipe(struct aws_keys *k)
{
    explicit_bzero(k, sizeof(*k));
}

static void take_over(struct contents *to, const struct aws_profile *p)
{
    mem_free(to->endpoint);
    *to = (struct contents){.found = p->found,
                            .endpoint = p->ignores_endpoint_urls ? NULL : keep(p->endpoint_url),
                            .keys = {keep(p->access_key_id), keep(p->secret_access_key), keep(p->session_token)}};
    memcpy(to->region, p->region, sizeof(to->region));
    memcpy(to->unsupported, p->unsupported, sizeof(to->unsupported));
}

/* What was found in the files, or that they are as they were. */
struct found {
    bool changed;
    struct file_stamp stamps[2];
    struct aws_profile profile;
    bool in_config;
    int rc;
    struct err why;
};

static int load(const char *profile, char path[2][PATH_MAX], struct found *f)
{
    if (aws_profile_load(&f->profile, AWS_FILE_CREDENTIALS, path[0], profile, &f->why) < 0)
        return -1;
    f->in_config = f->profile.access_key_id[0] == '\0';
    return aws_profile_load(&f->profile, AWS_FILE_CONFIG, path[1], profile, &f->why);
}

/* Reads both files when they differ from `known` (NULL: they were not read yet). A stamp is taken before its file is read: a
 * change in between is then seen the next time. */
static void read_files(const char *profile, const struct file_stamp *known, struct found *f)
{
    char path[2][PATH_MAX];

    for (enum aws_file k = AWS_FILE_CREDENTIALS; k <= AWS_FILE_CONFIG; k++) {
        file_path(k, path[k], sizeof(path[k]));
        f->stamps[k] = file_stamp_of(path[k]);
    }
    f->changed = !known || !file_stamp_same(&f->stamps[0], &known[0]) || !file_stamp_same(&f->stamps[1], &known[1]);
    if (f->changed)
        f->rc = load(profile, path, f);
}

/* Locks: c->reader.lock held. */
static void take_found(struct credentials *c, const struct found *f)
{
    if (!f->changed)
        return;
    wipe_keys(&c->contents.keys);
    c->loaded = f->rc == 0;
    c->why = f->why;
    if (!c->loaded)
        return;
    take_over(&c->contents, &f->profile);
    c->in_config = f->in_config;
    memcpy(c->stamps, f->stamps, sizeof(c->stamps));
}

static void look(struct credentials *c)
{
    struct found *f = mem_alloc(sizeof(*f));
    struct file_stamp known[2];
    bool loaded;

    pthread_mutex_lock(&c->reader.lock);
    loaded = c->loaded;
    memcpy(known, c->stamps, sizeof(known));
    pthread_mutex_unlock(&c->reader.lock);
    read_files(profile_name(c), loaded ? known : NULL, f);
    pthread_mutex_lock(&c->reader.lock);
    take_found(c, f);
    pthread_mutex_unlock(&c->reader.lock);
    explicit_bzero(f, sizeof(*f));
    mem_free(f);
}

/* What a machine or container that has a role tells those who look for its keys. */
static const char *hint_at_role(void)
{
    static const char *const NAMES[] = {"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"};

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        if (env_or_null(NAMES[i]))
            return NAMES[i];
    return NULL;
}

static int nothing_found(const struct credentials *c, struct err *e)
{
    char credentials_path[PATH_MAX], config_path[PATH_MAX];

    file_path(AWS_FILE_CREDENTIALS, credentials_path, sizeof(credentials_path));
    file_path(AWS_FILE_CONFIG, config_path, sizeof(config_path));
    if (c->contents.unsupported[0])
        return err_set(
            e, ERR_CONFIG,
            "profile `%s` uses `%s`, which is not supported: put access_key_id and secret_access_key into the "
            "configuration, the environment or %.200s",
            profile_name(c), c->contents.unsupported, credentials_path);
    err_set(e, ERR_CONFIG,
            "no AWS credentials: looked for access_key_id in the configuration, %sprofile `%.64s` in %.100s and "
            "%.100s%s; keys of a "
            "role (instance, container, web identity) are not looked for",
            c->profile ? "" : "AWS_ACCESS_KEY_ID in the environment, ", profile_name(c), credentials_path, config_path,
            c->contents.found ? " (the profile is there, but has no keys)" : "");
    if (hint_at_role())
        err_wrap(e, "%s is set, but not followed", hint_at_role());
    return -1;
}

static int set_kept(struct aws_keys *out, const struct kept_keys *k, struct err *e)
{
    return set_keys(out, k->access_key_id, k->secret_access_key, k->session_token, e);
}

/* Locks: c->reader.lock held. */
static int from_contents(const struct credentials *c, struct aws_keys *out, struct err *e)
{
    char path[PATH_MAX];

    if (!c->loaded) {
        *e = c->why;
        return -1;
    }
    if (!c->contents.keys.access_key_id)
        return nothing_found(c, e);
    file_path(c->in_config ? AWS_FILE_CONFIG : AWS_FILE_CREDENTIALS, path, sizeof(path));
    snprintf(out->source, sizeof(out->source), "profile `%.64s` of %.160s", profile_name(c), path);
    return set_kept(out, &c->contents.keys, e) < 0 ? err_wrap(e, "profile `%s`", profile_name(c)) : 0;
}

/* From the configuration or the environment. 1: neither, so from the files. */
static int without_files(const struct credentials *c, struct aws_keys *out, struct err *e)
{
    const char *id = env_or_null("AWS_ACCESS_KEY_ID");

    *out = (struct aws_keys){0};
    if (c->configured.access_key_id) {
        snprintf(out->source, sizeof(out->source), "the configuration");
        return set_kept(out, &c->configured, e);
    }
    if (c->profile || !id)
        return 1;
    snprintf(out->source, sizeof(out->source), "the environment");
    if (set_keys(out, id, env_or_null("AWS_SECRET_ACCESS_KEY"), env_or_null("AWS_SESSION_TOKEN"), e) < 0)
        return err_wrap(e, "AWS_ACCESS_KEY_ID in the environment");
    return 0;
}

int credentials_get(struct credentials *c, struct aws_keys *out, struct err *e)
{
    int rc = without_files(c, out, e);

    if (rc <= 0)
        return rc;
    look(c);
    pthread_mutex_lock(&c->reader.lock);
    rc = from_contents(c, out, e);
    pthread_mutex_unlock(&c->reader.lock);
    return rc;
}

/* --- without waiting --------------------------------------------------------------------------------------------- */

static void read_aside(struct aside_reader *r)
{
    look(CONTAINER_OF(r, struct credentials, reader));
}

static void end(struct aside_reader *r)
{
    struct credentials *c = CONTAINER_OF(r, struct credentials, reader);

    mem_free(c->profile);
    mem_free(c->contents.endpoint);
    wipe_keys(&c->configured);
    wipe_keys(&c->contents.keys);
    mem_free(c);
}

/* Locks: c->reader.lock held. */
static int from_reading(struct credentials *c, nsec now, struct aws_keys *out, struct err *e)
{
    enum aside_state state = aside_reader_poll(&c->reader, now);

    if (state == ASIDE_NOT_YET)
        return CREDENTIALS_NOT_YET;
    if (state == ASIDE_NO_THREAD && !c->loaded)
        return err_set(e, ERR_IO, "no thread can be started to read the AWS credentials");
    if (state == ASIDE_HANGS && !c->loaded)
        return err_set(e, ERR_IO, "the files with the AWS credentials cannot be read: their disk does not answer");
    return from_contents(c, out, e);
}

int credentials_poll(struct credentials *c, nsec now, struct aws_keys *out, struct err *e)
{
    int rc = without_files(c, out, e);

    if (rc <= 0)
        return rc;
    pthread_mutex_lock(&c->reader.lock);
    rc = from_reading(c, now, out, e);
    pthread_mutex_unlock(&c->reader.lock);
    return rc;
}

void credentials_peek(struct credentials *c, struct aws_keys *out)
{
    struct err ignored;
    int rc = without_files(c, out, &ignored);

    if (rc == 1) {
        pthread_mutex_lock(&c->reader.lock);
        rc = from_contents(c, out, &ignored);
        pthread_mutex_unlock(&c->reader.lock);
    }
    if (rc < 0)
        aws_keys_wipe(out);
}

/* --- the rest of the profile ------------------------------------------------------------------------------------- */

bool credentials_region(struct credentials *c, char *out, size_t size)
{
    const char *env = env_or_null("AWS_REGION");

    if (!env)
        env = env_or_null("AWS_DEFAULT_REGION");
    *out = '\0';
    if (env) {
        snprintf(out, size, "%s", env);
        return true;
    }
    look(c);
    pthread_mutex_lock(&c->reader.lock);
    if (c->loaded)
        snprintf(out, size, "%s", c->contents.region);
    pthread_mutex_unlock(&c->reader.lock);
    return *out != '\0';
}

static bool says_true(const char *text)
{
    return text && strcasecmp(text, "true") == 0;
}

bool credentials_s3_endpoint(struct credentials *c, char out[AWS_ENDPOINT_MAX], const char **source)
{
    static const char *const NAMES[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"};

    *out = '\0';
    if (says_true(env_or_null("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        if (env_or_null(NAMES[i])) {
            *source = NAMES[i];
            snprintf(out, AWS_ENDPOINT_MAX, "%s", env_or_null(NAMES[i]));
            return true;
        }
    look(c);
    pthread_mutex_lock(&c->reader.lock);
    if (c->loaded && c->contents.endpoint)
        snprintf(out, AWS_ENDPOINT_MAX, "%s", c->contents.endpoint);
    pthread_mutex_unlock(&c->reader.lock);
    if (*out == '\0')
        return false;
    *source = "endpoint_url of the AWS profile";
    return true;
}
