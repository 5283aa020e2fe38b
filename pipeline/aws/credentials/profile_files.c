/* Line by line: a [section] is ours when it bears the profile's name, and of a key that is given twice the first counts. */
#include "pipeline/aws/credentials/profile_files.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <strings.h>
#include <unistd.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* [name] in one file is [profile name] in the other, but for [default]. */
static bool is_section(struct slice line, enum aws_file kind, const char *name)
{
    const char *close = memchr(line.p, ']', line.n);
    struct slice title;

    if (!close)
        return false;
    title = slice_trim(slice_of(line.p + 1, (size_t)(close - line.p) - 1));
    if (kind == AWS_FILE_CONFIG && slice_starts(title, SLICE("profile")) && title.n > 7 && is_blank(title.p[7]))
        title = slice_trim(slice_of(title.p + 7, title.n - 7));
    else if (kind == AWS_FILE_CONFIG && !slice_is(title, "default"))
        return false;
    return slice_is(title, name);
}

static const char *const NAMES[PROFILE_SETTINGS] = {
    [PROFILE_ACCESS_KEY_ID] = "aws_access_key_id",
    [PROFILE_SECRET_ACCESS_KEY] = "aws_secret_access_key",
    [PROFILE_SESSION_TOKEN] = "aws_session_token",
    [PROFILE_REGION] = "region",
    [PROFILE_ENDPOINT_URL] = "endpoint_url",
    [PROFILE_ROLE_ARN] = "role_arn",
    [PROFILE_SOURCE_PROFILE] = "source_profile",
    [PROFILE_CREDENTIAL_SOURCE] = "credential_source",
    [PROFILE_EXTERNAL_ID] = "external_id",
    [PROFILE_ROLE_SESSION_NAME] = "role_session_name",
    [PROFILE_DURATION_SECONDS] = "duration_seconds",
    [PROFILE_WEB_IDENTITY_TOKEN_FILE] = "web_identity_token_file",
    [PROFILE_CREDENTIAL_PROCESS] = "credential_process",
};

static void setting(struct aws_profile *out, enum aws_file kind, struct slice key, struct slice value)
{
    static const char *const UNSUPPORTED[] = {"sso_session", "sso_start_url", "login_session", "mfa_serial"};

    if (slice_is(key, "ignore_configured_endpoint_urls"))
        out->ignores_endpoint_urls |= value.n == 4 && strncasecmp(value.p, "true", 4) == 0;
    for (size_t i = 0; i < PROFILE_SETTINGS; i++)
        if (slice_is(key, NAMES[i]) && !out->values[i] && value.n > 0 && value.n < PROFILE_VALUE_MAX) {
            out->values[i] = mem_strndup(value.p, value.n);
            out->file_of[i] = kind;
        }
    for (size_t i = 0; i < ARRAY_LEN(UNSUPPORTED); i++)
        if (slice_is(key, UNSUPPORTED[i]) && !out->unsupported[0])
            snprintf(out->unsupported, sizeof(out->unsupported), "%s", UNSUPPORTED[i]);
}

void aws_profile_release(struct aws_profile *p)
{
    for (size_t i = 0; i < PROFILE_SETTINGS; i++) {
        if (p->values[i])
            explicit_bzero(p->values[i], strlen(p->values[i]));
        mem_free(p->values[i]);
    }
    *p = (struct aws_profile){.found = false};
}

void aws_profile_parse(struct aws_profile *out, enum aws_file kind, struct slice text, const char *name)
{
    struct slice line;
    bool ours = false;

    while (slice_take_line(&text, &line)) {
        bool indented = line.n > 0 && is_blank(line.p[0]); /* belongs to the setting above, which is not one of ours */
        struct slice s = slice_trim(line);
        const char *eq;

        if (s.n == 0 || s.p[0] == '#' || s.p[0] == ';')
            continue;
        if (s.p[0] == '[') {
            ours = is_section(s, kind, name);
            out->found |= ours;
            continue;
        }
        eq = memchr(s.p, '=', s.n);
        if (ours && eq && !indented)
            setting(out, kind, slice_trim(slice_of(s.p, (size_t)(eq - s.p))),
                    slice_trim(slice_of(eq + 1, s.n - (size_t)(eq - s.p) - 1)));
    }
}

int aws_profile_load(struct aws_profile *out, enum aws_file kind, const char *path, const char *name, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = -1; /* a pipe is not waited for */
    char *text = NULL;
    struct stat st;
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno(e, "open %s", path);
    if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)) {
        close(fd);
        return err_set(e, ERR_IO, "%s is a pipe, not a file", path);
    }
    text = mem_alloc(CREDENTIALS_FILE_MAX);
    n = read(fd, text, CREDENTIALS_FILE_MAX);
    if (n < 0) {
        err_errno(e, "read %s", path);
    } else {
        aws_profile_parse(out, kind, slice_of(text, (size_t)n), name);
        explicit_bzero(text, (size_t)n);
        rc = 0;
    }
    close(fd);
    mem_free(text);
    return rc;
}
