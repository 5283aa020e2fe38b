/* explain.h -- what a far end answered, looked up in a table: which verdict it gets, and what an operator reads about it.
 *
 * Each sink brings its rows; what is the same for all of them (trouble below HTTP, a proxy, TLS) stands in macros, to be put among
 * these rows. A row's key is compared with what was answered: a code of the server's own, a status, a name of answer_failure().
 *
 * Threads    pure functions.
 */
#ifndef SINKS_ANSWER_EXPLAIN_H
#define SINKS_ANSWER_EXPLAIN_H

#include "pipeline/http/message.h"
#include "sinks/sink.h"

enum answer_means {
    ANSWER_DELIVERED,
    ANSWER_PASSES, /* tried again, within retry.duration: it passes by itself, or lies in what this one request holds */
    ANSWER_ACT,    /* tried again: it holds for every request, until somebody acts (sink_verdict.misconfigured) */
    ANSWER_SPLIT,  /* too large: sent again in halves */
    ANSWER_REFUSED /* for good: to the backup */
};

/* In a key '*' stands for any text, and '|' is between keys that mean the same. In message and hint %e and the like stand for
 * words (below); a message that ends in ": %m" wants the far end's own words behind it. A table ends with a key NULL. */
struct answer_row {
    const char *key;
    enum answer_means means;
    const char *message; /* what happened and where */
    const char *hint;    /* what to do; "" when there is nothing */
};

/* What %e and the like stand for; a list ends with letter 0. An empty text is replaced by `otherwise`. */
struct answer_word {
    char letter;
    const char *text, *otherwise;
};

/* Here %e is the address, %w the transport's words, %s the status; %p what the names of options begin with
 * (destination.s3.), %A the option that has the address. */
#define ANSWER_FAILURES                                                                                                \
    {"DNS", ANSWER_ACT, "the host of %e does not resolve: %w", "correct %A, or look at this machine's DNS"},           \
        {"ProxyDown", ANSWER_PASSES, "there is no way to %e through the proxy %w",                                     \
         "is the proxy running, and reachable from here? %pproxy: none goes without"},                                 \
        {"ProxyRefuses", ANSWER_ACT, "no way is given to %e by the proxy %w",                                          \
         "put user and password into the proxy's URL, or ask who runs it; %pproxy: none goes without"},                \
        {"Connect", ANSWER_PASSES, "cannot connect to %e: %w", "is the server running, and reachable from here?"},     \
        {"TLS", ANSWER_ACT, "no TLS connection to %e: %w",                                                             \
         "if the server's certificate is from a private CA, name it in %ptls.ca_file"},                                \
        {"Timeout", ANSWER_PASSES, "%e did not answer in time: %w", "if it is slow, raise %ptimeout"},                 \
        {"ConnectionLost", ANSWER_PASSES, "%e closed the connection in the middle: %w", ""},                           \
        {"NotHTTP", ANSWER_PASSES, "what %e answers is not HTTP: %w", "http:// or https:// in %A?"},                   \
    {                                                                                                                  \
        "Local", ANSWER_PASSES, "the request's bytes cannot be read here: %w",                                         \
            "look at disk space and the kernel's log"                                                                  \
    }

/* Statuses that say the same of whatever was sent; also %l where it redirects to. They stand before "4*" and "5*". */
#define ANSWER_STATUSES                                                                                                \
    {"NoTLS", ANSWER_ACT, "%e wants https:// (status %s): %m", "correct %A"},                                          \
        {"3*", ANSWER_ACT, "%e redirects to %l (status %s); redirects are not followed", "correct %A"},                \
        {"402", ANSWER_ACT, "%e wants to be paid (status %s): %m", "ask whoever owns the account"},                    \
        {"407", ANSWER_ACT, "the proxy on the way to %e wants credentials (status %s): %m",                            \
         "put user and password into the proxy's address"},                                                            \
        {"408", ANSWER_PASSES, "%e waited too long for the request (status %s)", ""},                                  \
        {"421", ANSWER_ACT, "%e is not who answers for this host (status %s): %m", "correct %A"},                      \
        {"426", ANSWER_ACT, "%e wants another protocol (status %s): %m", "https:// in %A?"},                           \
        {"495|496", ANSWER_ACT, "%e does not accept the client's certificate (status %s): %m",                         \
         "correct %ptls.cert_file and key_file"},                                                                      \
    {                                                                                                                  \
        "502|503|504", ANSWER_PASSES, "%e is not available at the moment (status %s): %m", ""                          \
    }

/* The keys of ANSWER_FAILURES. */
const char *answer_failure(enum http_failure failure);

/* The key of an answer: its status, or NoTLS where it says that an http:// request came to a port for https://. */
#define ANSWER_STATUS_MAX 12
const char *answer_status(const struct http_response *re, char out[ANSWER_STATUS_MAX]);

/* The first row whose key it is; NULL when there is none. */
const struct answer_row *answer_find(const struct answer_row *rows, const char *key);

enum sink_outcome answer_outcome(const struct answer_row *row);

/* Fills the verdict and returns its outcome. `said`: the far end's own words; they become v->said where the row
 * wants them, never part of the message (see sink.h). */
enum sink_outcome answer_explain(const struct answer_row *row, const struct answer_word *words, const char *code,
                                 const char *said, struct sink_verdict *v);

/* The keys have expired, and others are asked for: what waits is the next request, and nobody needs to act. */
void answer_keys_are_renewed(struct sink_verdict *v);

/* TLS fails for other reasons than a certificate that is not trusted, which have other cures: `why` is what the transport
 * says, `place` what options begin with (destination.s3.), `address` the option with http:// or https://. */
void answer_tls_hint(struct sink_verdict *v, const char *why, const char *place, const char *address);

#endif
