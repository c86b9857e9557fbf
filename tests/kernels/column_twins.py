"""Slow twins of the kernels on columns of codes, keys, blocks and bytes: arguments in, answer out.

A twin looks at arrays only, and calls nothing it judges. Its answer is made of lists, numbers and texts.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from typing import Any

import numpy as np

from tests.kernels import twins
from tests.kernels.name_twins import Arguments, byte_texts, combined, start_of_keys


def _digits_of(code: int) -> str:
    length, value = code >> 56, code & ((1 << 56) - 1)
    return f"{value:0{length}d}" if length else ""


def _value_pairs(given: Arguments) -> list[tuple[int, int]]:
    columns = zip(given[2].tolist(), given[3].tolist(), strict=True)
    return [(int(given[0][i]), int(given[1][j])) for i, j in columns]


def facts_of_numbers(given: Arguments) -> list[set[str]]:
    return [twins.identifier_facts(_digits_of(a), _digits_of(b)) for a, b in _value_pairs(given)]


def numbers_read(given: Arguments) -> list[tuple[int, int]]:
    texts = [text.decode() for text in byte_texts(given[0], given[1])]
    return [(int(t), len(t)) if re.fullmatch("[0-9]{1,16}", t) else (0, 0) for t in texts]


def facts_of_dates(given: Arguments) -> list[set[str]]:
    def day(code: int) -> twins.Day | None:
        return (code >> 9, (code >> 5) & 15, code & 31) if code else None

    return [twins.date_facts(day(a), day(b)) for a, b in _value_pairs(given)]


def relations_of_sets(given: Arguments) -> list[int]:
    _, _, _, _, offsets, members, provinces, _ = given
    sets = [set(members[a:b].tolist()) for a, b in itertools.pairwise(offsets)]
    out = []
    for a, b in _value_pairs(given):
        if a < 0 or b < 0:
            out.append(1)
            continue
        same_province = provinces[a] >= 0 and provinces[a] == provinces[b]
        out.append(2 * (a == b) + 4 * bool(sets[a] & sets[b]) + 8 * int(same_province))
    return out


def values_held(given: Arguments) -> list[int]:
    bits, _, values, rows, _ = given
    marks = "".join(f"{word:064b}"[::-1] for word in bits.tolist())
    held = dict(zip((row for row, mark in enumerate(marks) if mark == "1"), values.tolist(), strict=True))
    return [held.get(row, 0) for row in rows.tolist()]


def relations_of_codes(given: Arguments) -> list[int]:
    return [1 if not (a and b) else 2 * (a == b) for a, b in _value_pairs(given)]


def relations_of_aliases(given: Arguments) -> list[int]:
    codes, aliases, left, right, bit, before = given
    out = []
    for i, j, held in zip(left.tolist(), right.tolist(), before.tolist(), strict=True):
        a, b = int(codes[i]), int(codes[j])
        meets = (a and a in aliases[j].tolist()) or (b and b in aliases[i].tolist())
        out.append(held | int(bit) if meets else held)
    return out


def held(given: Arguments) -> list[int]:
    flags, left, bit, before = given
    return [
        old | int(bit) if flags[i] else old for i, old in zip(left.tolist(), before.tolist(), strict=True)
    ]


def patterns(given: Arguments) -> list[int]:
    """Postfix conditions, a pair at a time.

    0 any bit, 1 at least, 2 at most, 3 and, 4 or, 5 not, 6 always, 7 take the level.
    """
    programme, starts, radix, bits, numbers, n, _ = given
    out = []
    for pair in range(n):
        pattern = 0
        for part, step in enumerate(radix.tolist()):
            stack: list[bool] = []
            for what, slot, operand in programme[starts[part] : starts[part + 1]].tolist():
                if what == 7:
                    if stack.pop():
                        pattern += operand * step
                        break
                elif what in (3, 4):
                    one, other = stack.pop(), stack.pop()
                    stack.append((one and other) if what == 3 else (one or other))
                elif what == 5:
                    stack.append(not stack.pop())
                elif what == 6:
                    stack.append(True)
                elif what == 0:
                    stack.append(bool(int(bits[slot, pair]) & operand))
                else:
                    value = int(numbers[slot, pair])
                    stack.append(value >= operand if what == 1 else value <= operand)
        out.append(pattern)
    return out


def histogram(given: Arguments) -> list[int]:
    found, n, before = given
    counts = Counter(found[:n].tolist())
    return [old + counts[pattern] for pattern, old in enumerate(before.tolist())]


def scores(given: Arguments) -> list[tuple[int, ...]]:
    found, left, right, weights, asked, blind, blind_asked, repeated, frequency, repeats, floor, rows = given[
        :12
    ]
    out = []
    for pattern, a, b in zip(found.tolist(), left.tolist(), right.tolist(), strict=True):
        known, unknown = int(weights[pattern]), int(blind[pattern])
        if asked[pattern] >= 0:
            known += int(frequency[b, asked[pattern]])
        if blind_asked[pattern] >= 0:
            unknown += int(frequency[b, blind_asked[pattern]])
        if repeated[pattern]:
            known += int(repeats[a])
        if max(known, unknown) >= floor:
            out.append((int(rows[a]), int(rows[b]), pattern, known, unknown))
    return out


def reached(given: Arguments) -> list[tuple[int, int, int]]:
    found, left, right, empty, weights, asked, blind, blind_asked = given[:8]
    repeated, frequency, repeats, floor, places = given[8:13]
    out = []
    for pattern, a, b in zip(found.tolist(), left.tolist(), right.tolist(), strict=True):
        known, unknown = int(weights[empty[a], pattern]), int(blind[empty[a], pattern])
        if asked[pattern] >= 0:
            known += int(frequency[b, asked[pattern]])
        if blind_asked[pattern] >= 0:
            unknown += int(frequency[b, blind_asked[pattern]])
        if repeated[pattern]:
            known += int(repeats[a])
        if max(known, unknown) >= floor:
            out.append((a, b, int(places[pattern])))
    return out


def start_keys(given: Arguments) -> list[int]:
    return [start_of_keys(int(given[0]))] * given[1].shape[0]


def folded(given: Arguments) -> list[int]:
    codes, missing, before = given
    out = []
    for code, key in zip(codes.tolist(), before.tolist(), strict=True):
        out.append(0 if not key or code == missing else combined(key, code) or 1)
    return out


def key_index(given: Arguments) -> list[int]:
    keys, bits, starts = given
    tops = Counter(key >> (64 - bits) if bits else 0 for key in keys.tolist())
    at = [0]
    for bucket in range(starts.shape[0] - 1):
        at.append(at[-1] + tops[bucket])
    return at


def looked_up(given: Arguments) -> list[int]:
    keys, values, _, _, wanted, _ = given
    table = dict(zip(keys.tolist(), values.tolist(), strict=True))
    return [table.get(key, 0) for key in wanted.tolist()]


def partitioned(given: Arguments) -> tuple[list[int], list[tuple[int, int]]]:
    keys, first, bits = given[:3]
    parts: list[list[tuple[int, int]]] = [[] for _ in range(1 << bits)]
    for row, own in enumerate(keys.tolist(), start=first):
        for key in own:
            if key:
                parts[key >> (64 - bits)].append((key, row))
    return np.cumsum([0, *map(len, parts)]).tolist(), [pair for part in parts for pair in part]


def partition_order(given: Arguments) -> tuple[list[int], list[int]]:
    parts = given[0].tolist()
    counts = Counter(parts)
    starts = np.cumsum([0, *(counts[part] for part in range(given[1].shape[0] - 1))]).tolist()
    return starts, sorted(range(len(parts)), key=parts.__getitem__)


def ordered(given: Arguments) -> list[tuple[int, int]]:
    pairs = zip(given[0].tolist(), given[1].tolist(), strict=True)
    return sorted(pairs, key=lambda pair: pair[0])


def ranks(given: Arguments) -> tuple[list[int], list[int]]:
    rows = given[0].tolist()
    distinct = sorted(set(rows))
    place = {row: k for k, row in enumerate(distinct)}
    return distinct, [place[row] for row in rows]


def blocks_split(given: Arguments) -> tuple[Any, ...]:
    keys, rows = given[0].tolist(), given[1].tolist()
    n_register, candidates, most, among = given[2:6]
    members: list[int] = []
    useful, burning = [], []
    pairs = [0, 0, 0]
    largest = start = 0
    for number, (key, block) in enumerate(itertools.groupby(zip(keys, rows, strict=True), lambda kr: kr[0])):
        own = [row for _, row in block]
        held = sum(1 for row in own if among or row < n_register)
        mixed, inner = held * (len(own) - held), held * (held - 1) // 2
        pairs[2] += mixed + inner
        largest = max(largest, len(own))
        if held > candidates or mixed > most:
            burning.append([number, start, start + len(own)])
        elif mixed or inner:
            useful.append((len(own), held, key, number))
            members += own
            pairs[0] += mixed
            pairs[1] += inner
        start += len(own)
    totals = [len(useful), len(members), pairs[0], pairs[1], len(burning), pairs[2], largest]
    return members, useful, burning, totals


def folded_any(given: Arguments) -> list[list[int]]:
    """Each code taken into the keys by itself; a key that came before is left out."""
    keys, codes, _ = given
    columns = [folded((column, 0, keys)) for column in codes.T]
    return [
        [key if key not in row[:place] else 0 for place, key in enumerate(row)]
        for row in zip(*columns, strict=True)
    ]


def among(given: Arguments) -> list[bool]:
    known = set(given[1].tolist()) - {0}
    return [key in known for key in given[0].tolist()]


def codes_of_sets(given: Arguments) -> list[list[int]]:
    sets, offsets, members, out = given
    width = out.shape[1]
    inside = [members[a:b].tolist() for a, b in itertools.pairwise(offsets.tolist())]
    rows = [[m + 1 for m in inside[one][:width]] if one >= 0 else [] for one in sets.tolist()]
    return [row + [0] * (width - len(row)) for row in rows]


def unsettled(given: Arguments) -> tuple[list[int], list[int], list[int]]:
    starts, members, registers, settled, first = given[:5]
    gone = {first + at for at in range(8 * settled.shape[0]) if settled[at // 8] >> (at % 8) & 1}
    out: list[int] = []
    edges, kept = [0], []
    for block, (begin, stop) in enumerate(itertools.pairwise(starts.tolist())):
        inside = members[begin:stop].tolist()
        known = int(registers[block])
        agencies = [row for row in inside[known:] if row not in gone]
        if agencies:
            out += inside[:known] + agencies
            edges.append(len(out))
            kept.append(block)
    return out, edges, kept


def contested(given: Arguments) -> tuple[list[int], list[int], list[int]]:
    starts, members, registers, own, first = given[:5]
    out: list[int] = []
    edges, kept = [0], []
    for block, (begin, stop) in enumerate(itertools.pairwise(starts.tolist())):
        inside = members[begin:stop].tolist()
        persons = inside[: registers[block]]
        left = []
        for row in inside[registers[block] :]:
            person = own[row - first]
            if person != 0xFFFFFFFF and (len(persons) > 1 or any(other != person for other in persons)):
                left.append(row)
        if left:
            out += persons + left
            edges.append(len(out))
            kept.append(len(persons))
    return out, edges, kept


def rivals(given: Arguments) -> list[tuple[int, int]]:
    """Pairs whose table entry, by fields decoded one by one, exceeds what the record asks."""
    starts, members, registers, words, least, own, table, steps = given[:8]

    def fields(row: int) -> list[int]:
        one, two = (int(word) for word in words[row, :2])
        return [one >> 16 * k & 0x7FFF for k in range(4)] + [two >> 10 * k & 0x1FF for k in range(6)]

    def entry(a: int, b: int) -> int:
        out = 0
        for k, (x, y) in enumerate(zip(fields(a), fields(b), strict=True)):
            out += 3**k * (0 if not x or not y else 1 if x == y else 2)
        thirds = [int(words[row, 2]) & ((1 << 59) - 1) for row in (a, b)]
        numbers = [_digits_of(third >> 54 << 56 | third & ((1 << 54) - 1)) for third in thirds]
        if not all(numbers):
            return out
        if numbers[0] == numbers[1]:
            return -1
        return out + 3**10 * (2 if "different" in twins.identifier_facts(*numbers) else 1)

    out = []
    for block, (begin, stop) in enumerate(itertools.pairwise(starts.tolist())):
        middle = begin + int(registers[block])
        for one in range(middle, stop):
            for other in range(begin, middle):
                at = entry(one, other)
                term = int(steps[int(words[other, 2]) >> 59])
                weights = [int(w) for w in table[at]]
                known, blind = max(weights[0], weights[1] + term), max(weights[2], weights[3] + term)
                rival = at < 0 or known > least[one, 0] or blind > least[one, 1]
                if rival and members[other] != own[one]:
                    out.append((int(members[one]), int(members[other])))
    return out


def counted(given: Arguments) -> tuple[list[int], list[int], list[tuple[int, int, int]], list[int]]:
    keys, places, group = (column.tolist() for column in given[:3])
    everywhere, here = [0] * len(keys), [0] * len(keys)
    bearers = Counter(key for key in keys if key)
    own = Counter((key, group[place]) for key, place in zip(keys, places, strict=True) if key)
    for key, place in zip(keys, places, strict=True):
        if key:
            everywhere[place] = bearers[key]
            here[place] = own[key, group[place]] if group[place] else 0
    table = [(key, of, count) for (key, of), count in sorted(own.items())]
    counts = list(bearers.values())
    totals = [counts.count(1), counts.count(2), sum(count * (count - 1) for count in counts)]
    return everywhere, here, table, totals


def found_runs(given: Arguments) -> list[tuple[int, int]]:
    keys, groups, counts = (column.tolist() for column in given[:3])
    own = dict(zip(zip(keys, groups, strict=True), counts, strict=True))
    bearers: Counter[int] = Counter()
    for key, count in zip(keys, counts, strict=True):
        bearers[key] += count
    asked = zip(given[3].tolist(), given[4].tolist(), strict=True)
    return [(bearers[key] if key else 0, own.get((key, of), 0) if key and of else 0) for key, of in asked]


def repeats(given: Arguments) -> list[int]:
    keys, places, kinds = (column.tolist() for column in given[:3])
    own = Counter((key, kinds[place]) for key, place in zip(keys, places, strict=True) if key)
    out = given[3].tolist()
    for key, place in zip(keys, places, strict=True):
        if key:
            out[place] = own[key, kinds[place]]
    return out


def known(given: Arguments) -> list[int]:
    keys, wanted, places = (column.tolist() for column in given[:3])
    own, there = set(keys), dict(zip(places, wanted, strict=True))
    return [int(there[place] in own) for place in range(len(wanted))]


def block_pairs(given: Arguments) -> list[tuple[int, int]]:
    """Pairs of a rule's blocks that share no key of the rule before it, in the order of blocks and places."""
    starts, members, registers, _, mode, _, keys = given[:7]
    room = given[9].shape[0]
    out: list[tuple[int, int]] = []
    for block, (begin, stop) in enumerate(itertools.pairwise(starts.tolist())):
        inside = members[begin:stop].tolist()
        known = int(registers[block])
        for a, one in enumerate(inside):
            for b, other in enumerate(inside):
                meets = a < known <= b if mode == 0 else a < b < known if mode == 1 else a < b
                if meets and keys[one, 0] != keys[other, 0]:
                    out.append((other, one) if mode == 0 else (one, other))
    return out[:room]


def owned(given: Arguments) -> list[int]:
    keys, _, _, left, right, _ = given
    pairs = zip(left.tolist(), right.tolist(), strict=True)
    return [int(keys[a, 0] != 0 and keys[a, 0] == keys[b, 0]) for a, b in pairs]


def narrowed_pairs(given: Arguments) -> tuple[list[int], list[tuple[int, int]]]:
    pairs = list(zip(given[1].tolist(), given[2].tolist(), strict=True))
    held = sorted({row for pair in pairs for row in pair})
    place = {row: at for at, row in enumerate(held)}
    return held, [(place[a], place[b]) for a, b in sorted(pairs, key=lambda pair: pair[1])]


def block_counts(given: Arguments) -> list[list[int]]:
    sizes, registers = np.diff(given[0]).tolist(), given[1].tolist()
    return [[r * (s - r), sum(range(r))] for s, r in zip(sizes, registers, strict=True)]


def slips(given: Arguments) -> set[tuple[int, int]]:
    """Pairs of places and rows one slip apart; needs a limit that no code reaches."""
    codes, known, rows = given[:3]
    holders: dict[int, list[int]] = {}
    for code, row in zip(known.tolist(), rows.tolist(), strict=True):
        holders.setdefault(code, []).append(row)
    out = set()
    for place, code in enumerate(codes.tolist()):
        for other in twins.one_slip_away(_digits_of(code)):
            out |= {(place, row) for row in holders.get(twins.identifier_code(other), [])}
    return out


def line_count(given: Arguments) -> int:
    return len(re.findall(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", given[0][: given[1]].tobytes()))


def records(given: Arguments) -> tuple[list[list[bytes]], list[int]]:
    """The cells of every record, without their quotes, and where each record begins; one line a record."""
    lines = given[0].tobytes().splitlines(keepends=True)
    cells = [
        [
            quoted or plain
            for quoted, plain in re.findall(rb'(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))', line.rstrip())
        ]
        for line in lines
    ]
    return cells, np.cumsum([0, *map(len, lines)]).tolist()[:-1]


def cuts(given: Arguments) -> list[tuple[int, int]]:
    """The first line that begins at or after each target, and its number."""
    ends = np.cumsum([0, *map(len, given[0].tobytes().splitlines(keepends=True))]).tolist()
    places = [next(k for k, end in enumerate(ends) if end >= target) for target in given[8].tolist()]
    return [(ends[k], k + 1) for k in places]


def cells(given: Arguments) -> list[bytes]:
    whole = given[0].tobytes()
    spans = zip(given[1].tolist(), given[2].tolist(), given[3].tolist(), strict=True)
    return [whole[a:b].replace(b'""', b'"') if twice else whole[a:b] for a, b, twice in spans]


def hashes(given: Arguments) -> list[int]:
    secret = int(given[2])
    out = []
    for text in byte_texts(given[0], given[1]):
        state = twins.splitmix64(secret ^ len(text))
        for at in range(0, len(text), 8):
            state = combined(state, int.from_bytes(text[at : at + 8], "big"))
        out.append(twins.splitmix64(state))
    return out


def content_ids(given: Arguments) -> list[bytes]:
    key = int(given[2]).to_bytes(8, "little") + int(given[3]).to_bytes(8, "little")
    return [twins.siphash128(key, text) for text in byte_texts(given[0], given[1])]
