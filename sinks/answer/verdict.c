/* A body is looked into only when something was said that may quote it; unpacked, if need be, as far as there is room. */
#include "sinks/answer/verdict.h"

#include "pipeline/base/limits.h"
#include "sinks/answer/clean.h"
#include "transforms/codecs/gunzip.h"
#include "transforms/codecs/unzstd.h"

static struct answer_sent look_into(const struct verdict_sent *sent, struct buf *unpacked)
{
    struct answer_sent out = {.request = sent->request};
    struct err e;

    buf_init(unpacked, BODY_MEMORY_MAX);
    if (sent->body) {
        out.body = body_memory_slice(sent->body);
        out.unseen = out.body.n < body_size(sent->body);
    }
    if (sent->encoding && out.body.n > 0) { /* as much as fits: a body of any size must not cost more */
        struct gunzip *g = gunzip_looks_so(out.body) ? gunzip_new() : NULL;

        out.unseen = g                           ? gunzip_all(g, out.body, unpacked, &e) != 0
                     : unzstd_looks_so(out.body) ? unzstd_all(out.body, unpacked, &e) != 0
                                                 : true;
        gunzip_free(&g);
        out.body = buf_slice(unpacked);
    }
    return out;
}

void verdict_finish(struct sink_verdict *v, const struct verdict_sent *sent)
{
    const struct verdict_sent nothing = {0};
    struct answer_sent known;
    struct buf unpacked;

    known = look_into(v->said[0] ? sent : &nothing, &unpacked);
    answer_finish(v, &known);
    buf_release(&unpacked);
}

void verdict_clean(const struct sink_refusal *why, const struct verdict_sent *sent, char *out, size_t size)
{
    size_t n = why->own < size ? why->own : size - 1;
    struct buf unpacked;
    struct answer_sent known = look_into(sent, &unpacked);

    memcpy(out, why->message, n);
    answer_clean(why->message + why->own, &known, out + n, size - n);
    buf_release(&unpacked);
}
