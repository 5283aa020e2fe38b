#include "pipeline/redrive_visit.h"

#include "pipeline/base/buf.h"
#include "transforms/gunzip.h"

static bool is_zstd(struct slice s)
{
    return slice_starts(s, SLICE("\x28\xb5\x2f\xfd"));
}

static int uncompress(struct slice content, struct buf *out, struct slice *text, struct err *e)
{
    struct gunzip *g;
    int rc;

    *text = content;
    if (is_zstd(content))
        return err_set(e, ERR_FORMAT, "it is compressed with zstd; uncompress it first (zstd -d)");
    if (!gunzip_looks_so(content))
        return 0;
    g = gunzip_new();
    rc = gunzip_all(g, content, out, e);
    gunzip_free(&g);
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
