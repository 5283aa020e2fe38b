/* STS answers XML. expat calls back for each element that opens and closes; the text of a few (ELEMENTS) is collected in between, wherever
 * in the document they stand: the two actions and the stores that imitate them nest them differently. Document types are refused,
 * and with them entity declarations, which make XML dangerous; size and depth are bounded. */
#include "pipeline/aws/credentials/answer.h"

#include "pipeline/aws/credentials/check_keys.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"

#include <expat.h>
#include <stdio.h>

enum element { ACCESS_KEY, SECRET, TOKEN, EXPIRATION, CODE, MESSAGE, ELEMENTS };

static const char *const NAMES[ELEMENTS] = {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration",
                                            "Code",        "Message"};

struct reader {
    XML_Parser parser;
    unsigned depth;
    enum element element; /* the one that is open; ELEMENTS: none of ours */
    struct buf texts[ELEMENTS];
    bool failed;
};

static void fail(struct reader *r)
{
    r->failed = true;
    XML_StopParser(r->parser, XML_FALSE);
}

static void on_open(void *user, const char *name, const char **attributes)
{
    struct reader *r = user;

    (void)attributes;
    if (++r->depth > AWS_ANSWER_DEPTH_MAX)
        fail(r);
    for (r->element = 0; r->element < ELEMENTS && strcmp(name, NAMES[r->element]) != 0; r->element++)
        ;
    if (r->element < ELEMENTS)
        buf_clear(&r->texts[r->element]);
}

static void on_close(void *user, const char *name)
{
    struct reader *r = user;

    (void)name;
    r->depth--;
    r->element = ELEMENTS;
}

static void on_text(void *user, const char *text, int n)
{
    struct reader *r = user;

    if (r->element < ELEMENTS && buf_add(&r->texts[r->element], text, (size_t)n) < 0)
        fail(r);
}

static void on_doctype(void *user, const char *name, const char *system, const char *public, int internal)
{
    (void)name, (void)system, (void)public, (void)internal;
    fail(user);
}

static int read_all(struct reader *r, struct slice text)
{
    int ok;

    r->parser = XML_ParserCreate(NULL);
    if (!r->parser)
        return -1;
    r->element = ELEMENTS;
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_open, on_close);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    ok = XML_Parse(r->parser, text.n > 0 ? text.p : "", (int)text.n, XML_TRUE) == XML_STATUS_OK;
    XML_ParserFree(r->parser);
    return ok && !r->failed ? 0 : -1;
}

/* What may be shown. */
static void plain(const struct buf *from, char *out, size_t size)
{
    struct slice s = slice_trim(buf_slice(from));
    size_t n = s.n < size ? s.n : size - 1;

    for (size_t i = 0; i < n; i++)
        out[i] = s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?';
    out[n] = '\0';
}

static int take(struct buf texts[ELEMENTS], struct aws_keys *out, struct err *e)
{
    static const enum element NEEDED[] = {ACCESS_KEY, SECRET, TOKEN, EXPIRATION};

    for (size_t i = 0; i < ARRAY_LEN(NEEDED); i++)
        if (texts[NEEDED[i]].n == 0)
            return err_set(e, ERR_FORMAT, "`%s` is missing in the answer", NAMES[NEEDED[i]]);
    if (!aws_expiry_parse(slice_trim(buf_slice(&texts[EXPIRATION])), &out->expires))
        return err_set(e, ERR_FORMAT, "the answer's `Expiration` is not a time");
    return aws_keys_set_slices(out, slice_trim(buf_slice(&texts[ACCESS_KEY])), slice_trim(buf_slice(&texts[SECRET])),
                               slice_trim(buf_slice(&texts[TOKEN])), e);
}

int aws_answer_sts(struct slice text, struct aws_keys *out, struct sts_error *error, struct err *e)
{
    struct reader r = {.failed = false};
    int rc = -1;

    *error = (struct sts_error){.code = ""};
    for (enum element i = 0; i < ELEMENTS; i++)
        buf_init(&r.texts[i], AWS_ANSWER_MAX);
    if (text.n > AWS_ANSWER_MAX || read_all(&r, text) < 0) {
        err_set(e, ERR_FORMAT, "the answer is not the XML of STS");
    } else {
        plain(&r.texts[CODE], error->code, sizeof(error->code));
        plain(&r.texts[MESSAGE], error->message, sizeof(error->message));
        rc = take(r.texts, out, e);
    }
    for (enum element i = 0; i < ELEMENTS; i++) {
        if (r.texts[i].n > 0)
            explicit_bzero(r.texts[i].p, r.texts[i].n);
        buf_release(&r.texts[i]);
    }
    return rc;
}
