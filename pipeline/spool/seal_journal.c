/* The journal that lies in the spool's log: each call is the spool's of the same name (spool.h). */
#include "pipeline/spool/seal_journal.h"

static struct spool_reader *reader_of(const struct seal_journal *j)
{
    return CONTAINER_OF(j, const struct spool_journal, journal)->reader;
}

static struct spool_cursor cut(const struct seal_journal *j)
{
    return spool_cut(reader_of(j));
}

static void seal(struct seal_journal *j, const struct seal *s, const struct spool_cursor *end, struct spool_wait *w)
{
    spool_seal(reader_of(j), s, end, w);
}

static void progress(struct seal_journal *j, uint64_t seal_first, struct slice bytes, struct spool_wait *w)
{
    spool_progress(reader_of(j), seal_first, bytes, w);
}

static void settle(struct seal_journal *j, uint64_t seal_first, const struct seal_result *result)
{
    spool_settle(reader_of(j), seal_first, result);
}

static bool pending(const struct seal_journal *j, size_t index, struct seal *out)
{
    return spool_pending_seal(reader_of(j), index, out);
}

static uint32_t version(struct seal_journal *j, const unsigned char hash[32])
{
    return spool_config_version(reader_of(j), hash);
}

static const struct seal_journal_ops SPOOL = {cut, seal, progress, settle, pending, version};

void spool_journal_init(struct spool_journal *j, struct spool *spool, struct spool_reader *reader)
{
    *j = (struct spool_journal){.journal.ops = &SPOOL, .spool = spool, .reader = reader};
}
