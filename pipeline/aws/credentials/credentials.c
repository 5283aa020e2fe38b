/* Two things are found out, one behind the other, on the thread of an aside_reader (a disk may hang, and so may whoever is asked): the plan,
 * which only files, environment and configuration decide, and which is made anew when the files have changed; and, where the plan says that
 * somebody must be asked, the keys. Keys of the configuration and the environment need neither and no thread.
 *
 * The thread runs when somebody wants keys and more than a second has passed since it ran last. So it is those who sign that keep keys
 * fresh, and a stream without records asks nobody. */
#include "pipeline/aws/credentials/credentials.h"

#include "pipeline/aws/credentials/check_keys.h"
#include "pipeline/aws/credentials/fetch.h"
#include "pipeline/aws/credentials/plan.h"
#include "pipeline/base/aside_reader.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/io.h"
#include "pipeline/base/log.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/base/backoff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <unistd.h>

struct credentials {
    LIST_ENTRY(credentials) link; /* guarded by `shared.lock`, as is the next */
    unsigned sharers;
    struct credentials_conf conf; /* a copy; never changes */
    struct aws_ask ask;           /* of the thread */

    pthread_cond_t looked; /* the thread has looked */

    struct aside_reader reader; /* its lock guards the rest */
    bool loaded;                /* there is a plan; else: */
    struct err no_plan;
    struct file_stamp stamps[2]; /* of the two files, when they were read */
    struct aws_plan plan;        /* not replaced while `asking`: the thread reads it without the lock then */
    char *region, *endpoint;     /* of the profile; NULL: none */

    /* Where the plan asks: */
    bool asking;
    nsec asking_since;
    struct aws_keys *keys; /* NULL: none yet */
    nsec fetched, renew;   /* when they came; when they are to be renewed */
    nsec refused;          /* when they were last refused; 0: never */
    bool stale;            /* they were refused, and no others have come */
    unsigned failures;     /* in a row */
    nsec failed, again;    /* the last one, and when it is to be tried again */
    struct err why;        /* failures > 0 */
};

static const char *env_or_null(const char *name)
{
    const char *v = getenv(name);

    return v && *v ? v : NULL;
}

static bool says_true(const char *text)
{
    return text && strcasecmp(text, "true") == 0;
}

/* --- one for all who want the same --------------------------------------------------------------------------------- */

static int check_keys(const struct credentials_conf *conf, struct err *e)
{
    struct aws_keys checked;
    int rc = aws_keys_set(&checked, conf->access_key_id, conf->secret_access_key, conf->session_token, e);

    aws_keys_wipe(&checked);
    return rc < 0 ? -1 : credentials_ways_check(conf, e);
}

static void read_aside(struct aside_reader *r);
static void end(struct aside_reader *r);

static const struct aside_reader_ops READER = {.thread = "credentials", .read = read_aside, .end = end};

/* What signs in this process: rows, like a registry's. */
static struct {
    pthread_mutex_t lock;
    LIST_HEAD(, credentials) list;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

int credentials_new(struct credentials **out, const struct credentials_conf *conf, struct err *e)
{
    struct credentials_conf copy;
    struct credentials *c;

    if (check_keys(conf, e) < 0)
        return -1;
    credentials_conf_copy(&copy, conf);
    pthread_mutex_lock(&shared.lock);
    LIST_FOREACH(c, &shared.list, link)
        if (credentials_conf_same(&c->conf, &copy))
            break;
    if (c) {
        credentials_conf_release(&copy);
    } else {
        c = mem_alloc(sizeof(*c));
        c->conf = copy;
        aside_reader_init(&c->reader, &READER);
        aws_ask_init(&c->ask);
        thread_cond_init(&c->looked);
        LIST_INSERT_HEAD(&shared.list, c, link);
    }
    c->sharers++;
    pthread_mutex_unlock(&shared.lock);
    *out = c;
    return 0;
}

void credentials_free(struct credentials **cp)
{
    struct credentials *c = *cp;
    bool last;

    *cp = NULL;
    if (!c)
        return;
    pthread_mutex_lock(&shared.lock);
    last = --c->sharers == 0;
    if (last)
        LIST_REMOVE(c, link);
    pthread_mutex_unlock(&shared.lock);
    if (!last)
        return;
    aws_ask_cancel(&c->ask);
    aside_reader_leave(&c->reader);
}

static void drop_keys(struct credentials *c)
{
    if (c->keys)
        aws_keys_wipe(c->keys);
    MEM_CLEAR(c->keys);
    c->stale = false;
}

static void end(struct aside_reader *r)
{
    struct credentials *c = CONTAINER_OF(r, struct credentials, reader);

    drop_keys(c);
    aws_plan_release(&c->plan);
    aws_ask_release(&c->ask);
    pthread_cond_destroy(&c->looked);
    credentials_conf_release(&c->conf);
    mem_free(c->region);
    mem_free(c->endpoint);
    mem_free(c);
}

/* --- the plan, on the thread --------------------------------------------------------------------------------------- */

struct found {
    struct file_stamp stamps[2];
    int rc;
    struct aws_plan plan;
    struct err why;
    struct aws_profile profile;
};

/* A stamp is taken before its file is read: a change in between is then seen the next time. */
static void take_stamps(struct file_stamp stamps[2], char path[2][PATH_MAX])
{
    for (enum aws_file k = AWS_FILE_CREDENTIALS; k <= AWS_FILE_CONFIG; k++) {
        aws_shared_file(k, path[k], sizeof(path[k]));
        stamps[k] = file_stamp_of(path[k]);
    }
}

/* Locks: held. */
static void take_found(struct credentials *c, struct found *f)
{
    struct aws_plan old = c->plan;

    if (c->asking) { /* by the plan that is there: the next look finds the same again */
        aws_plan_release(&f->plan);
        return;
    }
    memcpy(c->stamps, f->stamps, sizeof(c->stamps));
    if (f->rc < 0 || !c->loaded || !aws_plan_same(&old, &f->plan)) {
        drop_keys(c);
        c->failures = 0;
        c->again = 0;
    }
    c->plan = f->plan;
    c->no_plan = f->why;
    c->loaded = f->rc == 0;
    aws_plan_release(&old);
    mem_free(c->region);
    mem_free(c->endpoint);
    c->region = f->profile.values[PROFILE_REGION] ? mem_strdup(f->profile.values[PROFILE_REGION]) : NULL;
    c->endpoint = f->profile.values[PROFILE_ENDPOINT_URL] && !f->profile.ignores_endpoint_urls
                      ? mem_strdup(f->profile.values[PROFILE_ENDPOINT_URL])
                      : NULL;
}

/* A plan that failed is made anew each time: what it lacked need not be in the two files. */
static void look(struct credentials *c)
{
    struct found *f = mem_alloc(sizeof(*f));
    const char *profile = aws_profile_name(&c->conf);
    char path[2][PATH_MAX];
    struct err ignored;
    bool same;

    take_stamps(f->stamps, path);
    pthread_mutex_lock(&c->reader.lock);
    same = c->loaded && file_stamp_same(&f->stamps[0], &c->stamps[0]) && file_stamp_same(&f->stamps[1], &c->stamps[1]);
    pthread_mutex_unlock(&c->reader.lock);
    if (!same) {
        f->rc = aws_plan_make(&f->plan, &c->conf, &f->why);
        if (aws_profile_load(&f->profile, AWS_FILE_CREDENTIALS, path[0], profile, &ignored) == 0)
            (void)!aws_profile_load(&f->profile, AWS_FILE_CONFIG, path[1], profile, &ignored);
        pthread_mutex_lock(&c->reader.lock);
        take_found(c, f);
        pthread_mutex_unlock(&c->reader.lock);
        aws_profile_release(&f->profile);
    }
    explicit_bzero(f, sizeof(*f));
    mem_free(f);
}

/* --- the keys, on the thread --------------------------------------------------------------------------------------- */

/* Locks: held. A clock that was set back makes waits end. */
static bool is_due(const struct credentials *c, nsec now)
{
    if (!c->loaded || !aws_plan_asks(&c->plan))
        return false;
    if (c->failures > 0 && now < c->again && now >= c->failed)
        return false;
    return !c->keys || c->stale || (c->keys->expires != 0 && (now >= c->renew || now < c->fetched));
}

/* Some sooner than others, so that many machines that began together do not ask together. */
static nsec renew_at(const struct aws_keys *k, nsec now)
{
    nsec life = k->expires - now;
    nsec before = life / 3 < CREDENTIALS_RENEW_BEFORE ? life / 3 : CREDENTIALS_RENEW_BEFORE;

    return k->expires - before - before / 1000 * (nsec)(random_bits() % 200);
}

/* Locks: held. */
static void take_keys(struct credentials *c, struct aws_keys *k, nsec now)
{
    drop_keys(c);
    c->keys = k;
    c->fetched = now;
    c->renew = k->expires ? renew_at(k, now) : 0;
    c->failures = 0;
}

/* Locks: held. */
static void note_failure(struct credentials *c, const struct err *why, nsec now)
{
    c->why = *why;
    c->failures++;
    c->failed = now;
    c->again = now + backoff_wait(c->failures, random_bits());
}

static void say_keys(const struct aws_keys *k, bool again)
{
    char until[32] = "never";

    if (k->expires)
        clock_rfc3339(k->expires, until, sizeof(until));
    log_info(again ? "AWS keys were renewed" : "AWS keys were found", KS("source", k->source), KS("expire", until));
}

static void fetch(struct credentials *c, bool again)
{
    struct aws_keys *k = mem_alloc(sizeof(*k));
    struct err e = {.code = ERR_NONE};
    int rc = aws_fetch(&c->ask, &c->plan, k, &e);
    nsec now = clock_wall(), left = 0;

    if (rc == 0)
        say_keys(k, again);
    pthread_mutex_lock(&c->reader.lock);
    c->asking = false;
    if (rc == 0) {
        take_keys(c, k, now);
        k = NULL;
    } else {
        note_failure(c, &e, now);
        left = c->keys && c->keys->expires > now && !c->stale ? c->keys->expires - now : 0;
    }
    pthread_mutex_unlock(&c->reader.lock);
    if (left > 0 && e.code != ERR_CANCELLED) /* otherwise deliveries fail, and say it */
        log_warn("AWS keys cannot be renewed; those that are there serve on", KE("cause", &e),
                 KI("expire_in_s", left / NSEC_PER_SEC));
    if (k)
        aws_keys_wipe(k);
    mem_free(k);
}

static void read_aside(struct aside_reader *r)
{
    struct credentials *c = CONTAINER_OF(r, struct credentials, reader);
    nsec now = clock_wall();
    bool due, again;

    look(c);
    pthread_mutex_lock(&r->lock);
    due = is_due(c, now);
    again = c->keys != NULL;
    c->asking = due;
    c->asking_since = now;
    pthread_mutex_unlock(&r->lock);
    if (due)
        fetch(c, again);
    pthread_mutex_lock(&r->lock);
    pthread_cond_broadcast(&c->looked);
    pthread_mutex_unlock(&r->lock);
}

/* --- answers ------------------------------------------------------------------------------------------------------- */

/* From the configuration or the environment, where nothing is to be found out. 1: it must be. */
static int without_files(const struct credentials *c, struct aws_keys *out, struct err *e)
{
    const struct credentials_ways *w = &c->conf.ways;
    const char *id = env_or_null("AWS_ACCESS_KEY_ID");

    *out = (struct aws_keys){.expires = 0};
    if (w->role_arn)
        return 1;
    if (c->conf.access_key_id) {
        snprintf(out->source, sizeof(out->source), "the configuration");
        return aws_keys_set(out, c->conf.access_key_id, c->conf.secret_access_key, c->conf.session_token, e);
    }
    if (c->conf.profile || w->profile || w->process.n > 0 || w->source > CREDENTIALS_ENVIRONMENT || !id)
        return 1;
    snprintf(out->source, sizeof(out->source), "the environment");
    if (aws_keys_set(out, id, env_or_null("AWS_SECRET_ACCESS_KEY"), env_or_null("AWS_SESSION_TOKEN"), e) < 0)
        return err_wrap(e, "AWS_ACCESS_KEY_ID in the environment");
    return 0;
}

/* Locks: held. */
static bool has_keys(const struct credentials *c, nsec now)
{
    return c->loaded && aws_plan_asks(&c->plan) && c->keys && !c->stale &&
           (c->keys->expires == 0 || now < c->keys->expires);
}

/* Locks: held. What is known when nobody looks or asks at the moment. */
static int from_known(const struct credentials *c, nsec now, struct aws_keys *out, struct err *e)
{
    if (!c->loaded) {
        *e = c->no_plan;
        return e->code == ERR_NONE ? CREDENTIALS_NOT_YET : -1;
    }
    if (!aws_plan_asks(&c->plan)) {
        *out = *c->plan.keys;
        aws_plan_describe(&c->plan, out->source, sizeof(out->source));
        return 0;
    }
    if (has_keys(c, now)) {
        *out = *c->keys;
        return 0;
    }
    if (c->failures == 0)
        return CREDENTIALS_NOT_YET;
    *e = c->why;
    return err_wrap(e, c->keys ? "no AWS credentials, those that were there have expired" : "no AWS credentials");
}

/* Locks: held. */
static int hangs(const struct credentials *c, nsec now, struct err *e)
{
    char source[256];

    if (!c->asking)
        return err_set(e, ERR_IO, "the files with the AWS credentials cannot be read: their disk does not answer");
    aws_plan_describe(&c->plan, source, sizeof(source));
    return err_set(e, ERR_IO, "no AWS credentials: %s has not answered for %.0f s", source,
                   (double)(now - c->asking_since) / (double)NSEC_PER_SEC);
}

int credentials_poll(struct credentials *c, nsec now, struct aws_keys *out, struct err *e)
{
    enum aside_state state;
    int rc = without_files(c, out, e);

    if (rc <= 0)
        return rc;
    pthread_mutex_lock(&c->reader.lock);
    state = aside_reader_poll(&c->reader, now);
    if (has_keys(c, now))
        rc = from_known(c, now, out, e);
    else if (state == ASIDE_NOT_YET)
        rc = CREDENTIALS_NOT_YET;
    else if (state == ASIDE_NO_THREAD && !c->loaded)
        rc = err_set(e, ERR_IO, "no thread can be started to read the AWS credentials");
    else if (state == ASIDE_HANGS && (!c->loaded || aws_plan_asks(&c->plan)))
        rc = hangs(c, now, e);
    else
        rc = from_known(c, now, out, e);
    pthread_mutex_unlock(&c->reader.lock);
    return rc;
}

/* Locks: held. The thread looks again as soon as somebody polls. */
static void look_again(struct credentials *c)
{
    if (c->reader.step == ASIDE_IDLE)
        c->reader.since = 0;
}

static bool is_asking(struct credentials *c)
{
    bool asking;

    pthread_mutex_lock(&c->reader.lock);
    asking = c->asking;
    pthread_mutex_unlock(&c->reader.lock);
    return asking;
}

/* Until the thread has ended, or a few milliseconds: it says so just before. */
static void wait_a_little(struct credentials *c)
{
    struct timespec until = clock_timespec(clock_mono() + ATTEMPT_NOT_YET_WAIT);

    pthread_mutex_lock(&c->reader.lock);
    pthread_cond_timedwait(&c->looked, &c->reader.lock, &until);
    pthread_mutex_unlock(&c->reader.lock);
}

int credentials_get(struct credentials *c, struct aws_keys *out, struct err *e)
{
    bool asking;
    int rc;

    pthread_mutex_lock(&c->reader.lock);
    look_again(c);
    pthread_mutex_unlock(&c->reader.lock);
    for (;;) {
        asking = is_asking(c); /* before: what ends in between is seen by the poll */
        rc = credentials_poll(c, clock_wall(), out, e);
        if (rc == 0 || (rc < 0 && !asking))
            return rc;
        wait_a_little(c);
    }
}

void credentials_peek(struct credentials *c, struct aws_keys *out)
{
    struct err ignored;
    int rc = without_files(c, out, &ignored);

    if (rc == 1) {
        pthread_mutex_lock(&c->reader.lock);
        rc = from_known(c, clock_wall(), out, &ignored);
        pthread_mutex_unlock(&c->reader.lock);
    }
    if (rc != 0)
        aws_keys_wipe(out);
}

bool credentials_refused(struct credentials *c, nsec began, nsec now)
{
    bool again = false;

    pthread_mutex_lock(&c->reader.lock);
    if (c->loaded && aws_plan_asks(&c->plan) && c->keys) {
        if (c->fetched > began || c->stale) {
            again = true;
        } else if (c->refused == 0 || now < c->refused || now - c->refused > CREDENTIALS_REFUSED_AGAIN) {
            c->refused = now;
            c->stale = again = true;
            c->again = 0;
            look_again(c);
        }
    }
    pthread_mutex_unlock(&c->reader.lock);
    return again;
}

/* --- without keys -------------------------------------------------------------------------------------------------- */

int credentials_check(struct credentials *c, struct err *e)
{
    struct aws_keys keys;
    int rc = without_files(c, &keys, e);

    aws_keys_wipe(&keys);
    if (rc <= 0)
        return rc;
    look(c);
    pthread_mutex_lock(&c->reader.lock);
    rc = c->loaded ? 0 : -1;
    if (rc < 0)
        *e = c->no_plan;
    pthread_mutex_unlock(&c->reader.lock);
    return rc;
}

void credentials_describe(struct credentials *c, char *out, size_t size)
{
    struct aws_keys keys;
    struct err ignored;

    *out = '\0';
    if (without_files(c, &keys, &ignored) == 0) {
        snprintf(out, size, "%s", keys.source);
    } else {
        look(c);
        pthread_mutex_lock(&c->reader.lock);
        if (c->loaded)
            aws_plan_describe(&c->plan, out, size);
        pthread_mutex_unlock(&c->reader.lock);
    }
    aws_keys_wipe(&keys);
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
    snprintf(out, size, "%s", c->region ? c->region : "");
    pthread_mutex_unlock(&c->reader.lock);
    return *out != '\0';
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
    snprintf(out, AWS_ENDPOINT_MAX, "%s", c->endpoint ? c->endpoint : "");
    pthread_mutex_unlock(&c->reader.lock);
    if (*out == '\0')
        return false;
    *source = "endpoint_url of the AWS profile";
    return true;
}
