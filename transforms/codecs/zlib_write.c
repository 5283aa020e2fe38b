#include "transforms/codecs/zlib_write.h"

#include "pipeline/base/limits.h"

#include <assert.h>
#include <stdint.h>

/* One call of deflate(). 1: there is more to be done. */
static int step(z_stream *z, bool last, const char *codec, struct body *out, struct err *e)
{
    size_t room;
    char *p = body_space(out, GZIP_ROOM, &room, e);
    int rc;

    if (!p)
        return -1;
    if (room > UINT32_MAX)
        room = UINT32_MAX;
    z->next_out = (Bytef *)p;
    z->avail_out = (uInt)room;
    rc = deflate(z, last ? Z_FINISH : Z_NO_FLUSH);
    if (body_wrote(out, room - z->avail_out, e) < 0)
        return -1;
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return err_set(e, ERR_FORMAT, "%s: deflate answers %d", codec, rc);
    return last ? rc != Z_STREAM_END : z->avail_in > 0 || z->avail_out == 0;
}

int zlib_write(z_stream *z, struct slice in, bool last, const char *codec, struct body *out, struct err *e)
{
    int more = in.n > 0 || last;

    assert(in.n <= UINT32_MAX);
    z->next_in = (Bytef *)(uintptr_t)in.p; /* only read */
    z->avail_in = (uInt)in.n;
    while (more > 0)
        more = step(z, last, codec, out, e);
    return more;
}
