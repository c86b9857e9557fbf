"""Slow and obvious twins of the kernels, and what the tests feed them. Imports nothing it judges."""

from __future__ import annotations

import functools
import itertools
import random
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SURNAMES = "Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý Âu Tôn".split()
MIDDLES = "Thị Văn Ngọc Hữu Đức Minh Thanh Quốc Xuân Kim Thất Nữ Phạm Trần".split()
TONES = "\u0300\u0301\u0303\u0309\u0323"
GIVEN = (
    "Trang Thảo Linh Anh Phương Hằng Huyền Tuấn Hoàng Huy Hiếu Hùng Thúy Nghĩa Khánh Vy Dũng Lan Ý".split()
)


def levenshtein(a: Sequence[object], b: Sequence[object]) -> int:
    """Insertions, deletions and substitutions: Wagner and Fischer (1974)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y)))
    return row[-1]


def osa(a: Sequence[object], b: Sequence[object]) -> int:
    """Levenshtein and swaps of neighbours, no place touched twice."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, j in itertools.product(range(len(a) + 1), range(len(b) + 1)):
        if i == 0 or j == 0:
            table[i][j] = i + j
            continue
        change = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
        table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, change)
        if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
            table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


def jaro(a: Sequence[object], b: Sequence[object]) -> float:
    """Jaro (1989): matches within a window, half the matches out of order."""
    if not a and not b:
        return 1.0
    window = max(len(a), len(b)) // 2 - 1
    if len(a) == len(b) == 1:
        window = 0
    partner: dict[int, int] = {}
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            if abs(i - j) <= window and x == y and j not in partner.values():
                partner[i] = j
                break
    if not partner:
        return 0.0
    matched_a = [a[i] for i in sorted(partner)]
    matched_b = [b[j] for j in sorted(partner.values())]
    common = len(partner)
    swapped = sum(x != y for x, y in zip(matched_a, matched_b, strict=True)) // 2
    return (common / len(a) + common / len(b) + (common - swapped) / common) / 3.0


def jaro_winkler(a: Sequence[object], b: Sequence[object]) -> float:
    """Winkler (1990): 0.1 for each of four common first characters, above 0.7."""
    value = jaro(a, b)
    prefix = 0
    for x, y in zip(a[:4], b[:4], strict=False):
        if x != y:
            break
        prefix += 1
    if value > 0.7:
        value = min(1.0, value + prefix * 0.1 * (1.0 - value))
    return value


def _replaced(a: str, b: str) -> bool:
    return len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) == 1


def _swapped(a: str, b: str) -> bool:
    return a != b and any(a[:k] + a[k + 1] + a[k] + a[k + 2 :] == b for k in range(len(a) - 1))


def _dropped(longer: str, shorter: str) -> bool:
    return any(longer[:k] + longer[k + 1 :] == shorter for k in range(len(longer)))


def identifier_facts(a: str, b: str) -> set[str]:
    """What two digit strings have to do with one another; empty is none."""
    if not a or not b:
        return {"null"}
    if a == b:
        return {"exact"}
    facts = set()
    if _replaced(a, b):
        facts.add("one_digit")
    if _swapped(a, b):
        facts.add("adjacent_swap")
    if _dropped(a, b) or _dropped(b, a):
        facts.add("one_edit")
    if len(a) != len(b) and a.lstrip("0") == b.lstrip("0"):
        facts.add("lost_zero")
    if not facts:
        facts.add("different")
    if len(a) == len(b) == 12:
        if a[6:] == b[6:]:
            facts.add("same_tail")
        if a[:6] == b[:6]:
            facts.add("same_head")
    return facts


Day = tuple[int, int, int]


def date_facts(a: Day | None, b: Day | None) -> set[str]:
    """What two dates (year, month or 0, day or 0) have to do with one another; None is none."""
    if a is None or b is None:
        return {"null"}
    facts = set()
    complete = all(a) and all(b)
    texts = [f"{year:04d}" for year in (a[0], b[0])]
    if a[0] == b[0]:
        facts.add("year_equal")
    if abs(a[0] - b[0]) == 1:
        facts.add("year_near")
    if _replaced(*texts) or _swapped(*texts):
        facts.add("year_digit")
    if a[1] == b[1] != 0:
        facts.add("month_equal")
    if a[2] == b[2] != 0:
        facts.add("day_equal")
    if (1, 1) in (a[1:], b[1:]):
        facts.add("heaped")
    if not complete:
        return facts | {"partial"}
    if a == b:
        facts.add("exact")
    if a[1:] == b[1:]:
        facts.add("day_month_equal")
    if a != b and (a[0], a[2], a[1]) == b:
        facts.add("swapped")
    short = [f"{day:02d}{month:02d}" for _, month, day in (a, b)]
    if _replaced(*short):
        facts.add("day_month_digit")
    if _replaced(short[0] + texts[0], short[1] + texts[1]):
        facts.add("one_digit")
    return facts


@dataclass(frozen=True)
class Token:
    """A token of a name with its forms, as text."""

    text: str
    single: bool = False

    @property
    def plain(self) -> str:
        kept = (c for c in unicodedata.normalize("NFD", self.text.lower()) if c not in TONES)
        return unicodedata.normalize("NFC", "".join(kept))

    @property
    def marked(self) -> bool:
        return self.text.lower() != self.letters

    @property
    def letters(self) -> str:
        kept = (c for c in unicodedata.normalize("NFD", self.plain) if not unicodedata.combining(c))
        return "".join(kept).replace("đ", "d")

    @property
    def phonetic(self) -> str:
        """Some regional spellings folded: enough to be coarser than ``text`` and other than ``ascii``."""
        parted = unicodedata.normalize("NFD", self.text.lower()).replace("\u0303", "\u0309")
        folded = unicodedata.normalize("NFC", parted)
        for written, spoken in (("ch", "tr"), ("x", "s"), ("gi", "d"), ("y", "i")):
            folded = folded.replace(written, spoken)
        return folded


def _agree(a: Token, b: Token) -> bool:
    if a.letters == b.letters:
        return True
    return (a.single and b.letters.startswith(a.letters)) or (b.single and a.letters.startswith(b.letters))


def name_facts(a: Sequence[Token], b: Sequence[Token]) -> set[str]:
    """What two names have to do with one another."""
    if not a or not b:
        return {"null"}
    shorter, longer = sorted((list(a), list(b)), key=len)
    letters_a, letters_b = [t.letters for t in a], [t.letters for t in b]
    both_two = len(shorter) >= 2
    same_count = len(a) == len(b)
    claims = {
        "exact": [t.text for t in a] == [t.text for t in b],
        "plain": [t.plain for t in a] == [t.plain for t in b],
        "unaccented": letters_a == letters_b,
        "bare": letters_a == letters_b and any(t.marked for t in a) != any(t.marked for t in b),
        "phonetic": [t.phonetic for t in a] == [t.phonetic for t in b],
        "reordered": letters_a != letters_b and Counter(letters_a) == Counter(letters_b),
        "subset": both_two
        and not same_count
        and not Counter(t.letters for t in shorter) - Counter(t.letters for t in longer),
        "given": letters_a[-1] == letters_b[-1],
        "given_phonetic": a[-1].phonetic == b[-1].phonetic,
        "given_exact": a[-1].text == b[-1].text,
        "surname": both_two and letters_a[0] == letters_b[0],
        "surname_phonetic": both_two and a[0].phonetic == b[0].phonetic,
        "surname_exact": both_two and a[0].text == b[0].text,
        "middle": same_count and len(a) >= 3 and letters_a[1:-1] == letters_b[1:-1],
        "all_but_given": both_two and same_count and letters_a[:-1] == letters_b[:-1],
        "all_but_surname": both_two and same_count and letters_a[1:] == letters_b[1:],
    }
    facts = {fact for fact, holds in claims.items() if holds}
    if both_two:
        inner = len(shorter) - 2
        alignments = [
            [longer[0], *chosen, longer[-1]] for chosen in itertools.combinations(longer[1:-1], inner)
        ]
        if not same_count and any(
            [t.letters for t in shorter] == [t.letters for t in chosen] for chosen in alignments
        ):
            facts.add("omitted")
        if (
            not facts & {"omitted", "unaccented"}
            and facts & {"surname", "given"}
            and any(all(map(_agree, shorter, chosen)) for chosen in alignments)
        ):
            facts.add("initials")
    return facts


def overlap(a: Sequence[Token], b: Sequence[Token]) -> float:
    """Jaccard's index of the multisets of tokens without diacritics."""
    if not a or not b:
        return 0.0
    left, right = Counter(t.letters for t in a), Counter(t.letters for t in b)
    return (left & right).total() / (left | right).total()


def spelt(name: Sequence[Token]) -> str:
    """The name as its letters, of each token at most 31."""
    return " ".join(token.letters[:31] for token in name)


def full_name(rng: random.Random) -> str:
    """A Vietnamese full name of two to four tokens."""
    middles = rng.choices(MIDDLES, k=rng.choices((0, 1, 2), (1, 7, 3))[0])
    return " ".join([rng.choice(SURNAMES), *middles, rng.choice(GIVEN)])


def damaged(rng: random.Random, text: str, letters: str) -> str:
    """One to four typing errors: dropped, added, changed, swapped."""
    units = list(text)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        at = rng.randrange(len(units) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            units.insert(at, rng.choice(letters))
        elif kind == 1:
            del units[at : at + 1]
        elif kind == 2:
            units[at : at + 1] = rng.choice(letters)
        else:
            units[at : at + 2] = reversed(units[at : at + 2])
    return "".join(units)


EDGES = (0, 1, 2, 3, 31, 32, 33, 63, 64, 65, 127, 128, 129, 300)
LATIN = "abcdefghijklmnopqrstuvwxyz ạảãàáâậầấăặđễệỏõơờưừ"
WIDE = "".join(map(chr, range(0x20, 0x3400, 11)))
ASTRAL = WIDE[:400] + "".join(map(chr, range(0x1F300, 0x1F600, 7)))


@functools.cache
def string_pairs(kind: str, count: int, seed: int) -> tuple[list[str], list[str]]:
    """``count`` pairs of one kind, equal, damaged or unrelated.

    ``names`` and ``digits`` are short and of few letters; ``edges`` have the lengths at which a method
    changes; ``wide`` and ``astral`` have too many letters for a byte.
    """
    rng = random.Random(f"{kind} {seed}")

    def one() -> str:
        if kind == "names":
            return full_name(rng)
        if kind == "digits":
            return "".join(rng.choices("0123456789", k=rng.randrange(8, 14)))
        letters = {"edges": LATIN, "wide": WIDE, "astral": ASTRAL}[kind]
        size = rng.choice(EDGES) if kind == "edges" or rng.random() < 0.05 else rng.randrange(20)
        few = rng.sample(letters, k=rng.choice((2, 4, 30)))
        return "".join(rng.choices(few, k=size))

    letters = {"names": LATIN, "digits": "0123456789", "edges": LATIN, "wide": WIDE, "astral": ASTRAL}[kind]
    left = [one() for _ in range(count)]
    right = []
    for text in left:
        luck = rng.random()
        right.append(text if luck < 0.05 else one() if luck < 0.4 else damaged(rng, text, letters))
    return left, right


WORD = (1 << 64) - 1


def splitmix64(word: int) -> int:
    """The finaliser of Steele, Lea and Flood (2014), on integers without a limit cut to 64 bits."""
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & WORD
    return word ^ (word >> 31)


def splitmix64_stream(seed: int, count: int) -> list[int]:
    """The generator itself: the finaliser over a state that grows by the golden gamma."""
    return [splitmix64((seed + (k + 1) * 0x9E3779B97F4A7C15) & WORD) for k in range(count)]


def siphash128(key: bytes, message: bytes) -> bytes:
    """SipHash-2-4 with 16 bytes of output, from the paper of Aumasson and Bernstein (2012)."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    v[1] ^= 0xEE

    def rotated(word: int, bits: int) -> int:
        return ((word << bits) | (word >> (64 - bits))) & WORD

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & WORD
            v[2] = (v[2] + v[3]) & WORD
            v[1] = rotated(v[1], 13) ^ v[0]
            v[3] = rotated(v[3], 16) ^ v[2]
            v[0] = rotated(v[0], 32)
            v[2] = (v[2] + v[1]) & WORD
            v[0] = (v[0] + v[3]) & WORD
            v[1] = rotated(v[1], 17) ^ v[2]
            v[3] = rotated(v[3], 21) ^ v[0]
            v[2] = rotated(v[2], 32)

    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(4)
    first = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(4)
    return first.to_bytes(8, "little") + (v[0] ^ v[1] ^ v[2] ^ v[3]).to_bytes(8, "little")


def one_slip_away(digits: str) -> set[str]:
    """Every digit string of 1 to 16 digits that one typing error makes of ``digits``."""
    if not digits:
        return set()
    places = range(len(digits))
    found = {digits[:k] + d + digits[k + 1 :] for k in places for d in "0123456789"}
    found |= {digits[:k] + digits[k + 1] + digits[k] + digits[k + 2 :] for k in range(len(digits) - 1)}
    found |= {digits[:k] + digits[k + 1 :] for k in places}
    found |= {digits[:k] + d + digits[k:] for k in range(len(digits) + 1) for d in "0123456789"}
    return {text for text in found if 1 <= len(text) <= 16} - {digits}


def identifier_code(digits: str) -> int:
    """The code of a digit string: its length above its value; 0 for none."""
    return (len(digits) << 56) | int(digits) if digits else 0


def pairs_by_first_rule(
    keys_by_rule: Sequence[Sequence[set[int]]], register: set[int], mode: int
) -> list[set[tuple[int, int]]]:
    """Pairs of each rule that share a key under it and under none before: (agency, register) or (low, high).

    ``keys_by_rule[rule][row]`` are the keys.  mode: 0 agency with register, 1 among the register, 2 all.
    """
    rows = range(len(keys_by_rule[0]))
    taken: set[tuple[int, int]] = set()
    out = []
    for keys in keys_by_rule:
        own = set()
        for a in rows:
            for b in rows:
                if mode == 0 and (a in register or b not in register):
                    continue
                if mode != 0 and not a < b:
                    continue
                if mode == 1 and not (a in register and b in register):
                    continue
                if keys[a] & keys[b] and (a, b) not in taken:
                    own.add((a, b))
        taken |= own
        out.append(own)
    return out
