#include "pipeline/http/authorization.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/mem.h"

#include <string.h>

static char *encoded(const char *before, struct slice text)
{
    size_t n = strlen(before), size = base64_encoded_length(text.n);
    char *value = mem_alloc(n + size + 1);

    memcpy(value, before, n);
    base64_encode(text, value + n);
    return value;
}

int authorization_basic(const char *username, const char *password, char **value, struct err *e)
{
    char *pair;

    username = username ? username : "";
    password = password ? password : "";
    if (!*username)
        return *password ? err_set(e, ERR_CONFIG, "auth.basic: a password without username") : 0;
    if (strpbrk(username, ":\r\n"))
        return err_set(e, ERR_CONFIG, "auth.basic.username: a user's name has no colon and no line break");
    if (strpbrk(password, "\r\n"))
        return err_set(e, ERR_CONFIG, "auth.basic.password: has a line break; is the file that it comes from right?");
    pair = mem_printf("%s:%s", username, password);
    *value = encoded("Basic ", slice_str(pair));
    mem_free(pair);
    return 0;
}

int authorization_token(const char *scheme, const char *option, const char *token, char **value, struct err *e)
{
    for (const char *p = token; *p; p++)
        if (*p <= ' ' || *p > '~')
            return err_set(e, ERR_CONFIG, "%s: character %zu is white space or not ASCII", option,
                           (size_t)(p - token) + 1);
    *value = mem_printf("%s%s%s", scheme, *scheme ? " " : "", token);
    return 0;
}

int authorization_api_key(const char *key, char **value, struct err *e)
{
    if (!strchr(key, ':'))
        return authorization_token("ApiKey", "auth.api_key", key, value, e);
    *value = encoded("ApiKey ", slice_str(key));
    return 0;
}
