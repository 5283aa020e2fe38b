"""What the campaigns with real brokers (tests/servers/broker_campaign.py) check at the end: it must see what is wrong."""

import os
import sys

SERVERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers")
sys.path[:0] = [SERVERS, os.path.join(SERVERS, "senders")]

import broker_campaign  # noqa: E402
import numbered  # noqa: E402

COUNT, GROUPS, SIZE = 12, 2, 30


def stored(*numbers, second=0):
    """One object with these messages."""
    name = f"app-1-2026-11-27-10-00-{second:02d}-00000000-0000-4000-8000-{numbers[0]:012d}"
    return {name: b"".join(numbered.message(n, GROUPS, SIZE) + b"\n" for n in numbers)}


def refused(objects, words, again=(), **allowed):
    try:
        broker_campaign.Check(COUNT, GROUPS, SIZE, again).run(objects, **allowed)
    except AssertionError as e:
        assert words in str(e), e
    else:
        raise AssertionError(f"nothing was found, not even {words!r}")


def passes(objects, again=(), **allowed):
    return broker_campaign.Check(COUNT, GROUPS, SIZE, again).run(objects, **allowed)


def test_a_campaign_passes_when_all_is_there_once_and_in_order(t):
    passes(stored(*range(COUNT)))
    passes(stored(*range(6), second=1) | stored(*range(6, COUNT), second=2))
    passes(stored(*range(6), second=1) | stored(*range(6, COUNT), second=1))  # in one second names say nothing
    passes(stored(1, 0, 3, 2, *range(4, COUNT)))  # groups have no order between them


def test_a_campaign_sees_a_lost_a_foreign_and_a_changed_message(t):
    for number in (0, 5, COUNT - 1):
        refused(stored(*[n for n in range(COUNT) if n != number]), f"1 lost: [{number}]")
    refused(stored(*range(COUNT + 1)), f"1 that nobody sent: [{COUNT}]")
    (name, text), = stored(*range(COUNT)).items()
    refused({name: text.replace(b"x", b"y", 1)}, "not as it was sent")


def test_a_campaign_sees_a_doubled_message_unless_it_may_be(t):
    twice = stored(*range(COUNT), 4, 5)
    refused(twice, "2 doubled, 0 are allowed: [4, 5]")
    refused(twice, "2 doubled, 1 are allowed", most_doubled=1)
    assert passes(twice, most_doubled=2) == 2
    assert passes(twice, again=[4, 5]) == 0, "the sender sent them twice"
    refused(twice, "1 doubled", again=[4])
    refused(stored(*range(COUNT)) | stored(4, second=9), "1 doubled")


def test_a_campaign_sees_disorder_within_an_object_and_between_objects(t):
    refused(stored(2, 1, 0, *range(3, COUNT)), "0 is behind 2 of its group")
    refused(stored(*range(6), second=2) | stored(*range(6, COUNT), second=1), "is behind")
    refused(stored(*range(0, 12, 3), second=1) | stored(*[n for n in range(12) if n % 3], second=1), "is behind")
    passes(stored(2, 1, 0, *range(3, COUNT)), ordered=False)
    passes(stored(2, 1, 0, *range(3, COUNT)), again=[0])
