"""errors.md: which codes there are is read out of the program, what those that are its own mean is said here. A code without a meaning, and a meaning
without a code, are refused."""

import os
import re
import subprocess

STRING = r'"(?:[^"\\]|\\.)*"'
STRINGS = rf"{STRING}(?:\s*{STRING})*"

# --- what the API answers -------------------------------------------------------------------------------------------

API = {
    "ValidationException": ("the body is JSON, and breaks a rule: a member is missing or too long, more than 500 records, more than 4 MiB",
                            "correct the client: the message names the member"),
    "SerializationException": ("the body is not JSON (an SDK for Java may send CBOR), is damaged gzip, or a member has another type; data is not base64", "correct the client: the message says what is wrong and at which byte"),
    "InvalidArgumentException": ("the records of a request are larger than AWS allows, or a stream is to be made, changed or deleted by API", "smaller batches; streams are made in YAML"),
    "ResourceNotFoundException": ("there is no stream of this name, or its inputs have no `api`", "correct the name, or add `api` to the stream's `inputs`"),
    "ProvisionedThroughputExceededException": ("of Kinesis' calls: the stream is pushed back", "clients try again; see `ServiceUnavailableException`"),
    "MalformedHttpRequest": ("too many headers, parameters in the URL, or another Content-Encoding than gzip", "correct the client, or what stands between it and sluice"),
    "AccessDeniedException": ("without credentials, tokens and users: the Host or Origin header is that of another site, as when a web page calls", "`api.hosts` names the hosts that are answered to ([listeners.md](listeners.md))"),
    "MissingAuthenticationTokenException": ("the request shows nothing, and `api.credentials`, `api.tokens` or `api.users` want something", "give the client keys, a token, or a name and a password"),
    "IncompleteSignature": ("the Authorization header lacks a part", "correct the client; a proxy may have dropped headers"),
    "UnrecognizedClientException": ("no `api.credentials` has this access key, or the token, or name and password, is none of `api.tokens` and `api.users`", "use one that is there, or add it and reload"),
    "InvalidSignatureException": ("the signature is another one: the secret differs, the clock is off by more than 15 minutes, or a proxy changed host, path or body",
                                  "compare the secret, set both clocks, let the proxy leave the Host header as it is"),
    "UnknownOperationException": ("there is no call of this name", "calls there are: [api.md](api.md)"),
    "RequestEntityTooLargeException": ("the body is larger than any may be, or than `limits.memory` allows", "smaller batches; the message says how much memory it takes"),
    "ServiceUnavailableException": ("the stream cannot take more (its spool is full, the disk does not answer, memory is short), or sluice stops",
                                    "nothing at the client, SDKs try again; when it goes on, [health.md](health.md#blocked)"),
    "InternalFailure": ("something went wrong that should not", "the log has more; please report it"),
}

# --- what stands in errorCode of the backup, and on the console -----------------------------------------------------

SCRIPT = "correct the script (`sluice transform --stream NAME` tries lines), then `sluice redrive`"
OWN = {
    "Lua.FunctionError": ("the script ended with an error at this record; the message has script and line", SCRIPT),
    "Lua.FunctionTimedOut": ("the script took longer than `timeout` for a record, or `batch_timeout` for a batch", "make it faster, or raise the limit; then `sluice redrive`"),
    "Lua.OutOfMemory": ("the script wanted more memory than its option `memory` allows", "keep less in globals, or raise it; then `sluice redrive`"),
    "Transform.RecordTooLarge": ("what the transform made of the record is larger than a record may be", SCRIPT),
    "Transform.TooLarge": ("what the transforms made of a batch is more than a batch may become", "make less of each record, or a smaller `buffer.size`; then `sluice redrive`"),
    "Transform.LimitExceeded": ("one record became more records or bytes than one may become", "look at what the record holds; it may be a bomb"),
    "ProcessingFailed": ("a record failed in the transform of a stream with partition keys, and its reason was not kept", "the log has the kinds; " + SCRIPT),
    "TransformFailed": ("on console and `/readyz`: 1 % of the last records or more failed in the transform", "the reason behind it and the backup say more"),
    "RecordsRefused": ("on console and `/readyz`: 1 % of the last records or more were refused by the destination", "the reason behind it and the backup say more"),
    "Decompression.InvalidData": ("the record is not gzip, or damaged", "is it gzip? Where only some records are, `not_gzip: pass` lets the others through"),
    "Decompression.LimitExceeded": ("unpacked it is larger than it may be", "look at what the record holds; it may be a bomb"),
    "CloudWatchLogProcessing.InvalidEnvelope": ("the record is no envelope of CloudWatch Logs", "is something else put into the stream?"),
    "RecordDeAggregation.InvalidJson": ("the record is not JSON documents one behind the other", "is something else put into the stream?"),
    "RecordDeAggregation.InvalidKpl": ("an aggregated record of the KPL is damaged", "look at what wrote it"),
    "DynamicPartitioning.MetadataExtractionFailed": ("a partition key's query finds no value in the record, and has no `default`", "a `default` for the key, or another query; then `sluice redrive`"),
    "DynamicPartitioning.KeysTooLarge": ("the keys of the record are larger together than they may be", "use shorter ones"),
    "Delivery.TooFarBehind": ("more than `max_behind` waited for this destination, and it had no place for the batch, so it was not asked", "make it faster, or raise `deliveries_in_flight` or `max_behind`; then `sluice redrive`"),
    "When.PatternGaveUp": ("the pattern of a destination's `when` ran into its limits on this record, so nobody knows whether it is meant for there", "a simpler pattern; then `sluice redrive`"),
    "RecordTooLarge": ("the record alone is larger than a body of this destination may be", "raise `body_limit` where there is one, or cut it in a script"),
    "Refused": ("refused, and more different reasons were given in this batch than are kept", "the others of the batch say more"),
    "MissingField": ("of `elasticsearch`: a field that index, id or routing are made of is not in the record", "correct what writes it, or set it in a script; then `sluice redrive`"),
    "InvalidIndexName": ("of `elasticsearch`: no index can have the name that the record's fields make", "clean the field in a script; then `sluice redrive`"),
    "NotJsonObject": ("of `elasticsearch`: the record is not a JSON object", "a script that makes one of it; then `sluice redrive`"),
    "Splunk.InvalidDataFormat": ("Splunk does not take this event, or it is no event", "see the message; " + SCRIPT),
    "Splunk.AckTimeout": ("Splunk has not confirmed the events in time", "look at the indexers; raise `ack_timeout`"),
    "HttpEndpoint.DestinationException": ("the endpoint answered another status than success; the message has it", "[what an answer means](#http)"),
    "HttpEndpoint.InvalidResponseFromDestination": ("the answer is not what this format has", "is it the right `format` or `preset`?"),
    "HttpEndpoint.ConnectionFailed": ("no connection: name, address, port, proxy", "is it running, and reachable from here?"),
    "HttpEndpoint.ConnectionReset": ("the connection was closed in the middle", "look at the endpoint, and at what stands before it"),
    "HttpEndpoint.RequestTimeout": ("no answer in time", "raise `timeout` if it is slow"),
    "HttpEndpoint.SSLHandshakeFailure": ("no TLS", "[certificates.md](certificates.md)"),
    "HttpEndpoint.ResponseTooLarge": ("the answer is larger than an answer may be", "is it the right address?"),
    "InvalidAnswer": ("of `elasticsearch`: the answer to a bulk request cannot be read", "is it Elasticsearch or OpenSearch? A proxy may answer in its place"),
    "BadDigest": ("of `s3`: the checksum of what arrived is another one than that of what was sent", "look for a proxy that changes request bodies"),
    "NoSpace": ("the disk of `data_dir` has no room for a body", "free space; it goes on by itself"),
    "BodyTooLarge": ("a body would be larger than it may be; it is made again of fewer records", "nothing"),
    "EncodingFailed": ("a body could not be made; the message says why", "see the message; the batch waits"),
    "NoEnd": ("an attempt has been under way for unusually long", "look at the destination; it is tried again by itself"),
    "SlowTransform": ("the transform has been at work on one batch for more than ten seconds", "[health.md](health.md#retrying)"),
    "TooManyObjects": ("as many objects gather or wait as there may be", "[health.md](health.md#retrying)"),
    "IO": ("of `file`: a system error without a name", "see the message"),
}
OWN_FOLDERS = ("sinks/", "transforms/", "pipeline/encode/", "pipeline/delivery/")
NOT_CODES = {"String.Array"}


def own_codes(files):
    """Literals that are given as a code: those with a dot, and what is put where a code belongs."""
    found = set()
    for path, text in files:
        if path.startswith(OWN_FOLDERS):
            found |= set(re.findall(r'"([A-Z]\w+\.[A-Z]\w+)"', text))
            found |= set(re.findall(r'(?:code = |code, sizeof\([^)]*\), |\brefuse\(why, |\bsay\(out, )"([A-Z]\w+)"', text))
            for line in re.findall(r"(?m)^.*(?:\bcode = |\bCODES\[\] = |->code, sizeof).*$", text):
                found |= set(re.findall(r'[?:=] "([A-Z]\w+)"', line))
    return found - NOT_CODES


# --- what destinations answer: their tables -------------------------------------------------------------------------

TABLES = [
    ("S3", "s3", "sinks/s3/answer.c", [("CODES", "its code"), ("STATUSES", "a status, where there is no code, or none that is known"), ("FAILURES", "below HTTP")]),
    ("Elasticsearch and OpenSearch", "elasticsearch", "sinks/elasticsearch/answer.c",
     [("STATUSES", "the request's status"), ("REFUSALS", "400 with these words"), ("EXPIRED", "403 with these words"), ("FAILURES", "below HTTP")]),
    ("HTTP", "http", "sinks/endpoint/answer.c", [("STATUSES", "the request's status"), ("FAILURES", "below HTTP")]),
    ("Splunk", "http", "sinks/endpoint/splunk_answer.c", [("CODES", "its code"), ("STATUSES", "a status")]),
]
ACTS = {"ACT": "you", "PASSES": "nobody", "SPLIT": "nobody: in halves", "REFUSED": "the record: to the backup", "DELIVERED": "nobody: delivered"}
WORDS = {"e": "ADDRESS", "b": "BUCKET", "a": "KEY", "k": "OBJECT", "r": "REGION", "R": "ANOTHER REGION", "f": "THEIR PLACE", "l": "ANOTHER ADDRESS", "s": "STATUS",
         "c": "CODE", "n": "N", "t": "SOME MINUTES", "m": "...", "w": "...", "o": "", "u": "", "P": "Elasticsearch or OpenSearch"}


def text_of(literals):
    return "".join(re.sub(r"\\(.)", r"\1", s[1:-1]) for s in re.findall(STRING, literals))


def plain(text, kind):
    words = {**WORDS, "p": f"destination.{kind}.", "A": f"destination.{kind}.{'endpoint' if kind == 's3' else 'url'}"}
    return re.sub(r"%(.)", lambda m: words[m[1]], text)


def macros(texts):
    """Macros that stand for rows or for texts."""
    found = {}
    for text in texts:
        for name, body in re.findall(r"(?m)^#define (\w+)\s+((?:.*\\\n)*.*)$", text):
            found[name] = body.replace("\\\n", "\n")
    return found


def rows_of(table, known):
    for name, body in known.items():
        table = re.sub(rf"\b{name}\b", lambda m, b=body: b, table)
    row = rf"\{{\s*({STRINGS}),\s*ANSWER_(\w+),\s*({STRINGS}),\s*({STRINGS})\s*\}}"
    return [(text_of(k), means, text_of(m), text_of(h)) for k, means, m, h in re.findall(row, table)]


def destinations(files):
    texts = dict(files)
    lines = []
    for title, kind, path, tables in TABLES:
        known = macros([texts["sinks/answer/explain.h"], texts[path]])
        known = {n: b for n, b in known.items() if n.startswith("ANSWER_") or b.strip().startswith('"')}
        lines += ["", f"### {title}", ""]
        lines += ["| it answers | who acts | what happened | what to do |", "|---|---|---|---|"]
        for name, what in tables:
            inside = re.search(rf"answer_row {name}\[\] = \{{(.*?)(?:\n\}}|\{{0\}}\}});", texts[path], re.S)
            found = rows_of(inside[1], known) if inside else []
            if not found:
                raise SystemExit(f"{path} has no table {name} that docs/error_codes.py can read")
            lines.append(f"| *{what}* | | | |")
            seen = set()
            for key, means, message, hint in found:
                keys = [k for k in key.split("|") if k not in seen]  # the first row that fits counts
                seen.update(keys)
                if keys:
                    lines.append(f"| {', '.join(f'`{k}`' for k in keys)} | {ACTS[means]} | {cell(plain(message, kind))} | {cell(plain(hint, kind))} |")
    return lines


# --- exit codes -------------------------------------------------------------------------------------------------------


def exit_codes(binary):
    def said(*words):
        return subprocess.run([binary, *words], check=True, capture_output=True, encoding="utf-8").stdout

    commands = re.findall(r"(?m)^  (\w+) {2,}|^  (completion) ", said("--help").split("Commands:")[1])
    for command in [a or b for a, b in commands]:
        status = re.search(r"exit status: 0 (.*?), 1 (.*?),\s+2 (.*)", said(command, "--help") + "\n", re.S)
        if status:
            yield [command, *(" ".join(part.split()) for part in status.groups())]


# --- the page -------------------------------------------------------------------------------------------------------


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def table(heads, rows):
    return ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *("| " + " | ".join(r) + " |" for r in rows)]


def compare(what, found, said):
    wrong = [f"docs/error_codes.py does not say what {what} {c} means" for c in sorted(found - set(said))]
    wrong += [f"docs/error_codes.py explains {what} {c}, which is not in the code" for c in sorted(set(said) - found)]
    if wrong:
        raise SystemExit("\n".join(wrong))


def lines(build, sources):
    files = list(sources)
    api = re.findall(r'X\((\w+), (\d+), "(\w+)"\)', dict(files)["pipeline/inputs/api/error.h"])
    compare("the API's", {name for _, _, name in api}, API)
    own = own_codes(files)
    compare("the code", own, OWN)
    out = ["## Exit codes", "",
           "0: done. 1: it failed while working. 2: a mistake in usage or configuration, which does not go away by itself: systemd does not try again.", ""]
    out += table(["`sluice`", "0", "1", "2"], [[f"`{c}`", cell(a), cell(b), cell(d)] for c, a, b, d in exit_codes(os.path.join(build, "sluice"))])
    out += ["", "## What the API answers", "",
            "`{\"__type\": CODE, \"message\": TEXT}` with a status, as Firehose and Kinesis answer. `PutRecordBatch` answers 200 and has `ErrorCode` with each record that was not taken.", ""]
    out += table(["code", "status", "when", "what to do"], [[f"`{name}`", status, *map(cell, API[name])] for _, status, name in api])
    out += ["", "## Codes of records in the backup", "",
            "They stand as `errorCode` in error objects, with `errorMessage`; in the log as `code` and `reason`; as `code` of `sluice_delivery_results_total`; on the console. Of records that a "
            "destination refused it is the destination's code or status (`400` of Elasticsearch, with the kind of exception in the message): [below](#codes-of-destinations). Of `file` it is the system's "
            "name of the error (`ENOSPC`, `EACCES`, `ENAMETOOLONG`).", ""]
    out += table(["code", "what it is", "what to do"], [[f"`{c}`", *map(cell, OWN[c])] for c in sorted(own)])
    out += ["", "## Codes of destinations", "",
            "Who acts: *you*, attempts go on and the records wait until somebody has put it right; *nobody*, attempts go on and after `retry.duration` the records go to the backup, if there is one. "
            "How that is decided: [refusals.md](refusals.md). `*` stands for any text. `...` are the far end's own words."]
    return out + destinations(files)
