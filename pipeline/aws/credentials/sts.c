/* A role's keys come from STS: a form is posted, XML is answered. AssumeRole is signed with the keys that one has, AssumeRoleWithWebIdentity
 * with none, because the token in the form says who asks. */
#include "pipeline/aws/credentials/provider.h"

#include "pipeline/aws/credentials/answer.h"
#include "pipeline/aws/sign.h"
#include "pipeline/aws/sigv4.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/url.h"

#include <inttypes.h>
#include <stdio.h>

#define DEFAULT_REGION "us-east-1"

/* eu-west-1, us-gov-east-1: two dashes at least, a number at the end. Stores that are not AWS's have regions as they like. */
static bool is_aws_region(const char *region)
{
    size_t n = strlen(region), dashes = 0;

    for (size_t i = 0; i < n; i++) {
        if (region[i] == '-')
            dashes++;
        else if ((region[i] < 'a' || region[i] > 'z') && (region[i] < '0' || region[i] > '9'))
            return false;
    }
    return n >= 8 && n < 32 && dashes >= 2 && region[n - 1] >= '0' && region[n - 1] <= '9';
}

static char *address(const struct sts_place *p, const char **region)
{
    *region = is_aws_region(p->region) ? p->region : DEFAULT_REGION;
    if (p->endpoint && *p->endpoint)
        return mem_strdup(p->endpoint);
    return mem_printf("https://sts.%s.amazonaws.com%s", *region, strncmp(*region, "cn-", 3) == 0 ? ".cn" : "");
}

static int add(struct buf *form, const char *name, struct slice value)
{
    if (value.n == 0)
        return 0;
    return buf_printf(form, "&%s=", name) < 0 ? -1 : sigv4_uri_encode(value, false, form);
}

static int add_role(struct buf *form, const char *action, const struct sts_role *role)
{
    char seconds[24] = "";

    if (role->duration > 0)
        snprintf(seconds, sizeof(seconds), "%" PRId64, role->duration / NSEC_PER_SEC);
    if (buf_printf(form, "Action=%s&Version=2011-06-15", action) < 0 ||
        add(form, "RoleArn", slice_str(role->role_arn)) < 0 ||
        add(form, "RoleSessionName", slice_str(role->session_name)) < 0 ||
        add(form, "DurationSeconds", slice_str(seconds)) < 0)
        return -1;
    return add(form, "ExternalId", slice_str(role->external_id));
}

/* Far ends say many things; keys that we have are not to be among what is shown. */
static bool repeats(const char *said, struct slice secret)
{
    return secret.n > 0 && memmem(said, strlen(said), secret.p, secret.n);
}

static int refused(const struct aws_answer *answer, const struct sts_error *said, bool shown, struct err *e)
{
    if (answer->status == 200)
        return -1; /* e says what is wrong with it */
    if (!said->code[0])
        return err_set(e, ERR_REMOTE, "status %d", answer->status);
    return err_set(e, ERR_REMOTE, "%s (status %d)%s%.200s", said->code, answer->status, shown ? ": " : "",
                   shown ? said->message : "");
}

/* `base`: NULL where nothing is signed. `secret`: of the form. */
static int post(struct aws_ask *a, const struct sts_place *place, const struct buf *form, const struct aws_keys *base,
                struct slice secret, struct aws_keys *out, struct err *e)
{
    struct http_request rq = {.method = "POST"};
    unsigned char sha256[SHA256_BYTES];
    struct aws_answer answer = {.status = 0};
    struct http_url u = {.scheme = NULL};
    struct sts_error said;
    struct slice path;
    const char *region;
    char *url = address(place, &region);
    int rc = http_url_parse(&u, "the address of STS", url, e);

    mem_free(url);
    if (rc < 0)
        return -1;
    path = *u.path ? slice_str(u.path) : SLICE("/");
    rq.url = mem_printf("%s://%s%.*s", u.scheme, u.host, (int)path.n, path.p);
    rq.text = mem_strndup(form->p, form->n);
    http_request_header(&rq, "Content-Type", SLICE("application/x-www-form-urlencoded"));
    sha256_of(buf_slice(form), sha256);
    if (base) {
        const struct aws_sign sign = {.region = region,
                                      .service = "sts",
                                      .host = slice_str(u.host),
                                      .path = path,
                                      .sha256 = sha256,
                                      .wall_now = clock_wall()};

        rc = aws_sign(&rq, &sign, base, e);
    }
    if (rc == 0)
        rc = aws_ask_http(a, &rq, AWS_STS_TIMEOUT, &answer, e);
    if (rc == 0) {
        rc = aws_answer_sts(buf_slice(&answer.body), out, &said, e);
        if (rc < 0 || answer.status != 200)
            rc = refused(&answer, &said,
                         !repeats(said.message, secret) &&
                             !(base && (repeats(said.message, slice_str(base->secret_access_key)) ||
                                        repeats(said.message, slice_str(base->session_token)))),
                         e);
        out->expires += answer.ahead;
    }
    if (rc < 0)
        err_wrap(e, "%.100s", u.shown);
    explicit_bzero(rq.text, form->n);
    http_request_release(&rq);
    aws_answer_release(&answer);
    http_url_release(&u);
    return rc;
}

int aws_sts_assume(struct aws_ask *a, const struct sts_place *place, const struct sts_role *role,
                   const struct aws_keys *base, struct aws_keys *out, struct err *e)
{
    struct buf form;
    int rc;

    buf_init(&form, AWS_FORM_MAX);
    rc = add_role(&form, "AssumeRole", role);
    if (rc < 0)
        err_set(e, ERR_LIMIT, "its settings are too long");
    else
        rc = post(a, place, &form, base, SLICE(""), out, e);
    buf_release(&form);
    return rc < 0 ? err_wrap(e, "role %.100s", role->role_arn) : 0;
}

int aws_sts_web_identity(struct aws_ask *a, const struct sts_place *place, const struct sts_role *role,
                         const char *token_file, struct aws_keys *out, struct err *e)
{
    struct buf form, token;
    int rc = aws_read_token(token_file, &token, e);

    buf_init(&form, AWS_FORM_MAX);
    if (rc == 0 && (add_role(&form, "AssumeRoleWithWebIdentity", role) < 0 ||
                    add(&form, "WebIdentityToken", buf_slice(&token)) < 0))
        rc = err_set(e, ERR_LIMIT, "its settings are too long");
    if (rc == 0)
        rc = post(a, place, &form, NULL, buf_slice(&token), out, e);
    if (token.n > 0)
        explicit_bzero(token.p, token.n);
    if (form.n > 0)
        explicit_bzero(form.p, form.n);
    buf_release(&token);
    buf_release(&form);
    return rc < 0 ? err_wrap(e, "web identity, role %.100s", role->role_arn) : 0;
}
