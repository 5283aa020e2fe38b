#include "sinks/s3/multipart.h"

#include "pipeline/aws/sigv4.h"
#include "pipeline/base/mem.h"
#include "sinks/answer/words.h"
#include "sinks/s3/answer.h"
#include "sinks/s3/list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TAG_ETAG_MAX 80
#define INTENT       'w' /* in the place of a kind's letter */

/* In a progress, for good. `element` is that of COMPLETE, `algorithm` the header's. */
static const struct {
    char letter;
    const char *element, *algorithm;
} KINDS[] = {[CHECKSUM_NONE] = {'n', NULL, NULL},
             [CHECKSUM_CRC32C] = {'c', "ChecksumCRC32C", "CRC32C"},
             [CHECKSUM_CRC64NVME] = {'v', "ChecksumCRC64NVME", "CRC64NVME"},
             [CHECKSUM_SHA256] = {'s', "ChecksumSHA256", "SHA256"},
             [CHECKSUM_MD5] = {'m', NULL, NULL}};

const char *s3_checksum_algorithm(enum s3_checksum kind)
{
    return KINDS[kind].algorithm;
}

enum s3_checksum s3_upload_checksum(const struct s3_conf *c, unsigned manner)
{
    return s3_manner_no_whole(manner) ? CHECKSUM_NONE : s3_conf_checksum(c, s3_manner_no_checksums(manner));
}

/* Anything may be in it that is no control character: it goes escaped wherever it goes. */
static bool is_id(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return false;
    return s.n > 0 && s.n <= S3_UPLOAD_ID_MAX;
}

static bool is_one_of(const char *letters, char c)
{
    return c && strchr(letters, c);
}

/* Of an upload: kind of checksum, `f` whole, `l` listed or `u` unsure, place, id. Of an intent: `w`, `c` crowded, `u` unsure, place. */
bool s3_upload_read(struct slice progress, struct s3_upload *out)
{
    const size_t id_at = 4 + S3_PLACE_CHARS + 1;
    bool intent = progress.n == id_at && progress.p[0] == INTENT;

    if (progress.n < id_at || !is_one_of(intent ? "c-" : "f-", progress.p[1]) || !is_one_of("lu-", progress.p[2]) ||
        progress.p[3] != ' ' || progress.p[id_at - 1] != ' ')
        return false;
    *out = (struct s3_upload){.kind = CHECKSUM_NONE,
                              .whole = progress.p[1] == 'f',
                              .crowded = progress.p[1] == 'c',
                              .listed = progress.p[2] == 'l',
                              .unsure = progress.p[2] != '-',
                              .place = slice_of(progress.p + 4, S3_PLACE_CHARS),
                              .id = slice_of(progress.p + id_at, progress.n - id_at)};
    if (intent)
        return true;
    for (size_t i = CHECKSUM_NONE; i < ARRAY_LEN(KINDS); i++)
        if (KINDS[i].letter == progress.p[0]) {
            out->kind = (enum s3_checksum)i;
            return is_id(out->id);
        }
    return false;
}

bool s3_is_intent(struct slice progress)
{
    struct s3_upload u;

    return s3_upload_read(progress, &u) && u.id.n == 0;
}

int s3_upload_write(const struct s3_upload *u, struct buf *out)
{
    bool intent = u->id.n == 0;
    char second = intent && u->crowded ? 'c' : !intent && u->whole ? 'f' : '-';

    return buf_printf(out, "%c%c%c %.*s %.*s", intent ? INTENT : KINDS[u->kind].letter, second,
                      u->listed   ? 'l'
                      : u->unsure ? 'u'
                                  : '-',
                      (int)u->place.n, u->place.p, (int)u->id.n, intent ? "" : u->id.p);
}

int s3_step_query(enum s3_step step, const struct s3_upload *u, const struct sink_seal *seal, struct buf *out)
{
    switch (step) {
    case S3_PUT:
    case S3_LOOK:
        return 0;
    case S3_LIST:
        return buf_printf(out, "encoding-type=url&max-uploads=%d&prefix=", S3_UPLOADS_MAX) < 0 ||
                       sigv4_uri_encode(seal->name, false, out) < 0
                   ? -1
                   : buf_add_str(out, "&uploads=");
    case S3_CREATE:
        return buf_add_str(out, "uploads=");
    case S3_PART:
        if (buf_printf(out, "partNumber=%" PRIu32 "&", seal->range) < 0)
            return -1;
        break;
    case S3_COMPLETE:
    case S3_ABORT:
        break;
    }
    return buf_add_str(out, "uploadId=") < 0 ? -1 : sigv4_uri_encode(u->id, false, out);
}

/* --- answers ----------------------------------------------------------------------------------------------------------- */

static bool take_id(struct slice xml, struct s3_upload *u, struct buf *out)
{
    char id[S3_UPLOAD_ID_MAX + 2];

    answer_xml(xml, "UploadId", id, sizeof(id));
    if (!is_id(slice_str(id)) || buf_add_str(out, id) < 0)
        return false;
    u->id = buf_slice(out);
    return true;
}

bool s3_upload_begun(const struct http_response *re, struct s3_upload *u, struct buf *out)
{
    u->whole = slice_is(http_response_header(re, "x-amz-checksum-type"), "FULL_OBJECT");
    return take_id(re->body, u, out);
}

/* In URL encoding every byte of it comes through; who does not know that answers with the key as it stands. */
static bool is_key(struct slice upload, bool url, struct slice name)
{
    char key[3 * OBJECT_KEY_MAX + 1];
    size_t n;

    answer_xml(upload, "Key", key, sizeof(key));
    n = strlen(key);
    return (!url || s3_list_decode_url(key, &n) == 0) && slice_eq(slice_of(key, n), name);
}

/* What an upload was begun with, where the listing says it, fits. */
static bool fits(struct slice upload, struct s3_upload *u)
{
    char algorithm[16], type[16];

    answer_xml(upload, "ChecksumAlgorithm", algorithm, sizeof(algorithm));
    answer_xml(upload, "ChecksumType", type, sizeof(type));
    u->whole = strcmp(type, "FULL_OBJECT") == 0;
    return !*algorithm || (KINDS[u->kind].algorithm && !strcmp(algorithm, KINDS[u->kind].algorithm));
}

size_t s3_uploads_found(struct slice xml, struct slice name, bool any, struct s3_upload *u, struct buf *out)
{
    static const char OPEN[] = "<Upload>", CLOSE[] = "</Upload>";
    const char *from, *to;
    char encoding[8];
    size_t count = 0;
    bool url;

    answer_xml(xml, "EncodingType", encoding, sizeof(encoding));
    url = strcmp(encoding, "url") == 0;
    u->id = SLICE("");
    while ((from = memmem(xml.p, xml.n, OPEN, sizeof(OPEN) - 1))) {
        struct slice upload;

        xml = slice_of(from, xml.n - (size_t)(from - xml.p));
        to = memmem(xml.p, xml.n, CLOSE, sizeof(CLOSE) - 1);
        if (!to)
            break;
        upload = slice_of(xml.p, (size_t)(to - xml.p));
        xml = slice_of(to, xml.n - (size_t)(to - xml.p));
        if (!is_key(upload, url, name))
            continue;
        count++;
        if (u->id.n == 0 && (any || fits(upload, u)) && !take_id(upload, u, out))
            buf_clear(out);
    }
    return count;
}

bool s3_upload_lacks_digest(enum s3_checksum kind, const struct sink_seal *seal)
{
    return KINDS[kind].element && !(seal->digest.made & s3_checksum_digest(kind));
}

bool s3_part_tag(enum s3_checksum kind, const struct sink_seal *seal, const struct http_response *re,
                 struct sink_tag *out)
{
    struct slice etag = http_response_header(re, "ETag");
    char sum[S3_CHECKSUM_TEXT] = "";
    struct buf text;

    _Static_assert(TAG_ETAG_MAX + S3_CHECKSUM_TEXT + 2 <= SINK_TAG_MAX, "both have room");
    if (!is_id(etag) || etag.n > TAG_ETAG_MAX || s3_upload_lacks_digest(kind, seal))
        return false;
    if (KINDS[kind].element)
        s3_checksum_text(kind, seal, sum);
    buf_init(&text, SINK_TAG_MAX);
    if (buf_printf(&text, "%.*s %s", (int)etag.n, etag.p, sum) == 0)
        memcpy(out->text, buf_cstr(&text), text.n + 1);
    buf_release(&text);
    return true;
}

static int add_escaped(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *escape = s.p[i] == '"' ? "&quot;" : s.p[i] == '&' ? "&amp;" : s.p[i] == '<' ? "&lt;" : NULL;

        if ((escape ? buf_add_str(out, escape) : buf_add_char(out, s.p[i])) < 0)
            return -1;
    }
    return 0;
}

static int add_part(const struct s3_upload *u, const struct sink_tag *tag, uint32_t number, struct buf *out)
{
    const char *space = strchr(tag->text, ' '), *element = KINDS[u->kind].element;

    if (!space || (element && !space[1]))
        return -1;
    if (buf_printf(out, "<Part><PartNumber>%" PRIu32 "</PartNumber><ETag>", number) < 0 ||
        add_escaped(slice_of(tag->text, (size_t)(space - tag->text)), out) < 0 || buf_add_str(out, "</ETag>") < 0)
        return -1;
    if (element && buf_printf(out, "<%s>%s</%s>", element, space + 1, element) < 0)
        return -1;
    return buf_add_str(out, "</Part>");
}

char *s3_complete_text(const struct s3_upload *u, const struct sink_seal *seal)
{
    char *text = NULL;
    struct buf b;
    int rc;

    buf_init(&b, SINK_RANGES_MAX * (8 * SINK_TAG_MAX + 128) + 256);
    rc = buf_add_str(&b, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (uint32_t n = 1; rc == 0 && n <= seal->tag_count; n++)
        rc = add_part(u, &seal->tags[n - 1], n, &b);
    if (rc == 0 && seal->tag_count > 0 && buf_add_str(&b, "</CompleteMultipartUpload>") == 0)
        text = mem_strdup(buf_cstr(&b));
    buf_release(&b);
    return text;
}

bool s3_is_completed(const struct http_response *re)
{
    static const char END[] = "</CompleteMultipartUploadResult>";
    char etag[TAG_ETAG_MAX + 2];

    answer_xml(re->body, "ETag", etag, sizeof(etag));
    return re->status == 200 && *etag && memmem(re->body.p, re->body.n, END, sizeof(END) - 1) &&
           !memmem(re->body.p, re->body.n, "<Error>", 7);
}
