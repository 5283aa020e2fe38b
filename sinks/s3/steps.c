#include "sinks/s3/steps.h"

#include "pipeline/base/limits.h"

#include <stdio.h>
#include <string.h>

bool s3_step_follows(const struct sink_seal *seal, const char *token)
{
    return seal->follow_up > 0 && seal->token && strcmp(seal->token, token) == 0;
}

/* The same attempt goes on at once. */
static enum sink_outcome go_on(const char *token, struct sink_verdict *v)
{
    *v = (struct sink_verdict){.progress = v->progress, .retry_after = NSEC_PER_MSEC};
    snprintf(v->token, sizeof(v->token), "%s", token);
    return SINK_FOLLOW_UP;
}

/* The next step comes when this is in the journal; with an id, the body goes in parts from now on. */
static enum sink_outcome write_down(const struct s3_steps *s, const struct s3_upload *u, const char *token,
                                    struct sink_verdict *v)
{
    struct buf *progress = v->progress;

    *v = (struct sink_verdict){.progress = progress,
                               .progressed = s3_upload_write(u, progress) == 0,
                               .range_bytes = u->id.n > 0 ? s->conf->multipart.part_size : 0};
    snprintf(v->token, sizeof(v->token), "%s", token);
    return SINK_FOLLOW_UP;
}

/* What else is left under the name is looked for. */
static enum sink_outcome look_for_more(const struct s3_steps *s, struct sink_verdict *v)
{
    return write_down(s, &(struct s3_upload){.place = slice_str(s->place), .unsure = true}, "", v);
}

/* A list that a later attempt may get. *v explains the answer. */
static bool may_be_listed_later(const struct s3_context *c, const struct http_response *re,
                                const struct sink_verdict *v)
{
    return re->failure != HTTP_OK || c->follows_region || c->corrects_clock || re->status == 408 || re->status == 409 ||
           re->status == 429 || (re->status >= 500 && re->status != 501) || s3_answer_keys_expired(v) ||
           strcmp(v->code, "RequestTimeout") == 0;
}

/* The removal of all that is left under a name, by the list of it. */
static enum sink_outcome judge_leftovers(const struct s3_steps *s, const struct s3_context *c,
                                         const struct http_response *re, struct sink_verdict *v)
{
    struct s3_upload u = {.kind = CHECKSUM_NONE, .place = slice_str(s->place), .unsure = true};
    enum sink_outcome outcome = SINK_DELIVERED;
    struct buf id;

    buf_init(&id, S3_UPLOAD_ID_MAX);
    if (s3_uploads_found(re->body, c->key, true, &u, &id) > 0 && c->seal->alone) {
        if (u.id.n > 0 && c->seal->follow_up < S3_SWEEP_STEPS_MAX)
            outcome = write_down(s, &u, "", v);
        else
            outcome = s3_answer_explain(c, re, S3_ODD_UPLOADS, v);
    }
    buf_release(&id);
    return outcome;
}

/* Who may not list uploads, or does not know what that is, says so at the next step if it matters. */
static enum sink_outcome judge_list(const struct s3_steps *s, const struct s3_context *c,
                                    const struct http_response *re, struct sink_verdict *v)
{
    bool was_begun, listed = re->failure == HTTP_OK && re->status == 200;
    struct s3_upload u = {.kind = c->checksum, .place = slice_str(s->place)}, before = {.kind = CHECKSUM_NONE};
    enum sink_outcome outcome;
    struct buf id;
    size_t there;

    if (!listed) {
        outcome = s3_answer_explain(c, re, S3_ODD_NOTHING, v);
        if (may_be_listed_later(c, re, v))
            return outcome;
        if (c->seal->undo) { /* who may not, or does not know what that is, is not asked again */
            v->begin_anew = re->status == 403 || re->status == 404 || re->status == 405 || re->status == 501;
            return outcome;
        }
    }
    if (c->seal->undo)
        return judge_leftovers(s, c, re, v);
    was_begun = s3_upload_read(c->seal->progress, &before);
    buf_init(&id, S3_UPLOAD_ID_MAX);
    there = listed ? s3_uploads_found(re->body, c->key, false, &u, &id) : 0;
    if (was_begun && !before.crowded && u.id.n > 0) {
        u.listed = u.unsure = true;
        outcome = write_down(s, &u, "", v);
    } else {
        u.id = SLICE("");
        u.crowded = there > 0 || !listed;
        u.unsure = there > 0 || was_begun;
        outcome = write_down(s, &u, S3_CREATE_TOKEN, v);
    }
    buf_release(&id);
    return outcome;
}

static enum sink_outcome judge_create(const struct s3_steps *s, const struct s3_context *c,
                                      const struct http_response *re, struct sink_verdict *v)
{
    struct s3_upload u = {.kind = c->checksum, .place = slice_str(s->place)}, intent = {.kind = CHECKSUM_NONE};
    enum sink_outcome outcome;
    struct buf id;

    u.unsure = s3_upload_read(c->seal->progress, &intent) && intent.unsure;

    buf_init(&id, S3_UPLOAD_ID_MAX);
    if (re->failure == HTTP_OK && re->status == 200 && s3_upload_begun(re, &u, &id))
        outcome = write_down(s, &u, "", v);
    else
        outcome = s3_answer_explain(c, re, re->status == 200 ? S3_ODD_UPLOAD : S3_ODD_NOTHING, v);
    buf_release(&id);
    return outcome;
}

/* A step of an upload was refused for good, and one that begins now would be another: the options, or the store, ask for another checksum
 * by now, or nobody knows what this one was begun with. So it begins anew, and that once. */
static bool another_may_be_taken(const struct s3_steps *s, const struct s3_context *c, const struct http_response *re)
{
    struct s3_upload u;

    return re->failure == HTTP_OK && (re->status == 400 || re->status == 501) && !c->follows_region &&
           !c->corrects_clock && s3_upload_read(c->seal->progress, &u) &&
           (u.listed || c->drops_checksum || s3_upload_checksum(s->conf, re->endpoint) != u.kind);
}

static enum sink_outcome judge_part(const struct s3_steps *s, const struct s3_context *c,
                                    const struct http_response *re, struct sink_verdict *v)
{
    enum sink_outcome outcome = s3_answer_judge(c, re, v);

    if (outcome == SINK_DELIVERED && !s3_part_tag(c->checksum, c->seal, re, &v->tag))
        return s3_answer_explain(c, re, S3_ODD_PART, v);
    v->leaves = outcome == SINK_RETRY && another_may_be_taken(s, c, re);
    v->begin_anew = v->leaves || (outcome == SINK_RETRY && strcmp(v->code, "NoSuchUpload") == 0);
    return outcome;
}

/* The parts are as they were sent, so it is the checksum of the whole that the store sees in another way. */
static bool learn_no_whole(const struct s3_steps *s, const struct s3_context *c)
{
    /* S3 wants a checksum with what is locked. */
    if (!s3_checksum_algorithm(c->checksum) || s->conf->lock.mode != LOCK_NONE || s->conf->lock.legal_hold)
        return false;
    s3_learnt_no_whole(s->learnt);
    return true;
}

/* The object is there. An upload that could not be completed because of that is there, too. */
static enum sink_outcome complete(const struct s3_context *c, bool open, struct sink_verdict *v)
{
    struct s3_upload u;

    v->leaves = s3_upload_read(c->seal->progress, &u) && (open || u.unsure);
    return SINK_DELIVERED;
}

static enum sink_outcome judge_complete(const struct s3_steps *s, struct s3_context *c, const struct http_response *re,
                                        struct sink_verdict *v)
{
    enum sink_outcome outcome;

    if (re->failure == HTTP_OK && s3_is_completed(re))
        return complete(c, false, v);
    outcome = s3_answer_explain(c, re, re->status == 200 ? S3_ODD_END : S3_ODD_NOTHING, v);
    if (strcmp(v->code, "NoSuchUpload") == 0 || strcmp(v->code, "ConditionalRequestConflict") == 0)
        return go_on(S3_GONE_TOKEN, v);
    if (re->failure == HTTP_OK && re->status == 412)
        return go_on(S3_LOOK_TOKEN, v);
    if (strcmp(v->code, "BadDigest") == 0 || strstr(v->code, "ChecksumMismatch")) {
        c->drops_whole = learn_no_whole(s, c);
        outcome = s3_answer_explain(c, re, S3_ODD_NOTHING, v);
        v->begin_anew = v->leaves = true;
        return outcome;
    }
    v->begin_anew = v->leaves = strncmp(v->code, "InvalidPart", 11) == 0 || another_may_be_taken(s, c, re);
    return outcome;
}

/* After a 412, or where the upload is gone: it may be complete, and only the answer was lost. Where the upload is gone and the object is
 * not seen to be ours, there is no other way than to begin anew: S3 says 403 for an object that is not there, too, to who may not
 * list the bucket. */
static enum sink_outcome judge_look(const struct s3_steps *s, const struct s3_context *c,
                                    const struct http_response *re, struct sink_verdict *v)
{
    bool gone = s3_step_follows(c->seal, S3_GONE_TOKEN) && re->failure == HTTP_OK &&
                (re->status == 404 || re->status == 403 || (re->status == 200 && s->conf->overwrite));
    enum sink_outcome outcome = s3_answer_judge_look(c, re, gone, v);
    bool absent = c->seal->progress.n > 0 && re->failure == HTTP_OK && re->status == 404;

    if (outcome == SINK_DELIVERED)
        return complete(c, s3_step_follows(c->seal, S3_LOOK_TOKEN), v);
    v->begin_anew = v->leaves = outcome == SINK_RETRY && (gone || absent);
    return outcome;
}

static enum sink_outcome judge_abort(const struct s3_steps *s, const struct s3_context *c,
                                     const struct http_response *re, struct sink_verdict *v)
{
    bool gone = re->failure == HTTP_OK && (re->status == 204 || re->status == 200);
    struct s3_upload u;

    if (!gone)
        (void)s3_answer_explain(c, re, S3_ODD_NOTHING, v);
    if (!gone && strcmp(v->code, "NoSuchUpload") != 0)
        return SINK_RETRY;
    return c->seal->alone && s3_upload_read(c->seal->progress, &u) && u.unsure ? look_for_more(s, v) : SINK_DELIVERED;
}

enum sink_outcome s3_steps_judge(const struct s3_steps *s, enum s3_step step, struct s3_context *c,
                                 const struct http_response *re, struct sink_verdict *v)
{
    enum sink_outcome outcome;

    switch (step) {
    case S3_LIST:
        return judge_list(s, c, re, v);
    case S3_CREATE:
        return judge_create(s, c, re, v);
    case S3_PART:
        return judge_part(s, c, re, v);
    case S3_COMPLETE:
        return judge_complete(s, c, re, v);
    case S3_LOOK:
        return judge_look(s, c, re, v);
    case S3_ABORT:
        return judge_abort(s, c, re, v);
    case S3_PUT:
        break;
    }
    outcome = s3_answer_judge(c, re, v);
    return outcome == SINK_RETRY && re->status == 412 && !s->conf->overwrite ? go_on(S3_LOOK_TOKEN, v) : outcome;
}
