"""The messages of a campaign, and what every sender of them has in common. It runs in the environment of somebody else's
client, too, so there is nothing here but the standard library.

A sender is a program: it sends all messages of numbered(), those of one group in order, again until the server has called
them safe. Whatever it sends again without knowing what became of it before, it tells with again(): such a message may be there
twice, and may have lost its place. It ends with 0 when the server has all.
"""

import os
import sys
import time


MIXED = -1  # a size: most messages are short, some are up to the largest that a record may be
LARGEST = 10 << 20


def message(number, groups, size):
    """Its text, with up to `size` bytes behind its number. Groups take turns, and within one the numbers go up."""
    head = b"g%d-%07d " % (number % groups, number)
    if size != MIXED:
        return head + b"x" * (number * 7919 % (size + 1))
    for every, most in ((4999, LARGEST), (997, 4 << 20), (101, 200_000)):
        if number % every == every - 1:
            return head + b"x" * (most - len(head) - number // every % 3)
    return head + b"x" * (number * 7919 % 1000)


def parse(text):
    """(group, number) of a message."""
    group, _, rest = text.partition(b" ")[0].partition(b"-")
    return int(group[1:]), int(rest)


def numbered(count, groups, rate):
    """(number, group, text) of each, `rate` a second on average: what was missed while the server was away comes in a burst."""
    began, size = time.monotonic(), int(os.environ["MESSAGE_SIZE"])
    for number in range(count):
        if number % 50 == 0:
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
        yield number, number % groups, message(number, groups, size)


def again(numbers):
    for number in numbers:
        print("again", number)
    sys.stdout.flush()
