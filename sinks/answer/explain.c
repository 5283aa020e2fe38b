/* Servers are many and their codes more, but what an operator has to know is always the same: what happened, where, who has to act,
 * and how. So each sink writes down, row by row, what it knows of the servers that it talks to, and here is the one place that
 * reads such tables. The first row that fits is taken: exact keys stand before patterns, and a last row "*" takes the rest. */
#include "sinks/answer/explain.h"

#include "pipeline/base/compiler.h"
#include "sinks/answer/words.h"

#include <stdio.h>
#include <string.h>

/* The next request waits for the keys anyway. */
#define KEYS_RENEWED_RETRY (10 * NSEC_PER_MSEC)

static const struct {
    enum sink_outcome outcome;
    bool misconfigured;
} MEANINGS[] = {
    [ANSWER_DELIVERED] = {SINK_DELIVERED, false},
    [ANSWER_PASSES] = {SINK_RETRY, false},
    [ANSWER_ACT] = {SINK_RETRY, true},
    [ANSWER_SPLIT] = {SINK_SPLIT, false},
    [ANSWER_REFUSED] = {SINK_REJECTED, false},
};

const char *answer_failure(enum http_failure failure)
{
    static const char *const NAMES[] = {
        [HTTP_OK] = "",
        [HTTP_DNS] = "DNS",
        [HTTP_PROXY_DOWN] = "ProxyDown",
        [HTTP_PROXY_REFUSES] = "ProxyRefuses",
        [HTTP_CONNECT] = "Connect",
        [HTTP_TLS] = "TLS",
        [HTTP_TIMEOUT] = "Timeout",
        [HTTP_RESET] = "ConnectionLost",
        [HTTP_MALFORMED] = "NotHTTP",
        [HTTP_LOCAL] = "Local",
    };

    return NAMES[failure];
}

const char *answer_status(const struct http_response *re, char out[ANSWER_STATUS_MAX])
{
    if (answer_wants_tls(re))
        return "NoTLS";
    snprintf(out, ANSWER_STATUS_MAX, "%d", re->status);
    return out;
}

/* One pattern of a key. After a star each place where the rest may begin is tried. */
static bool fits(const char *pattern, const char *end, const char *text)
{
    for (; pattern < end; pattern++, text++) {
        if (*pattern == '*') {
            for (;; text++) {
                if (fits(pattern + 1, end, text))
                    return true;
                if (!*text)
                    return false;
            }
        }
        if (*text != *pattern)
            return false;
    }
    return !*text;
}

const struct answer_row *answer_find(const struct answer_row *rows, const char *key)
{
    for (; rows->key; rows++)
        for (const char *pattern = rows->key, *end;; pattern = end + 1) {
            end = strchrnul(pattern, '|');
            if (fits(pattern, end, key))
                return rows;
            if (!*end)
                break;
        }
    return NULL;
}

enum sink_outcome answer_outcome(const struct answer_row *row)
{
    return MEANINGS[row->means].outcome;
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

static const char *find_word(const struct answer_word *words, char letter)
{
    while (words->letter && words->letter != letter)
        words++;
    return !words->letter ? "?" : words->text && *words->text ? words->text : words->otherwise;
}

static void expand(const char *pattern, const char *end, const struct answer_word *words, char *out, size_t size)
{
    size_t n = 0;

    for (const char *p = pattern; p < end; p++) {
        const char *text = *p == '%' ? find_word(words, *++p) : NULL;
        size_t add = text ? strlen(text) : 1, room = size - 1 - n;

        add = add < room ? add : room;
        memcpy(out + n, text ? text : p, add);
        n += add;
    }
    out[n] = '\0';
}

enum sink_outcome answer_explain(const struct answer_row *row, const struct answer_word *words, const char *code,
                                 const char *said, struct sink_verdict *v)
{
    static const struct slice WANTS_THEIRS = {": %m", 4};
    const char *end = row->message + strlen(row->message);
    bool theirs = strlen(row->message) > WANTS_THEIRS.n && strcmp(end - WANTS_THEIRS.n, WANTS_THEIRS.p) == 0;

    expand(row->message, theirs ? end - WANTS_THEIRS.n : end, words, v->message, sizeof(v->message));
    expand(row->hint, row->hint + strlen(row->hint), words, v->hint, sizeof(v->hint));
    snprintf(v->said, sizeof(v->said), "%s", theirs ? said : "");
    snprintf(v->code, sizeof(v->code), "%s", code);
    v->misconfigured = MEANINGS[row->means].misconfigured;
    return answer_outcome(row);
}

void answer_keys_are_renewed(struct sink_verdict *v)
{
    v->misconfigured = false;
    v->retry_after = KEYS_RENEWED_RETRY;
    snprintf(v->hint, sizeof(v->hint), "others are asked for now");
}

void answer_tls_hint(struct sink_verdict *v, const char *why, const char *place, const char *address)
{
    if (strstr(why, "alert") &&
        (strstr(why, "certificate") || strstr(why, "unknown ca") || strstr(why, "access denied")))
        snprintf(v->hint, sizeof(v->hint),
                 "it wants a client's certificate that it knows: set %stls.cert_file and key_file", place);
    else if (strstr(why, "wrong version number") || strstr(why, "packet length too long") ||
             strstr(why, "unknown protocol") || strstr(why, "http request"))
        snprintf(v->hint, sizeof(v->hint), "does it speak TLS? If not, http:// in %s%s", place, address);
}
