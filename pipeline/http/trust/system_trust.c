/* Reading goes over the places in turn, and into one set of authorities: a certificate that is in the file and in the folder counts
 * once. What the places looked like before they were read is kept; as long as they look the same, they are not read again. After a
 * reading that failed they look like nothing that is known, so the next look reads again. */
#include "pipeline/http/trust/system_trust.h"

#include "pipeline/base/aside_reader.h"
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/http/trust/pem_file.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct place {
    char *path;
    const char *who; /* begins messages about it */
    bool folder, named;
};

struct system_trust {
    struct place places[TRUST_PLACES_MAX];
    size_t count;
    atomic_size_t at; /* the place that is being looked at */
    unsigned keepers; /* guarded by `process.lock` */

    struct aside_reader reader; /* its lock guards the rest */
    struct authorities *known;  /* NULL: not read, or they cannot be */
    struct file_stamp stamps[TRUST_PLACES_MAX];
    struct err why; /* nothing is known, or it is stale: this is why */
    /* Something is known, but cannot be read again: as it is, and as system_trust_news() said it last. */
    bool stale, told;
};

/* --- where ------------------------------------------------------------------------------------------------------- */

static const char *env_or_null(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

struct trust_places trust_places_of_process(void)
{
    const char *file = env_or_null("SSL_CERT_FILE"), *folders = env_or_null("SSL_CERT_DIR");
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    bool knows = curl->age >= CURLVERSION_SEVENTH && (curl->cainfo || curl->capath);

    return (struct trust_places){
        .file = file    ? file
                : knows ? curl->cainfo
                        : authorities_usual_file(),
        .file_named = file != NULL,
        .folders = folders ? folders
                   : knows ? curl->capath
                           : authorities_usual_folder(),
        .folders_named = folders != NULL,
    };
}

static void add_place(struct system_trust *t, const char *path, size_t n, bool folder, bool named)
{
    static const char *const NAMES[] = {"SSL_CERT_FILE", "SSL_CERT_DIR"};

    if (n == 0 || t->count == TRUST_PLACES_MAX)
        return;
    t->places[t->count++] = (struct place){.path = mem_strndup(path, n),
                                           .who = named ? NAMES[folder] : "the system's certificate authorities",
                                           .folder = folder,
                                           .named = named};
}

static void read_aside(struct aside_reader *r);
static void end(struct aside_reader *r);

static const struct aside_reader_ops READER = {.thread = "authorities", .read = read_aside, .end = end};

struct system_trust *system_trust_new(const struct trust_places *places)
{
    struct system_trust *t = mem_alloc(sizeof(*t));
    const char *folder = places->folders;

    aside_reader_init(&t->reader, &READER);
    t->keepers = 1;
    if (places->file)
        add_place(t, places->file, strlen(places->file), false, places->file_named);
    while (folder) {
        size_t n = strcspn(folder, ":");

        add_place(t, folder, n, true, places->folders_named);
        folder = folder[n] ? folder + n + 1 : NULL;
    }
    return t;
}

static void end(struct aside_reader *r)
{
    struct system_trust *t = CONTAINER_OF(r, struct system_trust, reader);

    authorities_leave(t->known);
    for (size_t i = 0; i < t->count; i++)
        mem_free(t->places[i].path);
    mem_free(t);
}

/* What this machine trusts is one thing, as its environment is: a row for it, like a registry's. */
static struct {
    pthread_mutex_t lock;
    struct system_trust *trust; /* NULL: nobody keeps it */
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct system_trust *system_trust_keep(void)
{
    struct system_trust *t;

    pthread_mutex_lock(&process.lock);
    t = process.trust;
    if (t) {
        t->keepers++;
    } else {
        struct trust_places places = trust_places_of_process();

        t = process.trust = system_trust_new(&places);
    }
    pthread_mutex_unlock(&process.lock);
    return t;
}

void system_trust_leave(struct system_trust **tp)
{
    struct system_trust *t = *tp;
    bool last;

    *tp = NULL;
    if (!t)
        return;
    pthread_mutex_lock(&process.lock);
    last = --t->keepers == 0;
    if (last && process.trust == t)
        process.trust = NULL;
    pthread_mutex_unlock(&process.lock);
    if (last)
        aside_reader_leave(&t->reader); /* a thread that hangs in a read keeps it */
}

/* --- what is there ----------------------------------------------------------------------------------------------- */

/* What is read one after the other. Most files of a folder stand in the bundle word for word, and to find that out costs a fiftieth of
 * parsing them once more. */
struct gathered {
    struct authorities *a;
    struct buf text; /* of the file, not of a folder's files */
};

static int read_text(struct gathered *g, const struct place *p, struct buf *text, struct err *e)
{
    struct slice trimmed;

    if (pem_file_read(p->who, p->path, text, e) < 0)
        return -1;
    trimmed = slice_trim(buf_slice(text));
    if (text != &g->text && trimmed.n > 0 && g->text.n > 0 && memmem(g->text.p, g->text.n, trimmed.p, trimmed.n))
        return 0; /* it is there already */
    return authorities_add(g->a, buf_slice(text), e) < 0 ? err_wrap(e, "%s: `%s`", p->who, p->path) : 0;
}

/* 5ed36f99.0 */
static bool is_named_by_hash(const char *name)
{
    size_t hash = strspn(name, "0123456789abcdef"), number;

    if (hash != 8 || name[hash] != '.')
        return false;
    number = strspn(name + hash + 1, "0123456789");
    return number > 0 && name[hash + 1 + number] == '\0';
}

/* A file that cannot be read is left out: those who have it for their authority are told that it is not known. */
static int read_folder(struct gathered *g, const struct place *p, struct err *e)
{
    DIR *d = opendir(p->path);
    const struct dirent *entry;
    size_t seen = 0, taken = 0;

    if (!d)
        return err_errno(e, "%s: cannot read `%s`", p->who, p->path);
    while (seen < TRUST_FOLDER_FILES_MAX && (entry = readdir(d))) {
        struct place file = *p;
        struct err ignored;
        struct buf text;

        if (!is_named_by_hash(entry->d_name))
            continue;
        seen++;
        file.path = mem_printf("%s/%s", p->path, entry->d_name);
        buf_init(&text, TLS_FILE_MAX);
        taken += read_text(g, &file, &text, &ignored) == 0;
        buf_release(&text);
        mem_free(file.path);
    }
    closedir(d);
    return taken ? 0
                 : err_set(e, ERR_CONFIG, "%s: `%s` has no certificate in a file named by hash (`openssl rehash`)",
                           p->who, p->path);
}

static int say_nothing_found(const struct system_trust *t, struct err *e)
{
    char text[512] = "";
    size_t n = 0;

    for (size_t i = 0; i < t->count && n < sizeof(text); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s `%s`", i ? ", " : "",
                              t->places[i].folder ? "the folder" : "the file", t->places[i].path);
    return err_set(e, ERR_CONFIG,
                   "this system has no certificate authorities to trust (looked for: %s): install ca-certificates, or "
                   "name a file in tls.ca_file, SSL_CERT_FILE",
                   n ? text : "nothing");
}

/* NULL: they cannot be read. */
static struct authorities *read_all(struct system_trust *t, struct err *e)
{
    struct gathered g = {.a = authorities_new()};
    size_t read = 0;
    int rc = 0;

    buf_init(&g.text, TLS_FILE_MAX);
    for (size_t i = 0; i < t->count && rc == 0; i++) {
        const struct place *p = &t->places[i];

        atomic_store(&t->at, i);
        if ((p->folder ? read_folder(&g, p, e) : read_text(&g, p, &g.text, e)) == 0)
            read++;
        /* A folder that gives nothing, and a file that nobody named and that is not there, matter only if there is nothing else. */
        else if (!p->folder && (p->named || access(p->path, F_OK) == 0 || errno != ENOENT))
            rc = -1;
    }
    if (rc == 0)
        rc = read ? authorities_end(g.a, e) : say_nothing_found(t, e);
    buf_release(&g.text);
    if (rc == 0)
        return g.a;
    authorities_leave(g.a);
    return NULL;
}

/* --- what is known ----------------------------------------------------------------------------------------------- */

/* Locks: t->reader.lock held. */
static bool is_known(const struct system_trust *t, const struct file_stamp stamps[TRUST_PLACES_MAX])
{
    for (size_t i = 0; i < t->count; i++)
        if (!file_stamp_same(&stamps[i], &t->stamps[i]))
            return false;
    return t->known != NULL;
}

/* Reads them when they differ from what is known. */
static void look(struct system_trust *t)
{
    struct file_stamp stamps[TRUST_PLACES_MAX] = {0};
    struct authorities *a = NULL, *old = NULL;
    struct err why = {.code = ERR_NONE};
    bool known;

    for (size_t i = 0; i < t->count; i++) {
        atomic_store(&t->at, i);
        stamps[i] = file_stamp_of(t->places[i].path);
    }
    pthread_mutex_lock(&t->reader.lock);
    known = is_known(t, stamps);
    if (known)
        t->stale = false;
    pthread_mutex_unlock(&t->reader.lock);
    if (known)
        return;
    a = read_all(t, &why);
    pthread_mutex_lock(&t->reader.lock);
    if (a) {
        old = t->known; /* left without the lock */
        t->known = a;
        memcpy(t->stamps, stamps, sizeof(t->stamps));
    } else {
        t->why = why;
    }
    t->stale = !a && t->known;
    pthread_mutex_unlock(&t->reader.lock);
    authorities_leave(old);
}

static void read_aside(struct aside_reader *r)
{
    look(CONTAINER_OF(r, struct system_trust, reader));
}

/* Locks: t->reader.lock held. */
static int give_known(struct system_trust *t, struct authorities **a, struct err *e)
{
    if (!t->known) {
        *e = t->why;
        return -1;
    }
    *a = authorities_keep(t->known);
    return 0;
}

int system_trust_get(struct system_trust *t, struct authorities **a, struct err *e)
{
    int rc;

    look(t);
    pthread_mutex_lock(&t->reader.lock);
    rc = give_known(t, a, e);
    pthread_mutex_unlock(&t->reader.lock);
    return rc;
}

/* Locks: t->reader.lock held. */
static int give_polled(struct system_trust *t, nsec now, struct authorities **a, struct err *e)
{
    const struct place *p = &t->places[atomic_load(&t->at)];

    switch (aside_reader_poll(&t->reader, now)) {
    case ASIDE_NOT_YET:
        return SYSTEM_TRUST_NOT_YET;
    case ASIDE_HANGS:
        err_set(
            &t->why, ERR_IO,
            "%s: cannot read `%s`: its disk does not answer; look at that disk, or name another file in `tls.ca_file`",
            p->who, p->path);
        t->stale = t->known != NULL;
        break;
    case ASIDE_NO_THREAD:
        if (!t->known)
            return err_set(e, ERR_IO,
                           "no thread can be started to read the system's certificate authorities: " THREADS_HINT);
        break;
    case ASIDE_READ:
        break;
    }
    return give_known(t, a, e);
}

int system_trust_poll(struct system_trust *t, nsec now, struct authorities **a, struct err *e)
{
    int rc;

    pthread_mutex_lock(&t->reader.lock);
    rc = give_polled(t, now, a, e);
    pthread_mutex_unlock(&t->reader.lock);
    return rc;
}

enum system_trust_news system_trust_news(struct system_trust *t, struct err *why)
{
    enum system_trust_news news = TRUST_NO_NEWS;

    pthread_mutex_lock(&t->reader.lock);
    if (t->stale != t->told)
        news = t->stale ? TRUST_STALE : TRUST_FRESH;
    t->told = t->stale;
    *why = t->why;
    pthread_mutex_unlock(&t->reader.lock);
    return news;
}
