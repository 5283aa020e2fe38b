/* The program of `credential_process` is started without a shell: its words are its words. It gets our environment; what it writes to standard
 * error is dropped, since nobody knows what is in it (child.h). */
#include "pipeline/aws/credentials/provider.h"

#include "pipeline/aws/credentials/answer.h"
#include "pipeline/base/child.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- its command line ---------------------------------------------------------------------------------------------- */

void aws_process_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        mem_free(argv[i]);
    mem_free(argv);
}

/* One word from *p on; *p is behind it then. False: a quote is not closed. */
static bool take_word(const char **p, struct buf *word)
{
    char quote = '\0';

    for (; **p && (quote || (**p != ' ' && **p != '\t')); (*p)++) {
        if (quote ? **p == quote : (**p == '"' || **p == '\'')) {
            quote = quote ? '\0' : **p;
            continue;
        }
        if (**p == '\\' && quote != '\'' && (*p)[1])
            (*p)++;
        (void)!buf_add_char(word, **p); /* as long as the line at most */
    }
    return quote == '\0';
}

char **aws_process_split(const char *line, struct err *e)
{
    const char *p = line + strspn(line, " \t");
    char **argv = mem_alloc(sizeof(*argv));
    size_t n = 0;
    bool ok = true;

    while (*p && ok) {
        struct buf word;

        buf_init(&word, strlen(line) + 1);
        ok = take_word(&p, &word);
        p += strspn(p, " \t");
        argv = mem_grow(argv, n + 2, sizeof(*argv));
        argv[n++] = mem_strdup(buf_cstr(&word));
        argv[n] = NULL;
        buf_release(&word);
    }
    if (ok && n > 0 && *argv[0])
        return argv;
    aws_process_free(argv);
    err_set(e, ERR_CONFIG, ok ? "the command line names no program" : "a quote in the command line is not closed");
    return NULL;
}

/* --- a run ----------------------------------------------------------------------------------------------------------- */

struct run {
    struct aws_ask *ask;
    const char *name;
    pid_t pid;
    int out; /* what it prints; does not block */
    nsec timeout, end;
    struct buf text;
    bool closed, exited;
    int status;
};

/* What is there. */
static int read_some(struct run *r, struct err *e)
{
    while (!r->closed) {
        ssize_t n;

        if (buf_reserve(&r->text, 1) < 0)
            return err_set(e, ERR_LIMIT, "it printed more than %d bytes", (int)AWS_ANSWER_MAX);
        n = read(r->out, r->text.p + r->text.n, r->text.cap - r->text.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : err_errno(e, "reading what it prints");
        r->closed = n == 0;
        r->text.n += (size_t)n;
    }
    return 0;
}

/* Until it has ended. What it has started may keep the pipe open; that is not waited for. */
static int watch(struct run *r, struct err *e)
{
    while (!r->exited) {
        struct pollfd fd = {.fd = r->closed ? -1 : r->out, .events = POLLIN};

        (void)poll(&fd, 1, AWS_PROCESS_TICK_MS);
        r->exited = child_has_ended(r->pid); /* before the last bytes are read */
        if (read_some(r, e) < 0)
            return -1;
        if (aws_ask_is_cancelled(r->ask)) /* which also ended it */
            return err_set(e, ERR_CANCELLED, "it was not waited for");
        if (!r->exited && clock_mono() >= r->end)
            return err_set(e, ERR_IO, "it did not end within %.3g s", (double)r->timeout / (double)NSEC_PER_SEC);
    }
    return 0;
}

static int judge(const struct run *r, struct aws_keys *out, struct err *e)
{
    if (WIFSIGNALED(r->status))
        return err_set(e, ERR_REMOTE, "signal %d ended it", WTERMSIG(r->status));
    if (WEXITSTATUS(r->status) != 0)
        return err_set(e, ERR_REMOTE, "it ended with exit code %d; run it by hand to see what it says",
                       WEXITSTATUS(r->status));
    if (r->text.n == 0)
        return err_set(e, ERR_FORMAT, "it printed nothing");
    return aws_answer_json(buf_slice(&r->text), KEYS_OF_PROCESS, out, e) < 0 ? err_wrap(e, "what it printed") : 0;
}

int aws_process_keys(struct aws_ask *a, char *const *argv, nsec timeout, struct aws_keys *out, struct err *e)
{
    struct run r = {.ask = a, .timeout = timeout, .end = clock_mono() + timeout};
    struct child_conf child = {.argv = argv, .err = -1};
    int fds[2], rc;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_errno(e, "program `%.64s`: a pipe cannot be made", argv[0]);
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    r.out = fds[0];
    buf_init(&r.text, AWS_ANSWER_MAX);
    child.out = fds[1];
    rc = child_start(&child, &r.pid);
    close(fds[1]);
    if (rc != 0) {
        errno = rc;
        rc = err_errno(e, "it cannot be started");
    } else {
        aws_ask_runs(a, r.pid);
        rc = watch(&r, e);
        aws_ask_runs(a, 0);
        r.status = child_reap(r.pid);
        if (rc == 0)
            rc = judge(&r, out, e);
    }
    close(fds[0]);
    if (r.text.n > 0)
        explicit_bzero(r.text.p, r.text.n);
    buf_release(&r.text);
    return rc < 0 ? err_wrap(e, "program `%.64s`", argv[0]) : 0;
}
