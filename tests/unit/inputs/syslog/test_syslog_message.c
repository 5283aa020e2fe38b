/* Lines that RFCs show and devices send, and the record that each is. */
#include "tests/support/cmocka.h"

#include "pipeline/base/json.h"
#include "pipeline/inputs/syslog/match.h"
#include "pipeline/inputs/syslog/message.h"

#include <stdio.h>
#include <string.h>

#define NOW  ((nsec)1795817655 * NSEC_PER_SEC) /* 2026-11-27 22:14:15 UTC */
#define CAME "\"timestamp\":\"2026-11-27T22:14:15.000Z\","

struct line {
    const char *in, *want; /* without { and } */
};

static void check(const struct line *lines, size_t n, const struct syslog_reading *r)
{
    char text[1024];
    struct buf out;

    buf_init(&out, 64 * 1024);
    for (size_t i = 0; i < n; i++) {
        struct syslog_message m;

        buf_clear(&out);
        syslog_message_parse(&m, slice_str(lines[i].in), r);
        assert_int_equal(syslog_message_write(&m, r, SLICE("192.0.2.1"), false, &out), 0);
        snprintf(text, sizeof(text), "{%s}", lines[i].want);
        if (!slice_is(buf_slice(&out), text))
            fail_msg("%s\n  is   %s\n  want %s", lines[i].in, buf_cstr(&out), text);
        assert_true(json_valid(buf_slice(&out), 8));
    }
    buf_release(&out);
}

static const struct syslog_reading UTC = {.now = NOW};

static void rfc_5424_is_taken_apart(void **state)
{
    static const struct line LINES[] = {
        {"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed for lonvick on "
         "/dev/pts/8",
         "\"timestamp\":\"2003-10-11T22:14:15.003Z\",\"host\":\"mymachine.example.com\",\"app\":\"su\",\"msgid\":"
         "\"ID47\","
         "\"facility\":\"auth\",\"severity\":\"crit\",\"message\":\"'su root' failed for lonvick on /dev/pts/8\""},
        {"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
         "\"timestamp\":\"2003-08-24T12:14:15.000003Z\",\"host\":\"192.0.2.1\",\"app\":\"myproc\",\"procid\":\"8710\","
         "\"facility\":\"local4\",\"severity\":\"notice\",\"message\":\"%% It's time to make the do-nuts.\""},
        {"<165>1 2003-10-11T22:14:15.003Z mymachine evntslog - ID47 [exampleSDID@32473 iut=\"3\" "
         "eventSource=\"Appli\\\"ca\\]tion\" "
         "eventID=\"1011\"][examplePriority@32473 class=\"high\"] An application event",
         "\"timestamp\":\"2003-10-11T22:14:15.003Z\",\"host\":\"mymachine\",\"app\":\"evntslog\",\"msgid\":\"ID47\","
         "\"facility\":\"local4\",\"severity\":\"notice\",\"structured_data\":{\"exampleSDID@32473\":{\"iut\":\"3\","
         "\"eventSource\":\"Appli\\\"ca]tion\",\"eventID\":\"1011\"},\"examplePriority@32473\":{\"class\":\"high\"}},"
         "\"message\":\"An application event\""},
        {"<13>1 - - - - - -",
         CAME "\"host\":\"192.0.2.1\",\"facility\":\"user\",\"severity\":\"notice\",\"message\":\"\""},
        {"<13>1 - h a - - [origin ip=\"::1\" x=\"y\" ip=\"192.0.2.9\"][empty]", CAME
         "\"host\":\"h\",\"app\":\"a\",\"facility\":\"user\",\"severity\":\"notice\",\"structured_data\":{\"origin\":"
         "{\"ip\":[\"::1\",\"192.0.2.9\"],\"x\":\"y\"},\"empty\":{}},\"message\":\"\""},
        /* Some leave the structured data out, or write it wrong. */
        {"<14>1 2026-11-27T22:14:15Z fw kernel - - DROP IN=eth0 OUT=",
         "\"timestamp\":\"2026-11-27T22:14:15.000Z\",\"host\":\"fw\",\"app\":\"kernel\",\"facility\":\"user\","
         "\"severity\":\"info\","
         "\"message\":\"DROP IN=eth0 OUT=\""},
        {"<14>1 2026-11-27T22:14:15Z fw app - - [broken x=1] text",
         "\"timestamp\":\"2026-11-27T22:14:15.000Z\",\"host\":\"fw\",\"app\":\"app\",\"facility\":\"user\","
         "\"severity\":\"info\","
         "\"message\":\"[broken x=1] text\""},
    };

    (void)state;
    check(LINES, ARRAY_LEN(LINES), &UTC);
}

static void rfc_3164_is_what_it_looks_like(void **state)
{
    static const struct line LINES[] = {
        {"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8\n",
         "\"timestamp\":\"2026-10-11T22:14:15.000Z\",\"host\":\"mymachine\",\"app\":\"su\",\"facility\":\"auth\","
         "\"severity\":\"crit\","
         "\"message\":\"'su root' failed for lonvick on /dev/pts/8\""},
        {"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", "\"timestamp\":\"2026-02-05T17:32:18.000Z\",\"host\":\"10.0.0."
                                                       "99\",\"facility\":\"user\",\"severity\":\"notice\","
                                                       "\"message\":\"Use the BFG!\""},
        {"<86>Nov 27 22:14:15 web-1 sshd[4721]: Accepted publickey",
         "\"timestamp\":\"2026-11-27T22:14:15.000Z\",\"host\":\"web-1\",\"app\":\"sshd\",\"procid\":\"4721\","
         "\"facility\":\"authpriv\","
         "\"severity\":\"info\",\"message\":\"Accepted publickey\""},
        {"<30>2026-11-27T23:14:15.123456+01:00 web systemd[1]: Started.",
         "\"timestamp\":\"2026-11-27T22:14:15.123456Z\",\"host\":\"web\",\"app\":\"systemd\",\"procid\":\"1\","
         "\"facility\":\"daemon\","
         "\"severity\":\"info\",\"message\":\"Started.\""},
        {"<30>Nov 27 22:14:15.250 2026 nas app:tight", "\"timestamp\":\"2026-11-27T22:14:15.250Z\",\"host\":\"nas\","
                                                       "\"app\":\"app\",\"facility\":\"daemon\",\"severity\":\"info\","
                                                       "\"message\":\"tight\""},
        {"<13>Nov 27 2025 22:14:15 host tag: with a year",
         "\"timestamp\":\"2025-11-27T22:14:15.000Z\",\"host\":\"host\",\"app\":\"tag\",\"facility\":\"user\","
         "\"severity\":\"notice\","
         "\"message\":\"with a year\""},
        /* The turn of the year: neither a month ahead nor a year behind. */
        {"<13>Dec 31 23:59:59 h t: x", "\"timestamp\":\"2025-12-31T23:59:59.000Z\",\"host\":\"h\",\"app\":\"t\","
                                       "\"facility\":\"user\",\"severity\":\"notice\","
                                       "\"message\":\"x\""},
        /* Words of other languages, and a tab, cut no word in two. */
        {"<13>Nov 27 22:14:15 h Gr\xc3\xb6\xc3\x9f"
         "e: 5",
         "\"timestamp\":\"2026-11-27T22:14:15.000Z\",\"host\":\"h\",\"app\":\"Gr\xc3\xb6\xc3\x9f"
         "e\","
         "\"facility\":\"user\",\"severity\":\"notice\",\"message\":\"5\""},
        {"<13>Nov 27 22:14:15 h caf\xc3\xa9 closed",
         "\"timestamp\":\"2026-11-27T22:14:15.000Z\",\"host\":\"h\",\"facility\":\"user\",\"severity\":\"notice\","
         "\"message\":\"caf\xc3\xa9 closed\""},
        {"<13>Nov 27 22:14:15 h one\ttwo: x",
         "\"timestamp\":\"2026-11-27T22:14:15.000Z\",\"host\":\"h\",\"facility\":\"user\",\"severity\":\"notice\","
         "\"message\":\"one\\ttwo: x\""},
        {"<13>Nov 27 22:14:15 fe80::1 t: x", "\"timestamp\":\"2026-11-27T22:14:15.000Z\",\"host\":\"fe80::1\",\"app\":"
                                             "\"t\",\"facility\":\"user\",\"severity\":\"notice\","
                                             "\"message\":\"x\""},
    };

    (void)state;
    check(LINES, ARRAY_LEN(LINES), &UTC);
}

static void devices_have_their_own_forms(void **state)
{
    static const struct line LINES[] = {
        {"<189>29: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: Configured from console by vty2 (10.34.195.36)",
         "\"timestamp\":\"2026-03-01T18:46:11.123Z\",\"host\":\"192.0.2.1\",\"app\":\"%SYS-5-CONFIG_I\",\"facility\":"
         "\"local7\","
         "\"severity\":\"notice\",\"sequence\":\"29\",\"message\":\"Configured from console by vty2 (10.34.195.36)\""},
        {"<189>000030: core-1: Mar  1 18:46:11 UTC: %LINEPROTO-5-UPDOWN: Line protocol on Interface Gi0/1, changed "
         "state to up",
         "\"timestamp\":\"2026-03-01T18:46:11.000Z\",\"host\":\"core-1\",\"app\":\"%LINEPROTO-5-UPDOWN\",\"facility\":"
         "\"local7\","
         "\"severity\":\"notice\",\"sequence\":\"000030\",\"message\":\"Line protocol on Interface Gi0/1, changed "
         "state to up\""},
        {"<187>: 2026 Mar  1 18:46:11 UTC: %ETHPORT-3-IF_DOWN: Interface Ethernet1/1 is down",
         "\"timestamp\":\"2026-03-01T18:46:11.000Z\",\"host\":\"192.0.2.1\",\"app\":\"%ETHPORT-3-IF_DOWN\","
         "\"facility\":\"local7\","
         "\"severity\":\"err\",\"message\":\"Interface Ethernet1/1 is down\""},
        {"<166>Mar 01 2026 18:46:11: %ASA-6-302013: Built outbound TCP connection",
         "\"timestamp\":\"2026-03-01T18:46:11.000Z\",\"host\":\"192.0.2.1\",\"app\":\"%ASA-6-302013\",\"facility\":"
         "\"local4\","
         "\"severity\":\"info\",\"message\":\"Built outbound TCP connection\""},
        {"<166>Mar 01 2026 18:46:11 asa-1 : %ASA-6-302013: Built",
         "\"timestamp\":\"2026-03-01T18:46:11.000Z\",\"host\":\"asa-1\",\"app\":\"%ASA-6-302013\",\"facility\":"
         "\"local4\","
         "\"severity\":\"info\",\"message\":\"Built\""},
        {"<166>%ASA-6-302013: Built", CAME "\"host\":\"192.0.2.1\",\"app\":\"%ASA-6-302013\",\"facility\":\"local4\","
                                           "\"severity\":\"info\",\"message\":\"Built\""},
        {"<190>date=2026-11-27 time=22:14:15 devname=\"FG\" logid=\"0000\"",
         CAME "\"host\":\"192.0.2.1\",\"facility\":\"local7\",\"severity\":\"info\",\"message\":\"date=2026-11-27 "
              "time=22:14:15 "
              "devname=\\\"FG\\\" logid=\\\"0000\\\"\""},
        {"<13>program: no time",
         CAME "\"host\":\"192.0.2.1\",\"app\":\"program\",\"facility\":\"user\",\"severity\":\"notice\","
              "\"message\":\"no time\""},
        {"<13>http://x/ y",
         CAME "\"host\":\"192.0.2.1\",\"facility\":\"user\",\"severity\":\"notice\",\"message\":\"http://x/ y\""},
        {"Nov 27 22:14:15 host app: no priority",
         "\"timestamp\":\"2026-11-27T22:14:15.000Z\",\"host\":\"host\",\"app\":\"app\",\"message\":\"no priority\""},
        {"nothing of all this", CAME "\"host\":\"192.0.2.1\",\"message\":\"nothing of all this\""},
        {"<192>too much", CAME "\"host\":\"192.0.2.1\",\"message\":\"<192>too much\""},
        {"<13>", CAME "\"host\":\"192.0.2.1\",\"facility\":\"user\",\"severity\":\"notice\",\"message\":\"\""},
        {"<13>Nov 27 22:14:15 ",
         "\"timestamp\":\"2026-11-27T22:14:15.000Z\",\"host\":\"192.0.2.1\",\"facility\":\"user\","
         "\"severity\":\"notice\",\"message\":\"\""},
        {"<13>29: no time either",
         CAME "\"host\":\"192.0.2.1\",\"app\":\"29\",\"facility\":\"user\",\"severity\":\"notice\","
              "\"message\":\"no time either\""},
        {"<13>caf\xe9",
         CAME "\"host\":\"192.0.2.1\",\"facility\":\"user\",\"severity\":\"notice\",\"message\":\"caf\xef\xbf\xbd\","
              "\"raw\":\"PDEzPmNhZuk=\""},
    };

    (void)state;
    check(LINES, ARRAY_LEN(LINES), &UTC);
}

static void programs_of_this_machine_name_no_host(void **state)
{
    static const struct line LINES[] = {
        {"<13>Nov 27 22:14:15 root: by hand",
         "\"timestamp\":\"2026-11-27T22:14:15.000Z\",\"host\":\"192.0.2.1\",\"app\":\"root\",\"facility\":\"user\","
         "\"severity\":\"notice\",\"message\":\"by hand\""},
    };
    const struct syslog_reading local = {.now = NOW, .local = true};

    (void)state;
    check(LINES, ARRAY_LEN(LINES), &local);
}

static void times_are_read_in_their_zone(void **state)
{
    static const struct line LINES[] = {
        {"<13>Nov 27 23:14:15 h t: winter", "\"timestamp\":\"2026-11-27T22:14:15.000Z\",\"host\":\"h\",\"app\":\"t\","
                                            "\"facility\":\"user\",\"severity\":\"notice\","
                                            "\"message\":\"winter\""},
        {"<13>2026-07-01 02:00:00 h t: summer", "\"timestamp\":\"2026-07-01T00:00:00.000Z\",\"host\":\"h\",\"app\":"
                                                "\"t\",\"facility\":\"user\",\"severity\":\"notice\","
                                                "\"message\":\"summer\""},
    };
    struct syslog_reading there = {.now = NOW};
    struct time_zone *zone;
    struct err e;

    (void)state;
    if (time_zone_open(&zone, "Europe/Berlin", &e) < 0)
        skip(); /* this machine has no zones */
    there.zone = zone;
    check(LINES, ARRAY_LEN(LINES), &there);
    time_zone_free(&zone);
}

static void the_year_of_new_year(void **state)
{
    /* 2026-12-31 23:59:50: a clock that is ahead. */
    const struct syslog_reading r = {.now = (nsec)1798761590 * NSEC_PER_SEC};
    static const struct line LINES[] = {
        {"<13>Jan  1 00:00:03 h t: x", "\"timestamp\":\"2027-01-01T00:00:03.000Z\",\"host\":\"h\",\"app\":\"t\","
                                       "\"facility\":\"user\",\"severity\":\"notice\","
                                       "\"message\":\"x\""},
    };

    (void)state;
    check(LINES, ARRAY_LEN(LINES), &r);
}

static bool wants(const struct syslog_match *match, const char *line)
{
    struct syslog_message m;

    syslog_message_parse(&m, slice_str(line), &UTC);
    return syslog_match_is(match, &m, m.host);
}

static void messages_are_chosen(void **state)
{
    char facility[][9] = {"auth", "authpriv"}, host[][14] = {"web-*", "*.example.com"}, app[][6] = {"ss*d", "%ASA*"};
    char *facilities[] = {facility[0], facility[1]}, *hosts[] = {host[0], host[1]}, *apps[] = {app[0], app[1]};
    struct syslog_match m = {.severity = 7};

    (void)state;
    assert_true(syslog_match_any(&m));
    assert_true(wants(&m, "anything"));
    m.facilities = (struct cfg_strings){facilities, 2};
    assert_false(syslog_match_any(&m));
    assert_true(wants(&m, "<34>x"));
    assert_true(wants(&m, "<86>x"));
    assert_false(wants(&m, "<13>x"));
    assert_false(wants(&m, "x"));
    m.facilities.n = 0;
    m.severity = 3;
    assert_true(wants(&m, "<11>x"));
    assert_false(wants(&m, "<12>x"));
    assert_false(wants(&m, "x"));
    m.severity = 7;
    m.hosts = (struct cfg_strings){hosts, 2};
    assert_true(wants(&m, "<13>Nov 27 22:14:15 web-12 a: x"));
    assert_true(wants(&m, "<13>Nov 27 22:14:15 a.b.example.com a: x"));
    assert_false(wants(&m, "<13>Nov 27 22:14:15 web12 a: x"));
    m.hosts.n = 0;
    m.apps = (struct cfg_strings){apps, 2};
    assert_true(wants(&m, "<13>Nov 27 22:14:15 h sshd[1]: x"));
    assert_true(wants(&m, "<13>%ASA-1-2: x"));
    assert_false(wants(&m, "<13>Nov 27 22:14:15 h sshdx: x"));
    assert_false(wants(&m, "<13>no tag"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_5424_is_taken_apart),      cmocka_unit_test(rfc_3164_is_what_it_looks_like),
        cmocka_unit_test(devices_have_their_own_forms), cmocka_unit_test(programs_of_this_machine_name_no_host),
        cmocka_unit_test(times_are_read_in_their_zone), cmocka_unit_test(the_year_of_new_year),
        cmocka_unit_test(messages_are_chosen),
    };

    return cmocka_run_group_tests_name("syslog message", tests, NULL, NULL);
}
