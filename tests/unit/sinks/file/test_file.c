/* Objects as files: whole or not at all, inside the folder or not at all. */
#include "tests/support/cmocka.h"

#include "tests/unit/sinks/bound_sink.h"

#include "pipeline/base/body.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/key_set.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/partition_key.h"

#include <dirent.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/sluice-file-sink-XXXXXX";

static int make_base(void **state)
{
    (void)state;
    return mkdtemp(base) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int remove_base(void **state)
{
    (void)state;
    return nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct bound_sink opened(const char *yaml)
{
    struct bound_sink b;
    struct err e = {0};

    if (bound_sink_open(&b, "file", yaml, base, &e) < 0)
        fail_msg("%s", e.msg);
    return b;
}

static struct body *body_of(struct slice content)
{
    struct body *b = body_new(base, BODY_MEMORY_MAX);
    struct err e;

    assert_int_equal(body_add(b, content, &e), 0);
    return b;
}

static enum sink_outcome send_of(const struct bound_sink *b, const char *name, struct slice content, struct slice keys,
                                 struct sink_verdict *v)
{
    struct body *body = body_of(content);
    const struct sink_seal seal = {.id = {.first = 1, .last = 2, .keys = keys}, .name = slice_str(name), .body = body};
    enum sink_outcome outcome = b->ops->send(b->state, &seal, v);

    body_free(&body);
    return outcome;
}

static enum sink_outcome send(const struct bound_sink *b, const char *name, struct slice content,
                              struct sink_verdict *v)
{
    return send_of(b, name, content, slice_of(NULL, 0), v);
}

static void assert_content(const char *name, struct slice want)
{
    char path[512];
    FILE *f;
    char *got = mem_alloc(want.n + 2);

    snprintf(path, sizeof(path), "%s/%s", base, name);
    f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is not there", path);
    assert_int_equal(fread(got, 1, want.n + 2, f), want.n);
    assert_memory_equal(got, want.p, want.n);
    fclose(f);
    mem_free(got);
}

static size_t files_in(const char *sub)
{
    char path[512];
    DIR *d;
    size_t n = 0;

    snprintf(path, sizeof(path), "%s/%s", base, sub);
    d = opendir(path);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void an_object_is_a_file_under_its_key(void **state)
{
    struct bound_sink b = opened("path: out\n");
    struct sink_verdict v;

    (void)state;
    assert_int_equal(send(&b, "2026/07/13/14/one", SLICE("hello\n"), &v), SINK_DELIVERED);
    assert_int_equal(send(&b, "2026/07/13/14/two", SLICE(""), &v), SINK_DELIVERED);
    assert_int_equal(send(&b, "top", SLICE("t"), &v), SINK_DELIVERED);
    assert_int_equal(send(&b, "a//b", SLICE("ab"), &v), SINK_DELIVERED);
    assert_content("out/2026/07/13/14/one", SLICE("hello\n"));
    assert_content("out/2026/07/13/14/two", SLICE(""));
    assert_content("out/top", SLICE("t"));
    assert_content("out/a/b", SLICE("ab"));
    assert_int_equal(files_in("out/2026/07/13/14"), 2); /* and no temporary file */
    bound_sink_close(&b);
}

static void a_second_attempt_overwrites_and_so_does_what_a_crash_left(void **state)
{
    struct bound_sink b = opened("path: again\n");
    struct sink_verdict v;
    char left[512];
    FILE *f;

    (void)state;
    assert_int_equal(send(&b, "x/o", SLICE("first, and longer"), &v), SINK_DELIVERED);
    snprintf(left, sizeof(left), "%s/again/x/.sluice-101112131415161718191a1b1c1d1e1f-0-1-2.tmp", base);
    f = fopen(left, "w");
    fputs("half an obj", f);
    fclose(f);
    assert_int_equal(send(&b, "x/o", SLICE("second"), &v), SINK_DELIVERED);
    assert_content("again/x/o", SLICE("second"));
    assert_int_equal(files_in("again/x"), 1);
    bound_sink_close(&b);
}

static void a_large_object_comes_from_the_bodys_file(void **state)
{
    struct bound_sink b = opened("path: large\n");
    const size_t n = BODY_MEMORY_MAX * 2 + 4321;
    char *content = mem_alloc(n);
    struct sink_verdict v;

    (void)state;
    for (size_t i = 0; i < n; i++)
        content[i] = (char)(i * 31 >> 3);
    assert_int_equal(send(&b, "l", slice_of(content, n), &v), SINK_DELIVERED);
    assert_content("large/l", slice_of(content, n));
    mem_free(content);
    bound_sink_close(&b);
}

static void a_folder_that_was_taken_away_is_made_again(void **state)
{
    struct bound_sink b = opened("path: gone\n");
    struct sink_verdict v;
    char path[512];

    (void)state;
    assert_int_equal(send(&b, "d/one", SLICE("1"), &v), SINK_DELIVERED);
    snprintf(path, sizeof(path), "%s/gone", base);
    assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(send(&b, "d/two", SLICE("2"), &v), SINK_DELIVERED);
    assert_content("gone/d/two", SLICE("2"));
    bound_sink_close(&b);
}

static void nothing_is_written_outside(void **state)
{
    static const char *const NAMES[] = {"../x", "a/../../x", "..", ".", "a/./b", "a/", "", "/"};
    struct bound_sink b = opened("path: inside\n");
    struct sink_verdict v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        if (send(&b, NAMES[i], SLICE("x"), &v) != SINK_RETRY)
            fail_msg("`%s` was written", NAMES[i]);
        assert_non_null(strstr(v.message, "outside"));
    }
    assert_int_equal(send(&b, "/abs", SLICE("x"), &v), SINK_DELIVERED); /* S3 keys may begin with a slash */
    assert_content("inside/abs", SLICE("x"));
    bound_sink_close(&b);
}

static void place(char *out, size_t size, const char *name)
{
    snprintf(out, size, "%s/%s", base, name);
}

#define TMP_NAME ".sluice-101112131415161718191a1b1c1d1e1f-0-1-2.tmp"

/* Whoever can write into the folder knows the temporary name: what they put there is not opened, and what it leads to stays. */
static void what_was_put_in_the_way_is_neither_opened_nor_followed(void **state)
{
    struct bound_sink b = opened("path: way\n");
    char tmp[512], victim[512];
    struct sink_verdict v;
    FILE *f;

    (void)state;
    place(tmp, sizeof(tmp), "way/" TMP_NAME);
    place(victim, sizeof(victim), "victim");
    f = fopen(victim, "w");
    fputs("precious", f);
    fclose(f);
    assert_int_equal(send(&b, "0", SLICE("x"), &v), SINK_DELIVERED);

    assert_int_equal(link(victim, tmp), 0);
    assert_int_equal(send(&b, "1", SLICE("one"), &v), SINK_DELIVERED);
    assert_int_equal(symlink(victim, tmp), 0);
    assert_int_equal(send(&b, "2", SLICE("two"), &v), SINK_DELIVERED);
    assert_int_equal(symlink("nowhere", tmp), 0);
    assert_int_equal(send(&b, "3", SLICE("three"), &v), SINK_DELIVERED);
    assert_int_equal(mkfifo(tmp, 0600), 0);
    assert_int_equal(send(&b, "4", SLICE("four"), &v), SINK_DELIVERED);
    assert_content("victim", SLICE("precious"));
    assert_content("way/1", SLICE("one"));
    assert_content("way/4", SLICE("four"));
    assert_int_equal(files_in("way"), 5);

    assert_int_equal(mkdir(tmp, 0700), 0); /* no file: nothing is taken away */
    assert_int_equal(send(&b, "5", SLICE("five"), &v), SINK_RETRY);
    assert_string_equal(v.code, "EISDIR");
    assert_non_null(strstr(v.message, TMP_NAME));
    assert_non_null(strstr(v.hint, "move it away"));
    rmdir(tmp);
    assert_int_equal(send(&b, "5", SLICE("five"), &v), SINK_DELIVERED);
    bound_sink_close(&b);
}

/* Links, pipes and folders with the object's own name. */
static void an_object_takes_its_name_and_follows_nothing(void **state)
{
    struct bound_sink b = opened("path: names\n");
    char path[512], victim[512];
    struct sink_verdict v;
    struct stat st;

    (void)state;
    place(victim, sizeof(victim), "victim");
    assert_int_equal(send(&b, "d/0", SLICE("x"), &v), SINK_DELIVERED);
    place(path, sizeof(path), "names/d/link");
    assert_int_equal(symlink(victim, path), 0);
    assert_int_equal(send(&b, "d/link", SLICE("new"), &v), SINK_DELIVERED);
    assert_true(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
    assert_content("victim", SLICE("precious"));
    place(path, sizeof(path), "names/d/pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(send(&b, "d/pipe", SLICE("new"), &v), SINK_DELIVERED);
    assert_content("names/d/pipe", SLICE("new"));
    place(path, sizeof(path), "names/d/read-only");
    assert_int_equal(send(&b, "d/read-only", SLICE("old"), &v), SINK_DELIVERED);
    chmod(path, 0400);
    assert_int_equal(send(&b, "d/read-only", SLICE("new"), &v), SINK_DELIVERED);
    assert_content("names/d/read-only", SLICE("new"));
    place(path, sizeof(path), "names/d/folder");
    mkdir(path, 0700);
    assert_int_equal(send(&b, "d/folder", SLICE("new"), &v), SINK_RETRY);
    assert_string_equal(v.code, "EISDIR");
    assert_true(v.misconfigured);
    assert_int_equal(files_in("names/d"), 5); /* and no temporary file */
    bound_sink_close(&b);
}

static void no_link_below_the_folder_is_followed(void **state)
{
    struct bound_sink b = opened("path: links/out\n");
    char path[512], outside[512];
    struct sink_verdict v;

    (void)state;
    place(outside, sizeof(outside), "outside");
    mkdir(outside, 0700);
    /* the folder itself may be one */
    place(path, sizeof(path), "links");
    mkdir(path, 0700);
    place(path, sizeof(path), "links/out");
    assert_int_equal(symlink(outside, path), 0);
    assert_int_equal(send(&b, "a/b/1", SLICE("1"), &v), SINK_DELIVERED);
    assert_content("outside/a/b/1", SLICE("1"));
    /* also one that takes the place of a folder that was used just before */
    place(path, sizeof(path), "outside/a");
    assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    place(outside, sizeof(outside), "elsewhere");
    mkdir(outside, 0700);
    assert_int_equal(symlink(outside, path), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send(&b, "a/b/1", SLICE("1"), &v), SINK_RETRY);
        assert_string_equal(v.code, "ELOOP");
        assert_non_null(strstr(v.hint, "no link is followed"));
        assert_true(v.misconfigured);
    }
    assert_int_equal(files_in("elsewhere"), 0);
    bound_sink_close(&b);
}

static void errors_name_the_file_the_cause_and_what_to_do(void **state)
{
    struct bound_sink b = opened("path: errors\n");
    char long_name[400];
    struct sink_verdict v;

    (void)state;
    assert_int_equal(send(&b, "f", SLICE("x"), &v), SINK_DELIVERED);
    assert_int_equal(send(&b, "f/below", SLICE("x"), &v), SINK_RETRY); /* a file where a folder must be */
    assert_non_null(strstr(v.message, "errors/f/below"));
    assert_string_equal(v.code, "ENOTDIR");
    assert_true(v.misconfigured);
    assert_true(v.hint[0]);
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    assert_int_equal(send(&b, long_name, SLICE("x"), &v), SINK_RETRY);
    assert_string_equal(v.code, "ENAMETOOLONG");
    assert_int_equal(files_in("errors"), 1);
    bound_sink_close(&b);
}

/* Some file systems take shorter names than others. */
static void a_name_that_is_too_long_by_its_records_is_refused(void **state)
{
    struct bound_sink b = opened("path: long\n");
    char name[400];
    struct sink_verdict v;
    struct buf keys;

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    memcpy(name + sizeof(name) - 3, "/f", sizeof("/f"));
    buf_init(&keys, 100);
    assert_int_equal(key_set_add(&keys, SLICE(PARTITION_TIME_NAME), SLICE("1783951509")), 0);
    assert_int_equal(send_of(&b, name, SLICE("x"), buf_slice(&keys), &v), SINK_RETRY);
    assert_int_equal(key_set_add(&keys, SLICE("k"), SLICE("nnn")), 0);
    assert_int_equal(send_of(&b, name, SLICE("x"), buf_slice(&keys), &v), SINK_REJECTED);
    assert_string_equal(v.code, "ENAMETOOLONG");
    assert_non_null(strstr(v.message, "File name too long"));
    buf_release(&keys);
    bound_sink_close(&b);
}

/* A limit on file size stands in for a full disk: write() comes back short, then fails. */
static void a_write_that_fails_leaves_nothing_and_is_tried_again(void **state)
{
    struct bound_sink b = opened("path: full\n");
    struct rlimit before, low;
    struct sink_verdict v;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = 10;
    setrlimit(RLIMIT_FSIZE, &low);
    assert_int_equal(send(&b, "o", SLICE("more than ten bytes"), &v), SINK_RETRY);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_string_equal(v.code, "EFBIG");
    assert_int_equal(files_in("full"), 0);
    assert_int_equal(send(&b, "o", SLICE("more than ten bytes"), &v), SINK_DELIVERED);
    assert_content("full/o", SLICE("more than ten bytes"));
    bound_sink_close(&b);
}

static void check_makes_nothing_and_says_what_would_fail(void **state)
{
    struct bound_sink b = opened("path: a/b/c\n");
    struct err e = {0};
    char path[512];
    struct stat st;
    FILE *f;

    (void)state;
    assert_int_equal(b.ops->check(b.state, &e), 0);
    snprintf(path, sizeof(path), "%s/a", base);
    assert_int_equal(stat(path, &st), -1);
    bound_sink_close(&b);
    snprintf(path, sizeof(path), "%s/plain", base);
    f = fopen(path, "w");
    fclose(f);
    b = opened("path: plain/sub\n");
    assert_int_equal(b.ops->check(b.state, &e), -1);
    assert_non_null(strstr(e.msg, "plain/sub"));
    bound_sink_close(&b);
    b = opened("path: /dev/null/nosuch\n"); /* nobody can make anything there */
    assert_int_equal(b.ops->check(b.state, &e), -1);
    assert_non_null(strstr(e.msg, "/dev/null/nosuch"));
    bound_sink_close(&b);
}

struct sender {
    const struct bound_sink *b;
    int number;
    bool ok;
};

static void *send_many(void *arg)
{
    struct sender *s = arg;

    s->ok = true;
    for (uint64_t i = 0; i < 40; i++) {
        char name[64];
        struct body *body = body_of(SLICE("content"));
        struct sink_seal seal = {.id = {.first = (uint64_t)s->number * 1000 + i, .last = i}, .body = body};
        struct sink_verdict v;

        snprintf(name, sizeof(name), "h%d/o-%d-%d", (int)(i % 3), s->number, (int)i);
        seal.name = slice_str(name);
        s->ok &= s->b->ops->send(s->b->state, &seal, &v) == SINK_DELIVERED;
        body_free(&body);
    }
    return NULL;
}

static void a_relative_path_starts_at_the_configurations_folder(void **state)
{
    const char *const forms[] = {"path: ./rel/x\n", "path: rel/x\n", "path: ././rel/x\n", "path: rel/./x/\n"};
    struct buf got;
    char want[128];

    (void)state;
    snprintf(want, sizeof(want), "folder %s/rel/x", base);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct bound_sink b = opened(forms[i]);

        buf_init(&got, 256);
        b.ops->describe(b.state, &got);
        assert_string_equal(buf_cstr(&got), want);
        buf_release(&got);
        bound_sink_close(&b);
    }
}

static void many_threads_send_at_once(void **state)
{
    struct bound_sink b = opened("path: threads\n");
    struct sender senders[4];
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        senders[i] = (struct sender){&b, i, false};
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(senders[i].ok);
    }
    assert_int_equal(files_in("threads/h0") + files_in("threads/h1") + files_in("threads/h2"), 160);
    bound_sink_close(&b);
}

static void sinks_are_found_by_name(void **state)
{
    (void)state;
    assert_string_equal(sink_find("s3")->name, "s3");
    assert_string_equal(sink_find("file")->name, "file");
    assert_null(sink_find("S3"));
    for (size_t i = 0; sink_at(i); i++) { /* either one way of delivering or the other */
        assert_ptr_equal(sink_find(sink_at(i)->name), sink_at(i));
        assert_true(!sink_at(i)->send == !!sink_at(i)->request && !sink_at(i)->request == !sink_at(i)->judge);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_a_file_under_its_key),
        cmocka_unit_test(a_second_attempt_overwrites_and_so_does_what_a_crash_left),
        cmocka_unit_test(a_large_object_comes_from_the_bodys_file),
        cmocka_unit_test(a_folder_that_was_taken_away_is_made_again),
        cmocka_unit_test(nothing_is_written_outside),
        cmocka_unit_test(what_was_put_in_the_way_is_neither_opened_nor_followed),
        cmocka_unit_test(an_object_takes_its_name_and_follows_nothing),
        cmocka_unit_test(no_link_below_the_folder_is_followed),
        cmocka_unit_test(errors_name_the_file_the_cause_and_what_to_do),
        cmocka_unit_test(a_name_that_is_too_long_by_its_records_is_refused),
        cmocka_unit_test(a_write_that_fails_leaves_nothing_and_is_tried_again),
        cmocka_unit_test(check_makes_nothing_and_says_what_would_fail),
        cmocka_unit_test(a_relative_path_starts_at_the_configurations_folder),
        cmocka_unit_test(many_threads_send_at_once),
        cmocka_unit_test(sinks_are_found_by_name),
    };

    return cmocka_run_group_tests_name("file", tests, make_base, remove_base);
}
