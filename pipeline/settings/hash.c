#include "config/dump.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/settings/settings.h"

#include <assert.h>

void settings_delivery_hash(const struct stream_settings *s, unsigned char out[32])
{
    struct buf text;
    int rc;

    /* Much larger than a file of CFG_FILE_MAX can make it. */
    buf_init(&text, 64 * MIB);
    rc = buf_printf(&text, "%s\n%s\n%s %d\n", s->sink->name, s->format->name, s->codec->name, s->codec_level);
    assert(rc == 0);
    rc = dump_fields(&text, "", s->sink->fields, s->sink_conf);
    assert(rc == 0);
    sha256_of(buf_slice(&text), out);
    buf_release(&text);
}
