"""Slow twins of the kernels that order, copy, frame and join: arguments in, answer out.

A twin looks at arrays only, and calls nothing it judges. Its answer is made of lists, numbers and texts.
"""

from __future__ import annotations

import itertools

from tests.kernels import twins
from tests.kernels.name_twins import Arguments, byte_texts


def words(given: Arguments) -> list[int]:
    """Of eight bits a byte."""
    texts, depth, ranks = byte_texts(given[0], given[1]), given[3], given[4].tolist()
    found = [bytes(ranks[b] for b in texts[r][depth : depth + 8]) for r in given[2].tolist()]
    return [int.from_bytes(word.ljust(8, b"\0"), "big") for word in found]


def letters(given: Arguments) -> list[bool]:
    standing = {byte for text in byte_texts(given[0], given[1]) for byte in text[given[2] :]}
    return [byte in standing for byte in range(256)]


def spelt(given: Arguments) -> tuple[list[int], bytes]:
    """Of four bits a byte."""
    first, letters_ = given[3].tobytes(), given[2].tolist()
    texts = []
    for word in given[0].tolist():
        ranks = [int(digit, 16) for digit in f"{word:016x}".rstrip("0")]
        texts.append(first + bytes(letters_[rank] for rank in ranks))
    return [0, *itertools.accumulate(map(len, texts))], b"".join(texts)


def prefix(given: Arguments) -> tuple[int, int]:
    texts = byte_texts(*given)
    shortest = min(map(len, texts))
    return max(k for k in range(shortest + 1) if len({text[:k] for text in texts}) == 1), len(texts)


def in_order(given: Arguments) -> tuple[bool, int]:
    texts = byte_texts(*given)
    return texts == sorted(texts), len(texts)


def among(given: Arguments) -> list[int]:
    cuts = byte_texts(given[2], given[3])
    return [sum(cut <= text for cut in cuts) for text in byte_texts(given[0], given[1])]


def numbered_by_hash(given: Arguments) -> tuple[list[int], list[int]]:
    hashes, order, texts = given[0].tolist(), given[1].tolist(), byte_texts(given[2], given[3])
    firsts: dict[tuple[int, bytes], int] = {}
    for found, row in zip(hashes, order, strict=True):
        firsts.setdefault((found, texts[row]), row)
    number = {key: place for place, key in enumerate(firsts)}
    of_row = {row: number[found, texts[row]] for found, row in zip(hashes, order, strict=True)}
    return [of_row[row] for row in range(len(texts))], list(firsts.values())


def offsets_of_rows(given: Arguments) -> list[int]:
    lengths = [b - a for a, b in itertools.pairwise(given[0].tolist())]
    return [0, *itertools.accumulate(lengths[row] if row >= 0 else 0 for row in given[1].tolist())]


def copied(given: Arguments) -> bytes:
    texts = byte_texts(given[0], given[1])
    return b"".join(texts[row] if row >= 0 else b"" for row in given[2].tolist())


def placed(given: Arguments) -> bytes:
    texts = byte_texts(given[0], given[1])
    at = dict(zip(given[3].tolist(), given[2].tolist(), strict=True))
    return b"".join(texts[at[place]] for place in sorted(at))


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value % 128 + 128]) + _varint(value // 128)


def _zigzag(value: int) -> bytes:
    return _varint(2 * value if value >= 0 else -2 * value - 1)


def packed_lengths(given: Arguments) -> bytes:
    """DELTA_BINARY_PACKED as the Parquet format tells it: blocks of 128 differences in parts of 32."""
    bounds = itertools.pairwise(given[0].tolist())
    lengths = [b - a for (a, b), known in zip(bounds, given[1].tolist(), strict=True) if known]
    out = _varint(128) + _varint(4) + _varint(len(lengths)) + _zigzag(lengths[0] if lengths else 0)
    deltas = [b - a for a, b in itertools.pairwise(lengths)]
    for start in range(0, len(deltas), 128):
        block = deltas[start : start + 128]
        parts = [[d - min(block) for d in block[k : k + 32]] for k in range(0, 128, 32)]
        widths = [max(part, default=0).bit_length() for part in parts]
        out += _zigzag(min(block)) + bytes(widths)
        for part, width in zip(parts, widths, strict=True):
            if part:
                out += sum(d << (i * width) for i, d in enumerate(part)).to_bytes(4 * width, "little")
    return out


def packed_numbers(given: Arguments) -> bytes:
    """Bit-packed as the Parquet format tells it, in groups of eight numbers."""
    values, width = given[0].tolist(), given[1]
    groups = -(-len(values) // 8)
    return sum(v << (i * width) for i, v in enumerate(values)).to_bytes(groups * width, "little")


def front_coded(given: Arguments) -> tuple[list[int], list[int], bytes] | None:
    """Of each text how many bytes it has in common with the one before, and the others; None out of order."""
    texts, page = byte_texts(given[0], given[1]), given[2]
    if texts != sorted(texts):
        return None
    shared, own = [], []
    for row, text in enumerate(texts):
        before = texts[row - 1] if row % page else b""
        shared.append(max(k for k in range(len(text) + 1) if before.startswith(text[:k])))
        own.append(text[shared[-1] :])
    return shared, [len(text) for text in own], b"".join(own)


def framed(given: Arguments) -> list[bytes]:
    frames = byte_texts(given[0], given[1])
    columns = byte_texts(given[3], given[4]), byte_texts(given[5], given[6])
    key = int(given[7]).to_bytes(8, "little") + int(given[8]).to_bytes(8, "little")
    rows = zip(given[2].tolist(), *columns, strict=True)
    return [twins.siphash128(key, frames[f] + a + frames[g] + b + frames[h]) for (f, g, h), a, b in rows]


def ordered(given: Arguments) -> tuple[list[int], list[int]]:
    place = given[0].tolist()
    starts = [sum(p < k for p in place) for k in range(given[1].shape[0])]
    return starts, sorted(range(len(place)), key=place.__getitem__)


def joined(given: Arguments) -> tuple[list[int], list[int]]:
    """The least node of every component, and what became of each edge: 0 within, 1 joined, 2 cut."""
    source, single = given[2].tolist(), given[3].tolist()
    members = [{node} for node in range(len(source))]
    outcome = []
    for a, b in zip(given[0].tolist(), given[1].tolist(), strict=True):
        one, other = members[a], members[b]
        if one is other:
            outcome.append(0)
            continue
        clash = {source[n] for n in one if single[source[n]]} & {source[n] for n in other}
        if clash and (len(one) > 1 or len(other) > 1 or source[a] != source[b]):
            outcome.append(2)
            continue
        one |= other
        for node in other:
            members[node] = one
        outcome.append(1)
    return [min(own) for own in members], outcome
