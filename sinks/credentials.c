#include "sinks/credentials.h"

#include "pipeline/base/mem.h"
#include "sinks/aws_files.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Enough of a file's stat to know that it changed. */
struct stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime;
};

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

    pthread_mutex_t lock;
    bool loaded;
    struct stamp stamps[2];   /* of the files below, when they were read */
    struct contents contents; /* of both files; guarded by lock */
    bool in_config;           /* the keys come from the config file */
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

int credentials_new(struct credentials **out, const struct credentials_conf *conf, struct err *e)
{
    struct credentials *c = mem_alloc(sizeof(*c));

    pthread_mutex_init(&c->lock, NULL);
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
    if (!*c)
        return;
    pthread_mutex_destroy(&(*c)->lock);
    mem_free((*c)->profile);
    wipe_keys(&(*c)->configured);
    wipe_keys(&(*c)->contents.keys);
    mem_free((*c)->contents.endpoint);
    MEM_CLEAR(*c);
}

void aws_keys_wipe(struct aws_keys *k)
{
    explicit_bzero(k, sizeof(*k));
}

static struct stamp stamp_of(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return (struct stamp){0};
    return (struct stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

static bool same(const struct stamp *a, const struct stamp *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
           a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static int load(struct credentials *c, struct aws_profile *p, char path[2][PATH_MAX], struct err *e)
{
    if (aws_profile_load(p, AWS_FILE_CREDENTIALS, path[0], profile_name(c), e) < 0)
        return -1;
    c->in_config = p->access_key_id[0] == '\0';
    return aws_profile_load(p, AWS_FILE_CONFIG, path[1], profile_name(c), e);
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

/* Reads both files when they are new or changed. A stamp is taken before its file is read: a change in between is then
 * seen the next time. Locks: c->lock held. */
static int refresh(struct credentials *c, struct err *e)
{
    char path[2][PATH_MAX];
    struct aws_profile p = {0};
    struct stamp now[2];
    int rc;

    for (enum aws_file k = AWS_FILE_CREDENTIALS; k <= AWS_FILE_CONFIG; k++) {
        file_path(k, path[k], sizeof(path[k]));
        now[k] = stamp_of(path[k]);
    }
    if (c->loaded && same(&now[0], &c->stamps[0]) && same(&now[1], &c->stamps[1]))
        return 0;
    c->loaded = false;
    wipe_keys(&c->contents.keys);
    rc = load(c, &p, path, e);
    if (rc == 0)
        take_over(&c->contents, &p);
    explicit_bzero(&p, sizeof(p));
    if (rc < 0)
        return -1;
    memcpy(c->stamps, now, sizeof(now));
    c->loaded = true;
    return 0;
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

static int from_files(struct credentials *c, struct aws_keys *out, struct err *e)
{
    char path[PATH_MAX];
    int rc;

    pthread_mutex_lock(&c->lock);
    rc = refresh(c, e);
    if (rc == 0 && !c->contents.keys.access_key_id)
        rc = nothing_found(c, e);
    if (rc == 0)
        rc = set_kept(out, &c->contents.keys, e) < 0 ? err_wrap(e, "profile `%s`", profile_name(c)) : 0;
    file_path(c->in_config ? AWS_FILE_CONFIG : AWS_FILE_CREDENTIALS, path, sizeof(path));
    pthread_mutex_unlock(&c->lock);
    snprintf(out->source, sizeof(out->source), "profile `%.64s` of %.160s", profile_name(c), path);
    return rc;
}

int credentials_get(struct credentials *c, struct aws_keys *out, struct err *e)
{
    const char *id = env_or_null("AWS_ACCESS_KEY_ID");

    *out = (struct aws_keys){0};
    if (c->configured.access_key_id) {
        snprintf(out->source, sizeof(out->source), "the configuration");
        return set_kept(out, &c->configured, e);
    }
    if (c->profile || !id)
        return from_files(c, out, e);
    snprintf(out->source, sizeof(out->source), "the environment");
    if (set_keys(out, id, env_or_null("AWS_SECRET_ACCESS_KEY"), env_or_null("AWS_SESSION_TOKEN"), e) < 0)
        return err_wrap(e, "AWS_ACCESS_KEY_ID in the environment");
    return 0;
}

bool credentials_region(struct credentials *c, char *out, size_t size)
{
    const char *env = env_or_null("AWS_REGION");
    struct err e;

    if (!env)
        env = env_or_null("AWS_DEFAULT_REGION");
    *out = '\0';
    if (env) {
        snprintf(out, size, "%s", env);
        return true;
    }
    pthread_mutex_lock(&c->lock);
    if (refresh(c, &e) == 0)
        snprintf(out, size, "%s", c->contents.region);
    pthread_mutex_unlock(&c->lock);
    return *out != '\0';
}

static bool says_true(const char *text)
{
    return text && strcasecmp(text, "true") == 0;
}

bool credentials_s3_endpoint(struct credentials *c, char out[AWS_ENDPOINT_MAX], const char **source)
{
    static const char *const NAMES[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"};
    struct err e;

    *out = '\0';
    if (says_true(env_or_null("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        if (env_or_null(NAMES[i])) {
            *source = NAMES[i];
            snprintf(out, AWS_ENDPOINT_MAX, "%s", env_or_null(NAMES[i]));
            return true;
        }
    pthread_mutex_lock(&c->lock);
    if (refresh(c, &e) == 0 && c->contents.endpoint)
        snprintf(out, AWS_ENDPOINT_MAX, "%s", c->contents.endpoint);
    pthread_mutex_unlock(&c->lock);
    *source = "endpoint_url of the AWS profile";
    return *out != '\0';
}
