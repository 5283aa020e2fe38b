/* A model of uploads in parts: a store that goes wrong at any two requests, in any way, or our end while a request is under way. Whatever
 * happens, in the end the object is there once, or its records are given up; and no upload of its name is left.
 *
 * The store is a small one, and so is the pipeline around the sink (struct life): what it keeps is what the journal keeps, and a death takes
 * all else. */
#include "tests/support/cmocka.h"

#include "tests/unit/sinks/aws_environment.h"
#include "tests/unit/sinks/bound_sink.h"

#include "pipeline/base/body.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"

#include <string.h>

#define NOW         ((nsec)1783951509 * NSEC_PER_SEC)
#define SIZE        (6 * MIB)
#define UPLOADS     64
#define PARTS       2
#define STALE_MAX   (SEAL_BODIES_MAX - 1)
#define REQUESTS    200 /* that many are made only by what never ends */
#define FAULT_AT    12  /* requests, and more, that an upload with a fault takes */
#define GIVES_UP_AT 3   /* attempts */

#define ERROR(code) "<Error><Code>" code "</Code><Message>m</Message></Error>"

enum fault {
    FAULT_NONE,
    DIED_BEFORE, /* we, before the store has done what was asked */
    DIED_AFTER,  /* ... before the answer came */
    LOST_BEFORE, /* the connection */
    LOST_AFTER,
    LATE, /* the answer is lost, and the store does it one request later */
    FAILS_BEFORE,
    FAILS_AFTER, /* it says 500, and has done it */
    GARBAGE_BEFORE,
    GARBAGE_AFTER,
    KEYS_EXPIRED,
    TIMES_OUT, /* it says so, with 400 */
    FAULTS,
};

enum scene {
    PLAIN,
    REFUSES_PARTS_ONCE, /* InvalidPart at the first completion: it begins anew, and what is left is aborted */
    FORGETS_ONCE,       /* the upload is gone at the second part */
    REFUSES_ALWAYS,     /* the completion: the records are given up */
    SPLITS,             /* the records are given up after the first attempt */
    CROWDED,            /* uploads of this name were there before */
    SCENES,
};

struct asked {
    char method[8], url[256];
    char *text;
    bool new_only; /* If-None-Match */
};

struct upload {
    bool open, parts[PARTS];
};

struct answered {
    enum http_failure failure;
    int status;
    char headers[256], body[2048];
};

static struct store {
    enum scene scene;
    struct upload uploads[UPLOADS];
    unsigned count;
    bool object, scene_done, foreign_gone;
    struct asked late;    /* method "": none */
    unsigned late_upload; /* made by it; 0: none */
} S;

struct progress {
    char text[SINK_PROGRESS_MAX];
    size_t n;
    bool has_ranges, there[PARTS];
    struct sink_tag tags[PARTS];
};

static struct life {
    struct bound_sink sink;
    struct body *body;
    struct progress live, stale[STALE_MAX];
    unsigned stale_count;
    unsigned requests;
    enum fault faults[REQUESTS];
    struct sink_verdict v;
    struct buf written;
    unsigned follow_up;
    char token[64];
} L;

static struct slice slice_of_progress(const struct progress *p)
{
    return slice_of(p->text, p->n);
}

/* --- the store -------------------------------------------------------------------------------------------------------- */

static struct upload *upload_in(const char *url)
{
    const char *id = strstr(url, "uploadId=u");
    unsigned n = id ? (unsigned)atoi(id + strlen("uploadId=u")) : UPLOADS;

    return n < S.count && S.uploads[n].open ? &S.uploads[n] : NULL;
}

static void say(struct answered *a, int status, const char *body)
{
    *a = (struct answered){.status = status};
    snprintf(a->body, sizeof(a->body), "%s", body);
}

static void list(struct answered *a)
{
    size_t at =
        (size_t)snprintf(a->body, sizeof(a->body), "<L><Upload><Key>a bc</Key><UploadId>u0</UploadId></Upload>");
    unsigned shown = 0;

    a->status = 200;
    for (unsigned i = 1; i < S.count && shown < S3_UPLOADS_MAX; i++)
        if (S.uploads[i].open && ++shown)
            at += (size_t)snprintf(a->body + at, sizeof(a->body) - at,
                                   "<Upload><Key>a b</Key><UploadId>u%u</UploadId></Upload>", i);
}

static void create(struct answered *a)
{
    char text[64];

    assert_true(S.count < UPLOADS);
    snprintf(text, sizeof(text), "<R><UploadId>u%u</UploadId></R>", S.count);
    S.uploads[S.count++] = (struct upload){.open = true};
    say(a, 200, text);
}

static void put_part(const struct asked *q, struct upload *u, struct answered *a)
{
    unsigned part = (unsigned)atoi(strstr(q->url, "partNumber=") + strlen("partNumber="));

    if (S.scene == FORGETS_ONCE && part == 2 && !S.scene_done) {
        S.scene_done = true;
        u->open = false;
        say(a, 404, ERROR("NoSuchUpload"));
        return;
    }
    u->parts[part - 1] = true;
    say(a, 200, "");
    snprintf(a->headers, sizeof(a->headers), "ETag: \"u%d-%u\"\r\n", (int)(u - S.uploads), part);
}

static void complete(const struct asked *q, struct upload *u, struct answered *a)
{
    for (unsigned part = 1; part <= PARTS; part++) {
        char tag[64];

        snprintf(tag, sizeof(tag), "&quot;u%d-%u&quot;", (int)(u - S.uploads), part);
        if (!u->parts[part - 1] || !strstr(q->text, tag))
            fail_msg("a part that is not there: %s", q->text);
    }
    if (S.scene == REFUSES_ALWAYS || (S.scene == REFUSES_PARTS_ONCE && !S.scene_done)) {
        S.scene_done = true;
        say(a, 400, S.scene == REFUSES_ALWAYS ? ERROR("InvalidRequest") : ERROR("InvalidPart"));
    } else if (q->new_only && S.object) {
        say(a, 412, ERROR("PreconditionFailed"));
    } else {
        S.object = true;
        u->open = false;
        say(a, 200, "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>");
    }
}

static void do_it(const struct asked *q, struct answered *a)
{
    struct upload *u = upload_in(q->url);

    if (strcmp(q->method, "GET") == 0) {
        list(a);
    } else if (strcmp(q->method, "HEAD") == 0) {
        say(a, S.object ? 200 : 404, "");
        if (S.object)
            snprintf(a->headers, sizeof(a->headers), "Content-Length: %d\r\nx-amz-meta-sluice-crc32c: 00000007\r\n",
                     (int)SIZE);
    } else if (strstr(q->url, "?uploads=")) {
        create(a);
    } else if (!u) {
        say(a, 404, ERROR("NoSuchUpload"));
    } else if (strcmp(q->method, "DELETE") == 0) {
        S.foreign_gone |= u == S.uploads;
        u->open = false;
        say(a, 204, "");
    } else if (strcmp(q->method, "PUT") == 0) {
        put_part(q, u, a);
    } else {
        complete(q, u, a);
    }
}

static void do_late(void)
{
    struct answered a = {.status = 0};
    unsigned count = S.count;

    if (!S.late.method[0])
        return;
    do_it(&S.late, &a);
    if (S.count > count)
        S.late_upload = count;
    mem_free(S.late.text);
    S.late = (struct asked){.method = ""};
}

/* False: it was our end. */
static bool exchange(struct asked *q, enum fault f, struct answered *a)
{
    bool late = S.late.method[0];

    *a = (struct answered){.status = 0};
    if (f == LATE && !late) {
        S.late = *q;
        S.late.text = q->text ? mem_strdup(q->text) : NULL;
    } else if (f != DIED_BEFORE && f != LOST_BEFORE && f != FAILS_BEFORE && f != GARBAGE_BEFORE && f != KEYS_EXPIRED &&
               f != TIMES_OUT) {
        do_it(q, a);
    }
    if (late)
        do_late();
    if (f == DIED_BEFORE || f == DIED_AFTER)
        return false;
    if (f == LOST_BEFORE || f == LOST_AFTER || f == LATE)
        *a = (struct answered){.failure = HTTP_RESET};
    if (f == FAILS_BEFORE || f == FAILS_AFTER)
        say(a, 500, strcmp(q->method, "HEAD") == 0 ? "" : ERROR("InternalError"));
    if (f == KEYS_EXPIRED || f == TIMES_OUT)
        say(a, 400,
            strcmp(q->method, "HEAD") == 0 ? ""
            : f == KEYS_EXPIRED            ? ERROR("ExpiredToken")
                                           : ERROR("RequestTimeout"));
    if (f == GARBAGE_BEFORE || f == GARBAGE_AFTER)
        *a = (struct answered){.failure = HTTP_MALFORMED};
    return true;
}

/* --- the pipeline ----------------------------------------------------------------------------------------------------- */

enum ended { ARRIVED, FAILED, DIED };

/* One request. False: it was our end. */
static bool ask(struct sink_seal *seal, enum sink_outcome *outcome)
{
    struct http_request rq;
    struct answered a;
    struct asked q;
    struct err e;
    bool alive;

    seal->name = SLICE("a b");
    seal->body = L.body;
    seal->wall_now = NOW;
    seal->digest.crc32c = 7;
    seal->digest.made = L.sink.ops->digests_of(L.sink.state) | SINK_CRC32C;
    seal->follow_up = L.follow_up;
    seal->token = L.follow_up > 0 ? L.token : NULL;
    assert_int_equal(bound_sink_request(&L.sink, seal, &rq, &e), 0);
    snprintf(q.method, sizeof(q.method), "%s", rq.method);
    snprintf(q.url, sizeof(q.url), "%s", rq.url);
    q.text = rq.text;
    q.new_only = request_header(&rq, "If-None-Match")[0];
    if (L.requests == REQUESTS)
        fail_msg("it never ends: %s %s", q.method, q.url);
    alive = exchange(&q, L.faults[L.requests++], &a);
    if (alive) {
        const struct http_response re = {.failure = a.failure,
                                         .failure_text = a.failure ? "gone" : NULL,
                                         .status = a.status,
                                         .headers = slice_str(a.headers),
                                         .body = slice_str(a.body),
                                         .endpoint = rq.endpoint,
                                         .wall_now = NOW};

        buf_clear(&L.written);
        L.v = (struct sink_verdict){.progress = seal->range ? NULL : &L.written};
        *outcome = L.sink.ops->judge(L.sink.state, seal, &re, &L.v);
        memcpy(L.token, L.v.token, sizeof(L.token));
        L.follow_up++;
    }
    http_request_release(&rq);
    return alive;
}

static void note(struct progress *p, bool ranges)
{
    bool asks_ranges = L.v.range_bytes > 0;

    assert_true(L.written.n <= sizeof(p->text));
    memcpy(p->text, L.written.p, L.written.n);
    p->n = L.written.n;
    if (ranges && asks_ranges) {
        p->has_ranges = true;
        memset(p->there, 0, sizeof(p->there));
    }
}

static void to_be_undone(void)
{
    assert_true(L.stale_count < STALE_MAX);
    if (L.live.n > 0)
        L.stale[L.stale_count++] = L.live;
}

static void begin_anew(void)
{
    if (L.v.leaves)
        to_be_undone();
    L.live = (struct progress){.n = 0};
}

static enum ended put_ranges(void)
{
    for (uint32_t i = 0; i < PARTS; i++) {
        struct sink_seal seal = {.progress = slice_of_progress(&L.live), .range = i + 1};
        enum sink_outcome outcome;

        if (L.live.there[i])
            continue;
        seal.range_from = i * 5 * MIB;
        seal.range_bytes = i == 0 ? 5 * MIB : SIZE - 5 * MIB;
        if (!ask(&seal, &outcome))
            return DIED;
        if (outcome != SINK_DELIVERED) {
            if (L.v.begin_anew)
                begin_anew();
            return FAILED;
        }
        L.live.there[i] = true;
        L.live.tags[i] = L.v.tag;
    }
    return ARRIVED;
}

static enum ended attempt(void)
{
    L.follow_up = 0;
    for (;;) {
        struct sink_seal seal = {.progress = slice_of_progress(&L.live)};
        enum sink_outcome outcome;
        enum ended ranges = L.live.has_ranges ? put_ranges() : ARRIVED;

        if (ranges != ARRIVED)
            return ranges;
        if (L.live.has_ranges) {
            seal.tags = L.live.tags;
            seal.tag_count = PARTS;
        }
        if (!ask(&seal, &outcome))
            return DIED;
        if (outcome == SINK_DELIVERED) {
            if (L.v.leaves)
                to_be_undone();
            return ARRIVED;
        }
        if (outcome == SINK_FOLLOW_UP) {
            if (L.v.progressed)
                note(&L.live, true);
            continue;
        }
        assert_int_equal(outcome, SINK_RETRY);
        if (L.v.begin_anew)
            begin_anew();
        return FAILED;
    }
}

/* All that is stale; `alone`: and nothing else will come under this name. What a death leaves is stale after it, too. */
static enum ended undo(bool alone)
{
    while (L.stale_count > 0) {
        struct progress *b = &L.stale[L.stale_count - 1], undone = *b;

        for (unsigned tries = 0; tries < UNDO_TRIES_MAX;) {
            struct sink_seal seal = {.progress = slice_of_progress(&undone), .undo = true, .alone = alone};
            enum sink_outcome outcome;

            if (!ask(&seal, &outcome))
                return DIED;
            if (outcome == SINK_DELIVERED)
                break;
            if (outcome == SINK_FOLLOW_UP) {
                note(&undone, false);
                continue;
            }
            L.follow_up = 0;
            tries++;
            if (tries == UNDO_TRIES_MAX || L.v.begin_anew)
                fail_msg("it stays: %s", L.v.message);
        }
        L.follow_up = 0;
        L.stale_count--;
    }
    return ARRIVED;
}

/* After a restart nobody knows which of two that hold the same bytes was given up. */
static void restart(bool mixes)
{
    if (mixes && L.stale_count > 0 && L.live.n > 0) {
        struct progress other = L.live;

        L.live = L.stale[L.stale_count - 1];
        L.stale[L.stale_count - 1] = other;
    }
}

/* Until its records are delivered or given up. */
static bool live(bool mixes)
{
    unsigned gives_up = S.scene == SPLITS ? 1 : S.scene == REFUSES_ALWAYS ? GIVES_UP_AT : REQUESTS;
    bool arrived = false;
    enum ended end;

    for (unsigned n = 1; !arrived && n <= gives_up; n++) {
        end = attempt();
        arrived = end == ARRIVED;
        if (end == DIED) {
            restart(mixes);
            n--; /* what was given up in this run may not be in the next */
        } else if (!arrived && n < gives_up) {
            L.follow_up = 0;
            while (undo(false) == DIED)
                ;
        }
    }
    L.follow_up = 0;
    if (!arrived)
        to_be_undone();
    while (undo(true) == DIED)
        L.follow_up = 0;
    return arrived;
}

static void play(enum scene scene, bool mixes, unsigned first, enum fault a, unsigned second, enum fault b)
{
    bool arrived;

    S = (struct store){.scene = scene, .uploads = {{.open = true}}, .count = scene == CROWDED ? 3 : 1};
    for (unsigned i = 1; i < S.count; i++)
        S.uploads[i].open = true;
    L.live = (struct progress){.n = 0};
    L.stale_count = L.requests = L.follow_up = 0;
    memset(L.faults, 0, sizeof(L.faults));
    L.faults[second] = b;
    L.faults[first] = a;
    arrived = live(mixes);
    if (arrived != S.object && scene != SPLITS && scene != REFUSES_ALWAYS)
        fail_msg("%d, %u %d, %u %d: no object", scene, first, a, second, b);
    if (arrived && !S.object)
        fail_msg("%d, %u %d, %u %d: delivered, and no object", scene, first, a, second, b);
    assert_true(S.uploads[0].open && !S.foreign_gone);
    for (unsigned i = 1; i < S.count; i++) /* what was begun behind the last look cannot be seen */
        if (S.uploads[i].open && (arrived || i != S.late_upload))
            fail_msg("%d, %u %d, %u %d: upload %u of %u stays", scene, first, a, second, b, i, S.count);
    do_late();
}

static void open_sink(const char *options)
{
    char yaml[512], *bytes = mem_alloc(SIZE);
    struct err e = {0};

    L = (struct life){.requests = 0};
    buf_init(&L.written, SINK_PROGRESS_MAX);
    L.body = body_new("/tmp", BODY_MEMORY_MAX);
    assert_int_equal(body_add(L.body, slice_of(bytes, SIZE), &e), 0);
    mem_free(bytes);
    snprintf(yaml, sizeof(yaml),
             "bucket: logs\nendpoint: http://h:1\naccess_key_id: AK\nsecret_access_key: SK\n"
             "multipart: { threshold: 5MiB, part_size: 5MiB }\n%s",
             options);
    if (bound_sink_open(&L.sink, "s3", yaml, "/tmp", &e) < 0)
        fail_msg("%s", e.msg);
}

static void close_sink(void)
{
    bound_sink_close(&L.sink);
    body_free(&L.body);
    buf_release(&L.written);
}

static void anything_that_goes_wrong_once_leaves_nothing(void **state)
{
    (void)state;
    for (int overwrite = 0; overwrite < 2; overwrite++) {
        open_sink(overwrite ? "" : "overwrite: false\n");
        for (int scene = 0; scene < SCENES; scene++)
            for (unsigned first = 0; first < FAULT_AT; first++)
                for (int a = FAULT_NONE; a < FAULTS; a++)
                    play((enum scene)scene, false, first, (enum fault)a, first, (enum fault)a);
        close_sink();
    }
}

/* Two in a row, or with a step or two between them; of those that leave the most behind. */
static void nor_does_what_goes_wrong_twice(void **state)
{
    static const enum fault WORST[] = {DIED_BEFORE, DIED_AFTER, LATE, FAILS_AFTER};

    (void)state;
    for (int scene = 0; scene < SCENES; scene++) {
        open_sink(scene % 2 ? "" : "overwrite: false\n");
        for (unsigned first = 0; first < FAULT_AT; first++)
            for (unsigned a = 0; a < ARRAY_LEN(WORST); a++)
                for (unsigned second = first + 1; second < first + 4; second++)
                    play((enum scene)scene, second % 2, first, WORST[a], second,
                         WORST[(a + second) % ARRAY_LEN(WORST)]);
        close_sink();
    }
}

static int clean_environment(void **state)
{
    (void)state;
    aws_environment_clear();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anything_that_goes_wrong_once_leaves_nothing),
        cmocka_unit_test(nor_does_what_goes_wrong_twice),
    };

    return cmocka_run_group_tests_name("s3_uploads", tests, clean_environment, NULL);
}
