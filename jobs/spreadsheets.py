"""Excel workbooks (ECMA-376, .xlsx) read as streams: sheet by sheet, row by row, cells as text.

A workbook is a ZIP archive of XML, and comes from outside. Nothing of it is written anywhere; what is
unpacked is counted; what the archive says of its members' sizes must be true; a document type, which could
define entities, is refused. A sheet's rows are never held together.
"""

from __future__ import annotations

import datetime
import math
import posixpath
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from xml.parsers import expat

from jobs.unpack import Allowance, damaged, wrong_format
from linkage.contract import Contract
from linkage.errors import ContractError, did_you_mean
from linkage.rows import BLANK

_MOST_MEMBERS = 10_000
_MOST_ROWS, _MOST_COLUMNS = 1 << 20, 1 << 14
# Texts that cells share are held in memory: about two bytes for one of the archive.
_MOST_SHARED = 512 << 20
_CHUNK = 1 << 16

# Number formats that are dates or times without being spelt out (ECMA-376 part 1, 18.8.30).
_DATE_FORMATS = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
_NOT_FORMAT = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_MOST_FORMAT = 255  # characters, as Excel has it
_DAY_ZERO, _DAY_ZERO_1904 = datetime.date(1899, 12, 30), datetime.date(1904, 1, 1)
_LAST_SERIAL = 2_958_465  # 9999-12-31


class Workbook:
    """An open workbook: its sheets' names and the rows of one of them.

    Raises ContractError: ``E-INPUT-006`` it is no workbook, ``E-INPUT-015`` damaged, ``E-INPUT-016`` it
    unpacks to too much, ``E-INPUT-017`` the archive is hostile, ``E-INPUT-018`` there is no such sheet.
    """

    def __init__(self, path: Path, contract: Contract) -> None:
        self._path = path
        self._allowance = Allowance(path.stat().st_size, contract)
        self._members = _members(path)
        book = self._main_part()
        targets = self._relations(book)
        self._sheets: dict[str, str] = {}
        self.visible: list[str] = []
        self._day_zero = _DAY_ZERO

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "workbookPr" and attributes.get("date1904") in ("1", "true"):
                self._day_zero = _DAY_ZERO_1904
            if name == "sheet":
                label = attributes.get("name", "")
                number = next((v for k, v in attributes.items() if k.endswith(":id")), "")
                if label and number in targets:
                    self._sheets[label] = targets[number][1]
                    if attributes.get("state", "visible") == "visible":
                        self.visible.append(label)

        self._parse(book, start)
        kinds = dict(targets.values())
        self._dates = self._date_styles(kinds.get("styles"))
        self._shared_part = kinds.get("sharedStrings")

    def sheet(self, wanted: str | None) -> str:
        """The name of the wanted sheet; of the first visible one if none is named."""
        if wanted is None and self.visible:
            return self.visible[0]
        if wanted in self._sheets:
            return str(wanted)
        named = ", ".join(f"'{name}'" for name in self._sheets) or "none"
        raise ContractError(
            "E-INPUT-018",
            f"The workbook has no sheet '{wanted}'; it has {named}:" if wanted else "No sheet is visible:",
            "a sheet that is there was wanted." + did_you_mean(wanted or "", self._sheets),
            "Correct 'sheet' in the contract, or the workbook.",
        )

    def rows(self, sheet: str) -> Iterator[tuple[int, dict[int, str]]]:
        """Rows of a sheet that hold anything: number, from 1, and text by column, from 0."""
        return _SheetRows(self, self._sheets[sheet]).walk()

    def shared(self) -> list[str]:
        """The texts that cells refer to by number."""
        texts: list[str] = []
        if self._shared_part is None:
            return texts
        if self._members[self._shared_part].file_size > _MOST_SHARED:
            raise ContractError(
                "E-INPUT-016",
                f"The workbook's shared texts have more than {_MOST_SHARED >> 20} MiB;",
                "a smaller workbook was wanted.",
                "Send the sheet as CSV or Parquet.",
            )
        pieces: list[str] = []
        state = {"keep": False, "phonetic": False}

        def start(name: str, _: dict[str, str]) -> None:
            if name == "si":
                pieces.clear()
            elif name == "rPh":
                state["phonetic"] = True
            elif name == "t":
                state["keep"] = not state["phonetic"]

        def end(name: str) -> None:
            if name == "si":
                texts.append("".join(pieces))
            elif name == "rPh":
                state["phonetic"] = False
            elif name == "t":
                state["keep"] = False

        def text(piece: str) -> None:
            if state["keep"]:
                pieces.append(piece)

        self._parse(self._shared_part, start, end, text)
        return texts

    def chunks(self, member: str) -> Iterator[bytes]:
        """A member's bytes, inflated here so that no size that is stated needs to be believed."""
        info = self._members[member]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
            raise damaged("a member of the workbook is encrypted or packed in an unknown way")
        inflate = zlib.decompressobj(-15) if info.compress_type == zipfile.ZIP_DEFLATED else None
        size, check = 0, 0
        with self._path.open("rb") as stream:
            stream.seek(info.header_offset)
            head = stream.read(30)
            if len(head) < 30 or head[:4] != b"PK\x03\x04":
                raise _hostile("a member is not where the archive says")
            stream.seek(sum(struct.unpack("<HH", head[26:30])), 1)
            left = info.compress_size
            while left:
                packed = stream.read(min(left, _CHUNK))
                if not packed:
                    raise damaged("it is cut off")
                left -= len(packed)
                while packed:
                    try:
                        plain = inflate.decompress(packed, 1 << 20) if inflate else packed
                    except zlib.error:
                        raise damaged("a member of the workbook is damaged") from None
                    packed = inflate.unconsumed_tail if inflate else b""
                    self._allowance.spend(len(plain))
                    size, check = size + len(plain), zlib.crc32(plain, check)
                    if size > info.file_size:
                        raise _hostile("a member is larger than the archive says")
                    yield plain
        if size != info.file_size or check != info.CRC:
            raise _hostile("a member is not what the archive says")

    def _main_part(self) -> str:
        if "_rels/.rels" not in self._members:
            raise wrong_format("The file is a ZIP archive and no workbook;", "Excel")
        kinds = dict(self._relations("").values())
        if kinds.get("officeDocument", "").endswith(".bin"):
            raise wrong_format("The file is a binary workbook (.xlsb);", "Excel, which is .xlsx")
        book = kinds.get("officeDocument")
        if book is None or not book.endswith(".xml"):
            raise wrong_format("The file is a ZIP archive and no workbook;", "Excel")
        return book

    def _relations(self, part: str) -> dict[str, tuple[str, str]]:
        """What a part refers to: by id, the last word of its kind and the member."""
        folder, name = posixpath.split(part)
        place = posixpath.join(folder, "_rels", f"{name}.rels")
        found: dict[str, tuple[str, str]] = {}

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "Relationship" and attributes.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", "")))[1:]
                if target in self._members:
                    kind = attributes.get("Type", "").rpartition("/")[2]
                    found[attributes.get("Id", "")] = (kind, target)

        if place in self._members:
            self._parse(place, start)
        return found

    def _date_styles(self, part: str | None) -> frozenset[int]:
        """Numbers of the cell styles that show a date or a time."""
        formats = set(_DATE_FORMATS)
        styles: list[int] = []
        inside = {"cellXfs": False}

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "numFmt":
                code = _NOT_FORMAT.sub("", attributes.get("formatCode", "")[:_MOST_FORMAT]).lower()
                if code != "general" and any(letter in code for letter in "dmyhs"):
                    formats.add(_number(attributes.get("numFmtId", "")))
            elif name == "cellXfs":
                inside[name] = True
            elif name == "xf" and inside["cellXfs"]:
                styles.append(_number(attributes.get("numFmtId", "0")))

        def end(name: str) -> None:
            if name == "cellXfs":
                inside[name] = False

        if part is not None:
            self._parse(part, start, end)
        return frozenset(number for number, form in enumerate(styles) if form in formats)

    def _parse(
        self,
        member: str,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> None:
        parser = xml_parser(start, end, text)
        for chunk in self.chunks(member):
            feed(parser, chunk)
        feed(parser, b"", final=True)

    def text_of(self, kind: str, style: int, value: str, shared: list[str]) -> str:
        """The text of a cell: its type and style, and what stands in it."""
        if kind == "s":
            number = _number(value)
            if not 0 <= number < len(shared):
                raise damaged("a cell refers to a text that is not there")
            return shared[number]
        if kind == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(value, value)
        if kind == "d":
            return value.removesuffix("Z").removesuffix(".000").removesuffix("T00:00:00")
        if kind in ("str", "inlineStr", "e"):
            return value
        if style in self._dates:
            return _date_text(value, self._day_zero)
        return _number_text(value)


class _SheetRows:
    """Walks one sheet's XML."""

    def __init__(self, book: Workbook, member: str) -> None:
        self._book = book
        self._member = member
        self._shared = book.shared()
        self._columns: dict[str, int] = {}
        self._done: list[tuple[int, dict[int, str]]] = []
        self._row, self._column = 0, -1
        self._cells: dict[int, str] = {}
        self._kind, self._style = "n", 0
        self._pieces: list[str] = []
        self._keep = self._phonetic = False

    def walk(self) -> Iterator[tuple[int, dict[int, str]]]:
        """See :meth:`Workbook.rows`."""
        parser = xml_parser(self._start, self._end, self._text)
        for chunk in self._book.chunks(self._member):
            feed(parser, chunk)
            yield from self._done
            self._done.clear()
        feed(parser, b"", final=True)
        yield from self._done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            place = attributes.get("r")
            self._column = self._column_of(place) if place else self._column + 1
            if self._column >= _MOST_COLUMNS:
                raise damaged("a sheet has more columns than there can be")
            self._kind = attributes.get("t", "n")
            style = attributes.get("s", "0")
            self._style = int(style) if style.isdecimal() else 0
            self._pieces.clear()
        elif name in ("v", "t"):
            self._keep = not self._phonetic
        elif name == "rPh":
            self._phonetic = True
        elif name == "row":
            number = _number(attributes["r"]) if "r" in attributes else self._row + 1
            if not self._row < number <= _MOST_ROWS:
                raise damaged("the rows of a sheet are out of order")
            self._row, self._column = number, -1
            self._cells = {}

    def _end(self, name: str) -> None:
        if name in ("v", "t"):
            self._keep = False
        elif name == "c":
            if self._pieces:
                value = "".join(self._pieces)
                text = self._book.text_of(self._kind, self._style, value, self._shared)
                if text.strip(BLANK):
                    self._cells[self._column] = text
        elif name == "rPh":
            self._phonetic = False
        elif name == "row" and self._cells:
            self._done.append((self._row, self._cells))
            self._cells = {}

    def _text(self, piece: str) -> None:
        if self._keep:
            self._pieces.append(piece)

    def _column_of(self, place: str) -> int:
        letters = place.rstrip("0123456789")
        known = self._columns.get(letters)
        if known is None:
            if not re.fullmatch("[A-Z]{1,3}", letters):
                raise damaged("a cell's place cannot be read")
            known = 0
            for letter in letters:
                known = known * 26 + ord(letter) - 64
            known -= 1
            self._columns[letters] = known
        return known


def xml_parser(
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None,
    text: Callable[[str], None] | None,
) -> expat.XMLParserType:
    """A parser that calls with names without their prefix and refuses a document type."""
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise _hostile("its XML declares a document type")

    def first(name: str, attributes: dict[str, str]) -> None:
        # Nearly every workbook writes its names without a prefix, and a call for each cell costs.
        if ":" in name:
            parser.StartElementHandler = lambda n, a: start(n.rpartition(":")[2], a)
            if end is not None:
                parser.EndElementHandler = lambda n: end(n.rpartition(":")[2])
        else:
            parser.StartElementHandler = start
            parser.EndElementHandler = end
        start(name.rpartition(":")[2], attributes)

    parser.StartElementHandler = first
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    return parser


def feed(parser: expat.XMLParserType, chunk: bytes, *, final: bool = False) -> None:
    """Give the parser the next bytes. Raises ContractError ``E-INPUT-015`` for what is no XML."""
    try:
        parser.Parse(chunk, final)
    except (expat.ExpatError, ValueError, LookupError):
        raise damaged("its XML is broken") from None


def _hostile(what: str) -> ContractError:
    return ContractError(
        "E-INPUT-017",
        f"The archive is not honest: {what};",
        "a workbook as a spreadsheet program writes it was wanted.",
        "Save it again in a spreadsheet program, and look at where it came from.",
    )


def _members(path: Path) -> Mapping[str, zipfile.ZipInfo]:
    """The archive's members by name, each name looked at."""
    try:
        with zipfile.ZipFile(path) as archive:
            listed = archive.infolist()
    except (zipfile.BadZipFile, RuntimeError, struct.error, ValueError, EOFError, OverflowError):
        raise damaged("it is no whole ZIP archive") from None
    if len(listed) > _MOST_MEMBERS:
        raise _hostile(f"it has {len(listed)} members, more than {_MOST_MEMBERS}")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in listed:
        name = info.orig_filename
        unsafe = name.startswith("/") or "\\" in name or ":" in name or "\0" in name
        if unsafe or ".." in name.split("/"):
            raise _hostile("a member's name leads out of the archive")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _hostile("a member is a link")
        if name in found:
            raise _hostile("a member is there twice")
        found[name] = info
    return found


def _number(text: str) -> int:
    if not re.fullmatch(r"\s*[0-9]{1,10}\s*", text):
        raise damaged("a number in the workbook cannot be read")
    return int(text)


def _number_text(value: str) -> str:
    """A number as a person writes it: whole ones in digits, no exponent; what is none, as it stands."""
    if value.isdecimal():
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    if not math.isfinite(number) or abs(number) >= 1e21:
        return value
    if number == int(number):
        return str(int(number))
    text = repr(number)
    return text if "e" not in text else f"{number:.15f}".rstrip("0")


def _date_text(value: str, day_zero: datetime.date) -> str:
    """A serial day as ISO text, with the time where there is one."""
    try:
        serial = float(value)
    except ValueError:
        return value
    if not 0 <= serial < _LAST_SERIAL + 1 or math.isnan(serial):
        return _number_text(value)
    seconds = round((serial - int(serial)) * 86_400)
    days = int(serial) + seconds // 86_400
    time = str(datetime.timedelta(seconds=seconds % 86_400)).rjust(8, "0")
    if days == 0 and day_zero == _DAY_ZERO:
        return time
    if day_zero == _DAY_ZERO and days <= 60:
        # The calendar of 1900 has a 29 February, which is no day.
        if days == 60:
            return "1900-02-29"
        days += 1
    try:
        day = (day_zero + datetime.timedelta(days=days)).isoformat()
    except OverflowError:
        return _number_text(value)
    return day if seconds % 86_400 == 0 else f"{day}T{time}"
