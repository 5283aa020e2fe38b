/* A word is looked for in the list as it is; one of several words, as codes are, at its capitals. */
#include "sinks/answer/match.h"

#include "pipeline/base/compiler.h"

#include <ctype.h>
#include <string.h>

#define LONGEST ((size_t)20)

/* Each between two blanks. */
static const char *const WORDS[] = {
    " abort aborted about above accept acceptable accepted accepts access account action address administrator ",
    " after again against ago alias all allow allowed allows already also an and another any api app application ",
    " are argument arguments array as ascending ascii at attribute attributes authenticate authenticated ",
    " authentication authorization authorize authorized available aws bad base64 batch be because been before ",
    " begin beginning being below between beyond blank block blocked body bool boolean both bounds brace bracket ",
    " bucket busy but by byte bytes calculated can canceled cancelled cannot capacity cause caused certificate ",
    " certificates character characters check checksum client clients close closed cluster code codes colon ",
    " column com comma compile compiled complete completed compressed compression concurrent conflict conflicts ",
    " connection connections constraint contact contain contained containing contains content control cookie ",
    " corrupt corrupted could credential credentials cross current currently data database date dates days decode ",
    " decoded decoding delete denied deny descending description detail details did difference digest digit ",
    " digits disabled disk dns do docs document documentation documents does doing done double down duplicate ",
    " during dynamic each elasticsearch element elements empty enable enabled encoded encoding end ended ending ",
    " endpoint entity entries entry eof equal equals error errors escape event events exceed exceeded exceeds ",
    " exception exist existing exists expected expire expired expires fail failed fails failure false field ",
    " fields first float for forbidden format formatted found from full function future gateway get given go got ",
    " greater gzip had handle handling handshake has have he head header headers help here host hour hours html ",
    " http https id ids if illegal implemented in include included incomplete index indices information ingester ",
    " ingestion input instead int integer internal internally into introduction invalid ip is it item items its ",
    " java json just key keys label labels lang large larger last later leading least left length less letter ",
    " letters like limit limited limits line lines list literal logged login loki long looking lookup malformed ",
    " many map mapper mapping match matched matches max maximum may me media member message messages method might ",
    " min minimum minute minutes mismatch missing module more most moved must my name names near nested net ",
    " network new newline next no node nodes nor not now null number numbers numeric object objects of off offset ",
    " old on one only opensearch operation option options or order org organization origin other our out output ",
    " over overloaded owner page param parameter parameters parse parsed parser parsing past path pattern payload ",
    " payment per perform performed permanently permission permissions permitted pipeline plain please policy ",
    " port position post precondition prefix premature previous primary process processed processing project ",
    " properties property provide provided proxy public put query quota quote quoted quotes range ranges rate ",
    " reach reached read reading reason reasons receive received recognized record records redirect reduce ",
    " refused regex region reject rejected replica request requests require required requires reserved resource ",
    " response retry right role roles root row rows runtime same schema script second seconds see send sending ",
    " sent sequence server service services session set setting settings shard shards short should signature ",
    " signed simultaneous since site size slow small smaller snapshot so some sort sorted source space specified ",
    " splunk ssl stack start started status still storage stream streams strict string strings such suffix ",
    " summary support supported syntax system systems tab table tag tags target template temporarily temporary ",
    " tenant text than that the their then there this throttle throttled throttling throughput time timed timeout ",
    " times timestamp timestamps title tls to token tokens too trace trailing true trusted try two type types ",
    " unable unauthorized unavailable unbalanced unclosed under understand unexpected unique unknown unreachable ",
    " unrecognized unsupported unterminated until up upon upstream uri url us user users utf uuid valid validate ",
    " validated validation value values verified verify version very via was we web what when where wherever ",
    " which while whitespace who will with within without would write writes writing wrong xml yaml yes yet you ",
    " your zstd ",
};

static bool is_listed(struct slice word)
{
    char key[LONGEST + 3] = " ";

    if (word.n > LONGEST)
        return false;
    for (size_t i = 0; i < word.n; i++)
        key[1 + i] = (char)tolower((unsigned char)word.p[i]);
    key[1 + word.n] = ' ';
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++)
        if (strstr(WORDS[i], key))
            return true;
    return false;
}

bool answer_is_common(struct slice word)
{
    if (is_listed(word))
        return true;
    for (size_t from = 0, to; from < word.n; from = to) {
        for (to = from + 1; to < word.n && !isupper((unsigned char)word.p[to]);)
            to++;
        if (to - from == word.n || !is_listed(slice_of(word.p + from, to - from)))
            return false;
    }
    return word.n > 0;
}
