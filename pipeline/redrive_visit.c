#include "pipeline/redrive_visit.h"

#include "pipeline/base/buf.h"
#include "transforms/gunzip.h"
#include "transforms/unzstd.h"

static int uncompress(struct slice content, struct buf *out, struct slice *text, struct err *e)
{
    struct gunzip *g;
    int rc;

    *text = content;
    if (unzstd_looks_so(content)) {
        rc = unzstd_all(content, out, e);
    } else if (gunzip_looks_so(content)) {
        g = gunzip_new();
        rc = gunzip_all(g, content, out, e);
        gunzip_free(&g);
    } else {
        return 0;
    }
    *text = buf_slice(out);
    return rc;
}

int redrive_visit(const struct redrive_visitor *v, struct redrive_file *f)
{
    struct buf text;
    struct err e;
    int rc = 0;

    buf_init(&text, REDRIVE_OBJECT_MAX);
    if (uncompress(f->content, &text, &f->text, &e) < 0)
        v->unread(v->ctx, f->path, &e);
    else
        rc = v->object(v->ctx, f);
    buf_release(&text);
    return rc;
}
