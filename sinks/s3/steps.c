#include "sinks/s3/steps.h"

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

/* The upload has an id: from now on the body goes in parts. */
static enum sink_outcome begun(const struct s3_steps *s, const struct s3_upload *u, struct sink_verdict *v)
{
    struct buf *progress = v->progress;

    *v = (struct sink_verdict){.progress = progress,
                               .progressed = s3_upload_write(u, progress) == 0,
                               .range_bytes = s->conf->multipart.part_size};
    return SINK_FOLLOW_UP;
}

/* Who may not list uploads, or does not know what that is, says so at the next step if it matters. */
static enum sink_outcome judge_list(const struct s3_steps *s, const struct s3_context *c,
                                    const struct http_response *re, struct sink_verdict *v)
{
    bool learnt = c->follows_region || c->corrects_clock;
    struct s3_upload u = {.kind = c->checksum, .place = slice_str(s->place)};
    enum sink_outcome outcome;
    struct buf id;

    if (re->failure != HTTP_OK || learnt || re->status == 429 || (re->status >= 500 && re->status != 501))
        return s3_answer_explain(c, re, S3_ODD_NOTHING, v);
    buf_init(&id, S3_UPLOAD_ID_MAX);
    if (re->status == 200 && s3_upload_found(re->body, c->key, &u, &id))
        outcome = begun(s, &u, v);
    else
        outcome = go_on(S3_CREATE_TOKEN, v);
    buf_release(&id);
    return outcome;
}

static enum sink_outcome judge_create(const struct s3_steps *s, const struct s3_context *c,
                                      const struct http_response *re, struct sink_verdict *v)
{
    struct s3_upload u = {.kind = c->checksum, .place = slice_str(s->place)};
    enum sink_outcome outcome;
    struct buf id;

    buf_init(&id, S3_UPLOAD_ID_MAX);
    if (re->failure == HTTP_OK && re->status == 200 && s3_upload_begun(re, &u, &id))
        outcome = begun(s, &u, v);
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

static enum sink_outcome judge_complete(const struct s3_steps *s, struct s3_context *c, const struct http_response *re,
                                        struct sink_verdict *v)
{
    enum sink_outcome outcome;

    if (re->failure == HTTP_OK && s3_is_completed(re))
        return SINK_DELIVERED;
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

    v->begin_anew = v->leaves = outcome == SINK_RETRY && (gone || absent);
    return outcome;
}

static enum sink_outcome judge_abort(const struct s3_context *c, const struct http_response *re, struct sink_verdict *v)
{
    bool gone = re->failure == HTTP_OK && (re->status == 204 || re->status == 200);

    if (!gone)
        (void)s3_answer_explain(c, re, S3_ODD_NOTHING, v);
    return gone || strcmp(v->code, "NoSuchUpload") == 0 ? SINK_DELIVERED : SINK_RETRY;
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
        return judge_abort(c, re, v);
    case S3_PUT:
        break;
    }
    outcome = s3_answer_judge(c, re, v);
    return outcome == SINK_RETRY && re->status == 412 && !s->conf->overwrite ? go_on(S3_LOOK_TOKEN, v) : outcome;
}
