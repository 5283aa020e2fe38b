#include "pipeline/inputs/syslog/match.h"

#include "transforms/text/syslog.h"

#include <string.h>

#define ALL 7 /* debug */

static const struct cfg_choice SEVERITIES[] = {{"emerg", 0},  {"alert", 1}, {"crit", 2},  {"err", 3}, {"warning", 4},
                                               {"notice", 5}, {"info", 6},  {"debug", 7}, {0}};

/* clang-format off */
const struct cfg_field syslog_match_fields[] = {
    {.name = "facilities", .type = CFG_STRINGS, .offset = offsetof(struct syslog_match, facilities), .max = 32,
     .help = "kern, user, mail, daemon, auth, syslog, lpr, news, uucp, cron, authpriv, ftp, ntp, audit, alert, clock, local0 to local7"},
    {.name = "severity", .type = CFG_ENUM, .offset = offsetof(struct syslog_match, severity), .def = "debug", .choices = SEVERITIES,
     .help = "these, and what is worse"},
    {.name = "hosts", .type = CFG_STRINGS, .offset = offsetof(struct syslog_match, hosts), .max = 256,
     .help = "names of hosts, with * for any characters: `web-*`"},
    {.name = "apps", .type = CFG_STRINGS, .offset = offsetof(struct syslog_match, apps), .max = 256,
     .help = "names of programs (tags), with * for any characters: `sshd`, `%ASA-*`"},
    {.name = NULL},
};
/* clang-format on */

bool syslog_match_any(const struct syslog_match *m)
{
    return m->facilities.n == 0 && m->hosts.n == 0 && m->apps.n == 0 && m->severity == ALL;
}

/* `*` is any characters. What was matched by the last one grows when the rest does not fit. */
static bool fits(const char *pattern, struct slice text)
{
    const char *star = NULL;
    size_t at = 0, from = 0;

    while (at < text.n) {
        if (*pattern == '*') {
            star = pattern++;
            from = at;
        } else if (*pattern == text.p[at] && *pattern) {
            pattern++;
            at++;
        } else if (star) {
            pattern = star + 1;
            at = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static bool fits_any(const struct cfg_strings *patterns, struct slice text)
{
    for (size_t i = 0; i < patterns->n; i++)
        if (fits(patterns->v[i], text))
            return true;
    return patterns->n == 0;
}

bool syslog_match_is(const struct syslog_match *m, const struct syslog_message *message, struct slice host)
{
    if (m->facilities.n > 0 &&
        (message->priority < 0 || !fits_any(&m->facilities, slice_str(syslog_facility(message->priority)))))
        return false;
    if (m->severity < ALL && (message->priority < 0 || message->priority % 8 > m->severity))
        return false;
    return fits_any(&m->hosts, host) && fits_any(&m->apps, message->app);
}

void syslog_match_check(const struct syslog_match *m, const struct cfg_options *o)
{
    for (size_t i = 0; i < m->facilities.n; i++) {
        bool known = false;
        struct err e;

        for (int priority = 0; priority < 192; priority += 8)
            known |= strcmp(m->facilities.v[i], syslog_facility(priority)) == 0;
        if (known)
            continue;
        (void)err_set(&e, ERR_CONFIG,
                      "match.facilities: `%s` is no facility: kern, user, mail, daemon, auth ... local7",
                      m->facilities.v[i]);
        cfg_options_refuse(o, &e);
    }
}
