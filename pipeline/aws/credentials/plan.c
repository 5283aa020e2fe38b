/* Each place says one of three things: this is the way (0), there is nothing here (1), or it is set up and wrong (-1), which ends the
 * search: who set it up means it, and the keys of the next place would be somebody else's. What was passed by is noted for the message
 * that there is no way at all. */
#include "pipeline/aws/credentials/plan.h"

#include "pipeline/aws/credentials/check_keys.h"
#include "pipeline/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define DEFAULT_SESSION_NAME "sluice"

static const char *env_or_null(const char *name)
{
    const char *v = getenv(name);

    return v && *v ? v : NULL;
}

static bool is_set(const char *text)
{
    return text && *text;
}

static char *copy(const char *text)
{
    return is_set(text) ? mem_strdup(text) : NULL;
}

void aws_shared_file(enum aws_file kind, char *out, size_t size)
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

static const char *configured_profile(const struct credentials_conf *conf)
{
    return is_set(conf->profile) ? conf->profile : is_set(conf->ways.profile) ? conf->ways.profile : NULL;
}

const char *aws_profile_name(const struct credentials_conf *conf)
{
    const char *v = configured_profile(conf);

    if (!v)
        v = env_or_null("AWS_PROFILE");
    return v ? v : "default";
}

/* --- the parts of a plan ------------------------------------------------------------------------------------------- */

static void release_role(struct sts_role *r)
{
    mem_free(r->role_arn);
    mem_free(r->session_name);
    mem_free(r->external_id);
    *r = (struct sts_role){.role_arn = NULL};
}

void aws_plan_release(struct aws_plan *p)
{
    if (p->keys)
        aws_keys_wipe(p->keys);
    mem_free(p->keys);
    aws_process_free(p->process);
    mem_free(p->token_file);
    release_role(&p->web);
    for (size_t i = 0; i < p->role_count; i++)
        release_role(&p->roles[i]);
    mem_free(p->region);
    mem_free(p->sts_endpoint);
    *p = (struct aws_plan){.keys = NULL};
}

static int use_keys(struct aws_plan *p, const char *id, const char *secret, const char *token, struct err *e)
{
    p->base = AWS_BASE_KEYS;
    p->keys = mem_alloc(sizeof(*p->keys));
    return aws_keys_set(p->keys, id, secret, token, e);
}

static int use_process(struct aws_plan *p, const char *line, struct err *e)
{
    p->base = AWS_BASE_PROCESS;
    p->process = aws_process_split(line, e);
    return p->process ? 0 : -1;
}

static struct sts_role role_of(const char *arn, const char *session_name, const char *external_id, nsec duration)
{
    return (struct sts_role){.role_arn = mem_strdup(arn),
                             .session_name = mem_strdup(is_set(session_name) ? session_name : DEFAULT_SESSION_NAME),
                             .external_id = copy(external_id),
                             .duration = duration};
}

static int add_role(struct aws_plan *p, struct sts_role role, struct err *e)
{
    if (p->role_count == CREDENTIALS_ROLES_MAX) {
        release_role(&role);
        return err_set(e, ERR_CONFIG, "more than %d roles are to be assumed one after the other",
                       CREDENTIALS_ROLES_MAX);
    }
    p->roles[p->role_count++] = role;
    return 0;
}

static void use_web_identity(struct aws_plan *p, const char *token_file, struct sts_role role)
{
    p->base = AWS_BASE_WEB_IDENTITY;
    p->token_file = mem_strdup(token_file);
    p->web = role;
    snprintf(p->source, sizeof(p->source), "the web identity in %.180s", token_file);
}

/* --- places -------------------------------------------------------------------------------------------------------- */

static int from_environment(struct aws_plan *p, struct err *e)
{
    const char *id = env_or_null("AWS_ACCESS_KEY_ID");

    if (!id)
        return 1;
    snprintf(p->source, sizeof(p->source), "the environment");
    if (use_keys(p, id, env_or_null("AWS_SECRET_ACCESS_KEY"), env_or_null("AWS_SESSION_TOKEN"), e) < 0)
        return err_wrap(e, "AWS_ACCESS_KEY_ID in the environment");
    return 0;
}

static int from_web_identity(struct aws_plan *p, struct err *e)
{
    const char *file = env_or_null("AWS_WEB_IDENTITY_TOKEN_FILE"), *arn = env_or_null("AWS_ROLE_ARN");

    if (!file)
        return 1;
    if (!arn)
        return err_set(e, ERR_CONFIG, "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN");
    use_web_identity(p, file, role_of(arn, env_or_null("AWS_ROLE_SESSION_NAME"), NULL, 0));
    return 0;
}

static int from_container(struct aws_plan *p, struct err *e)
{
    char url[AWS_URL_MAX];
    int rc = aws_container_address(url, sizeof(url), e);

    if (rc != 0)
        return rc;
    p->base = AWS_BASE_CONTAINER;
    snprintf(p->source, sizeof(p->source), "the container's endpoint");
    return 0;
}

static int from_instance(struct aws_plan *p, bool asked)
{
    if (aws_instance_not_asked(asked))
        return 1;
    p->base = AWS_BASE_INSTANCE;
    snprintf(p->source, sizeof(p->source), "the instance's metadata (IMDS)");
    return 0;
}

/* --- profiles ------------------------------------------------------------------------------------------------------ */

struct visit {
    struct aws_plan *plan;
    char path[2][PATH_MAX];
    const char *names[CREDENTIALS_ROLES_MAX]; /* profiles on the way here */
    size_t depth;
};

static int from_profile(struct visit *v, const char *name, bool keys_only, struct err *e);

static int load(const struct visit *v, const char *name, struct aws_profile *out, struct err *e)
{
    *out = (struct aws_profile){.found = false};
    if (aws_profile_load(out, AWS_FILE_CREDENTIALS, v->path[AWS_FILE_CREDENTIALS], name, e) == 0 &&
        aws_profile_load(out, AWS_FILE_CONFIG, v->path[AWS_FILE_CONFIG], name, e) == 0)
        return 0;
    aws_profile_release(out);
    return -1;
}

static int of_credential_source(struct aws_plan *p, const char *word, struct err *e)
{
    int rc;

    if (strcmp(word, "Environment") == 0) {
        rc = from_environment(p, e);
        return rc == 1 ? err_set(e, ERR_CONFIG, "credential_source is Environment, and AWS_ACCESS_KEY_ID is not set")
                       : rc;
    }
    if (strcmp(word, "EcsContainer") == 0) {
        rc = from_container(p, e);
        return rc == 1 ? err_set(e, ERR_CONFIG,
                                 "credential_source is EcsContainer, and AWS_CONTAINER_CREDENTIALS_* is not set")
                       : rc;
    }
    if (strcmp(word, "Ec2InstanceMetadata") != 0)
        return err_set(e, ERR_CONFIG, "credential_source: Environment, EcsContainer or Ec2InstanceMetadata?");
    rc = from_instance(p, true);
    return rc == 1 ? err_set(e, ERR_CONFIG, "credential_source is Ec2InstanceMetadata, and %s",
                             aws_instance_not_asked(true))
                   : rc;
}

static int of_source_profile(struct visit *v, const char *name, const char *source, struct err *e)
{
    bool itself = strcmp(name, source) == 0;
    int rc;

    for (size_t i = 0; i + 1 < v->depth && !itself; i++)
        if (strcmp(v->names[i], source) == 0)
            return err_set(e, ERR_CONFIG, "source_profile leads back to `%.64s`", source);
    rc = from_profile(v, source, itself, e);
    return rc == 1 ? err_set(e, ERR_CONFIG, "its source_profile `%.64s` %s", source,
                             itself ? "has no keys of its own" : "is not there, or has no keys")
                   : rc;
}

static int of_role(struct visit *v, const char *name, char *const *values, struct err *e)
{
    const char *seconds = values[PROFILE_DURATION_SECONDS];
    long duration = seconds ? strtol(seconds, NULL, 10) : 0;
    const char *token_file = values[PROFILE_WEB_IDENTITY_TOKEN_FILE];
    struct sts_role role;
    int rc = 0;

    if (seconds && (duration < 900 || duration > 43200))
        return err_set(e, ERR_CONFIG, "duration_seconds is not 900 to 43200");
    if (!values[PROFILE_SOURCE_PROFILE] + !values[PROFILE_CREDENTIAL_SOURCE] + !token_file != 2)
        return err_set(e, ERR_CONFIG,
                       "role_arn needs one of source_profile, credential_source and web_identity_token_file");
    if (values[PROFILE_SOURCE_PROFILE])
        rc = of_source_profile(v, name, values[PROFILE_SOURCE_PROFILE], e);
    else if (values[PROFILE_CREDENTIAL_SOURCE])
        rc = of_credential_source(v->plan, values[PROFILE_CREDENTIAL_SOURCE], e);
    if (rc != 0)
        return rc;
    role = role_of(values[PROFILE_ROLE_ARN], values[PROFILE_ROLE_SESSION_NAME],
                   token_file ? NULL : values[PROFILE_EXTERNAL_ID], duration * NSEC_PER_SEC);
    if (!token_file)
        return add_role(v->plan, role, e);
    use_web_identity(v->plan, token_file, role);
    return 0;
}

static int of_keys(struct visit *v, const char *name, const struct aws_profile *f, struct err *e)
{
    char *const *values = f->values;
    int which = values[PROFILE_ACCESS_KEY_ID] ? PROFILE_ACCESS_KEY_ID : PROFILE_SECRET_ACCESS_KEY;

    if (!values[which])
        return 1;
    snprintf(v->plan->source, sizeof(v->plan->source), "profile `%.64s` of %.160s", name, v->path[f->file_of[which]]);
    return use_keys(v->plan, values[PROFILE_ACCESS_KEY_ID], values[PROFILE_SECRET_ACCESS_KEY],
                    values[PROFILE_SESSION_TOKEN], e);
}

static int of_process(struct visit *v, const char *name, const char *line, struct err *e)
{
    snprintf(v->plan->source, sizeof(v->plan->source), "credential_process of profile `%.64s`", name);
    return use_process(v->plan, line, e) < 0 ? err_wrap(e, "credential_process") : 0;
}

/* What of one profile counts: a role, else keys, else a program. The region is that of the first profile, the one that was asked for. */
static int from_profile(struct visit *v, const char *name, bool keys_only, struct err *e)
{
    struct aws_profile f;
    int rc = 1;

    if (v->depth == CREDENTIALS_ROLES_MAX)
        return err_set(e, ERR_CONFIG, "more than %d profiles lead to one another", CREDENTIALS_ROLES_MAX);
    if (load(v, name, &f, e) < 0)
        return -1;
    v->names[v->depth++] = name;
    if (!*v->plan->region && f.values[PROFILE_REGION]) {
        mem_free(v->plan->region);
        v->plan->region = mem_strdup(f.values[PROFILE_REGION]);
    }
    if (!*v->plan->sts_endpoint && f.values[PROFILE_ENDPOINT_URL] && !f.ignores_endpoint_urls && v->depth == 1) {
        mem_free(v->plan->sts_endpoint);
        v->plan->sts_endpoint = mem_strdup(f.values[PROFILE_ENDPOINT_URL]);
    }
    if (f.values[PROFILE_ROLE_ARN] && !keys_only)
        rc = of_role(v, name, f.values, e);
    else
        rc = of_keys(v, name, &f, e);
    if (rc == 1 && f.values[PROFILE_CREDENTIAL_PROCESS] && !keys_only)
        rc = of_process(v, name, f.values[PROFILE_CREDENTIAL_PROCESS], e);
    if (rc == 1 && f.unsupported[0] && !keys_only)
        rc = err_set(e, ERR_CONFIG,
                     "it uses `%s`, which is not supported: put access_key_id and secret_access_key into the "
                     "configuration, the environment or %.200s",
                     f.unsupported, v->path[AWS_FILE_CREDENTIALS]);
    aws_profile_release(&f);
    v->depth--;
    return rc < 0 ? err_wrap(e, "profile `%.64s`", name) : rc;
}

/* --- the whole ----------------------------------------------------------------------------------------------------- */

static bool ignores_endpoints(void)
{
    const char *v = env_or_null("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");

    return v && strcasecmp(v, "true") == 0;
}

/* Where STS is, as far as configuration and environment say. */
static void set_sts(struct aws_plan *p, const struct credentials_conf *conf)
{
    const char *endpoint = conf->ways.sts_endpoint, *region = env_or_null("AWS_REGION");

    if (!is_set(endpoint) && !ignores_endpoints()) {
        endpoint = env_or_null("AWS_ENDPOINT_URL_STS");
        if (!endpoint)
            endpoint = env_or_null("AWS_ENDPOINT_URL");
    }
    if (!region)
        region = env_or_null("AWS_DEFAULT_REGION");
    p->sts_endpoint = mem_strdup(endpoint ? endpoint : "");
    p->region = mem_strdup(region ? region : "");
}

/* 1: no profile leads to keys; *found: it is there all the same. */
static int profile(struct aws_plan *p, const struct credentials_conf *conf, struct visit *v, struct err *e)
{
    *v = (struct visit){.plan = p};
    aws_shared_file(AWS_FILE_CREDENTIALS, v->path[0], sizeof(v->path[0]));
    aws_shared_file(AWS_FILE_CONFIG, v->path[1], sizeof(v->path[1]));
    return from_profile(v, aws_profile_name(conf), false, e);
}

static const char *is_there(const struct visit *v, const char *name)
{
    struct aws_profile f;
    struct err ignored;
    bool found = load(v, name, &f, &ignored) == 0 && f.found;

    aws_profile_release(&f);
    return found ? " (it is there, but has no keys)" : "";
}

static int nothing(const struct credentials_conf *conf, const struct visit *v, struct err *e)
{
    const char *name = aws_profile_name(conf);
    bool named = configured_profile(conf) != NULL;

    if (named)
        return err_set(e, ERR_CONFIG, "no AWS credentials: profile `%.64s` is looked for in %.130s and %.130s%s", name,
                       v->path[0], v->path[1], is_there(v, name));
    return err_set(e, ERR_CONFIG,
                   "no AWS credentials: looked for access_key_id in the configuration, AWS_ACCESS_KEY_ID and "
                   "AWS_WEB_IDENTITY_TOKEN_FILE in the environment, profile `%.64s` in %.100s and %.100s%s, "
                   "AWS_CONTAINER_CREDENTIALS_*; the instance's metadata is not asked: %s",
                   name, v->path[0], v->path[1], is_there(v, name), aws_instance_not_asked(false));
}

static int not_set(int rc, const char *what, struct err *e)
{
    return rc == 1 ? err_set(e, ERR_CONFIG, "no AWS credentials: %s", what) : rc;
}

static int choose(struct aws_plan *p, const struct credentials_conf *conf, struct err *e)
{
    const struct credentials_ways *w = &conf->ways;
    struct visit v;
    int rc;

    if (is_set(conf->access_key_id)) {
        snprintf(p->source, sizeof(p->source), "the configuration");
        return use_keys(p, conf->access_key_id, conf->secret_access_key, conf->session_token, e);
    }
    if (w->process.n > 0) {
        snprintf(p->source, sizeof(p->source), "program `%.100s`",
                 w->process.n > 1 ? w->process.v[0] : "of credentials.process");
        if (w->process.n == 1)
            return use_process(p, w->process.v[0], e);
        p->base = AWS_BASE_PROCESS;
        p->process = mem_array(w->process.n + 1, sizeof(*p->process));
        for (size_t i = 0; i < w->process.n; i++)
            p->process[i] = mem_strdup(w->process.v[i]);
        return 0;
    }
    if (w->source == CREDENTIALS_ENVIRONMENT)
        return not_set(from_environment(p, e), "AWS_ACCESS_KEY_ID is not in the environment", e);
    if (w->source == CREDENTIALS_WEB_IDENTITY)
        return not_set(from_web_identity(p, e), "AWS_WEB_IDENTITY_TOKEN_FILE is not in the environment", e);
    if (w->source == CREDENTIALS_CONTAINER)
        return not_set(from_container(p, e),
                       "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI is not in the environment", e);
    if (w->source == CREDENTIALS_IMDS)
        return not_set(from_instance(p, true), "AWS_EC2_METADATA_DISABLED forbids to ask the instance's metadata", e);
    if (configured_profile(conf)) {
        rc = profile(p, conf, &v, e);
        return rc == 1 ? nothing(conf, &v, e) : rc;
    }
    rc = from_environment(p, e);
    if (rc == 1)
        rc = from_web_identity(p, e);
    if (rc == 1)
        rc = profile(p, conf, &v, e);
    if (rc == 1)
        rc = from_container(p, e);
    if (rc == 1)
        rc = from_instance(p, false);
    return rc == 1 ? nothing(conf, &v, e) : rc;
}

int aws_plan_make(struct aws_plan *out, const struct credentials_conf *conf, struct err *e)
{
    const struct credentials_ways *w = &conf->ways;
    int rc = 0;

    *out = (struct aws_plan){.base = AWS_BASE_KEYS};
    set_sts(out, conf);
    if (is_set(w->web_identity_token_file)) {
        use_web_identity(out, w->web_identity_token_file, role_of(w->role_arn, w->session_name, NULL, w->duration));
    } else {
        rc = choose(out, conf, e);
        if (rc == 0 && is_set(w->role_arn))
            rc = add_role(out, role_of(w->role_arn, w->session_name, w->external_id, w->duration), e);
    }
    if (rc < 0)
        aws_plan_release(out);
    return rc;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_role(const struct sts_role *a, const struct sts_role *b)
{
    return same_text(a->role_arn, b->role_arn) && same_text(a->session_name, b->session_name) &&
           same_text(a->external_id, b->external_id) && a->duration == b->duration;
}

static bool same_words(char *const *a, char *const *b)
{
    size_t i = 0;

    if (!a || !b)
        return a == b;
    while (a[i] && b[i] && strcmp(a[i], b[i]) == 0)
        i++;
    return !a[i] && !b[i];
}

bool aws_plan_same(const struct aws_plan *a, const struct aws_plan *b)
{
    if (a->base != b->base || a->role_count != b->role_count || !same_words(a->process, b->process) ||
        !same_text(a->token_file, b->token_file) || !same_role(&a->web, &b->web) || !same_text(a->region, b->region) ||
        !same_text(a->sts_endpoint, b->sts_endpoint) || !same_text(a->source, b->source))
        return false;
    for (size_t i = 0; i < a->role_count; i++)
        if (!same_role(&a->roles[i], &b->roles[i]))
            return false;
    return a->base != AWS_BASE_KEYS || (same_text(a->keys->access_key_id, b->keys->access_key_id) &&
                                        same_text(a->keys->secret_access_key, b->keys->secret_access_key) &&
                                        same_text(a->keys->session_token, b->keys->session_token));
}

bool aws_plan_asks(const struct aws_plan *p)
{
    return p->base != AWS_BASE_KEYS || p->role_count > 0;
}

void aws_plan_describe(const struct aws_plan *p, char *out, size_t size)
{
    const char *role = p->role_count > 0                  ? p->roles[p->role_count - 1].role_arn
                       : p->base == AWS_BASE_WEB_IDENTITY ? p->web.role_arn
                                                          : NULL;

    if (role)
        snprintf(out, size, "role %.100s by %.120s", role, p->source);
    else
        snprintf(out, size, "%s", p->source);
}
