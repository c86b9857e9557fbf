"""A nation on disk read back slowly, by its project file and contracts alone, in standard form."""

import csv
import datetime
import gzip
import io
import re
import tomllib
import unicodedata
import zipfile
from xml.etree import ElementTree

import polars as pl
import pyarrow as pa

#: The letters of TCVN3 and of VNI-Windows as converters of the time list them, both as Latin-1 text.
LETTERS = "àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵĂÂĐÊÔƠƯ"
TCVN3 = "µ¸¶·¹¨»¾¼½Æ©ÇÊÈÉË®ÌÐÎÏÑªÒÕÓÔÖ×ÝØÜÞßãáâä«åèæçé¬êíëìîïóñòô\xadõøö÷ùúýûüþ¡¢§£¤¥¦"
VNI = (
    "aø aù aû aõ aï aê aè aé aú aü aë aâ aà aá aå aã aä ñ eø eù eû eõ eï eâ eà eá eå eã eä ì í æ ó ò oø où "
    "oû oõ oï oâ oà oá oå oã oä ô ôø ôù ôû ôõ ôï uø uù uû uõ uï ö öø öù öû öõ öï yø yù yû yõ î"
).split()

_DIGITS = {
    "yyyy": r"(?P<y>\d{4})", "mm": r"(?P<m>\d{2})", "dd": r"(?P<d>\d{2})", "m": r"(?P<m>\d{1,2})",
    "d": r"(?P<d>\d{1,2})",
}  # fmt: skip


def decode(data, encoding):
    """The text of bytes in one of the encodings, NFC."""
    if encoding == "tcvn3":
        return data.decode("latin-1").translate(dict(zip(map(ord, TCVN3), LETTERS, strict=True)))
    if encoding == "vni":
        table = {}
        for letter, code in zip(LETTERS, VNI, strict=False):
            table[code] = letter
            table["".join(chr(ord(sign) - 32) for sign in code)] = letter.upper()
        pattern = re.compile("|".join(sorted(map(re.escape, table), key=len, reverse=True)))
        return pattern.sub(lambda found: table[found.group()], data.decode("latin-1"))
    return unicodedata.normalize("NFC", data.decode(encoding))


def lines_of(path, encoding):
    """The physical lines of a text file, packed or not."""
    data = path.read_bytes()
    if path.name.endswith(".gz"):
        data = gzip.decompress(data)
    elif path.name.endswith(".zst"):
        data = pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
    text = decode(data, encoding)
    assert text.endswith("\n")
    return text[:-1].split("\n")


def sheet_of(path):
    """The rows of a workbook's first sheet, absent cells as None."""
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        root = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - our own
    rows = []
    for row in root.iterfind(".//m:row", space):
        cells = {re.sub(r"\d", "", cell.get("r")): cell.find(".//m:t", space).text for cell in row}
        rows.append(cells)
    header = rows[0]
    return [{name: row.get(letters) for letters, name in header.items()} for row in rows[1:]]


class Nation:
    """Everything of a nation: ``rows`` of each agency by key, by standard field, as texts or None."""

    def __init__(self, folder, encodings=None, delimiters=None):
        self.folder = folder
        self.project = tomllib.loads((folder / "project.toml").read_text())
        self.contracts = {
            source["name"]: tomllib.loads((folder / source["contract"]).read_text())
            for source in self.project["source"]
        }
        self.register = pl.concat([pl.read_parquet(path) for path in self.files("register")])
        self.agencies = [source["name"] for source in self.project["source"][1:]]
        truth = {name: pl.read_parquet(folder / f"truth/{name}.parquet") for name in ("errors", "fields")}
        self.errors, self.fields = truth["errors"], truth["fields"]
        self.entities = pl.read_parquet(folder / "truth/entities.parquet")
        self.person = {(source, record): person for source, record, person in self.entities.iter_rows()}
        self.broken = {source: {} for source in self.agencies}
        for source, record, field, error, line, file in self.errors.iter_rows():
            if field == "row":
                self.broken[source][file, int(line)] = (error, record)
        self.encodings = encodings or {}
        self.delimiters = delimiters or {}
        self.rows = {source: self._read(source) for source in self.agencies}
        self.planted = {}
        for source, record, field, error, held, true in self.errors.iter_rows():
            self.planted.setdefault((source, record, field), []).append((error, held, true))

    def files(self, source):
        """The files of a source, by its patterns."""
        declared = next(entry for entry in self.project["source"] if entry["name"] == source)
        found = [path for pattern in declared["files"] for path in sorted(self.folder.glob(pattern))]
        assert found
        return found

    def field(self, source, standard):
        """A field of a contract, or None."""
        return next((f for f in self.contracts[source]["field"] if f["standard"] == standard), None)

    def raw(self, source):
        """Every accepted row of a source as a table from column to text."""
        contract = self.contracts[source]
        for path in self.files(source):
            broken = {line for file, line in self.broken[source] if file == path.name}
            if contract["format"] == "csv":
                encoding = self.encodings.get(source, contract["encoding"])
                delimiter = self.delimiters.get(source, contract["delimiter"])
                lines = lines_of(path, encoding) if not broken else self._whole(path, encoding, broken)
                reader = csv.DictReader(io.StringIO("\n".join(lines)), delimiter=delimiter, strict=True)
                yield from ({name: text or None for name, text in row.items()} for row in reader)
            elif contract["format"] == "excel":
                yield from (row for at, row in enumerate(sheet_of(path), 2) if at not in broken)
            else:
                reader = pl.read_parquet if contract["format"] == "parquet" else pl.read_ipc
                table = reader(path.read_bytes()).to_dicts()
                yield from (row for at, row in enumerate(table, 1) if at not in broken)

    def _whole(self, path, encoding, broken):
        data = path.read_bytes()
        data = gzip.decompress(data) if path.name.endswith(".gz") else data
        if path.name.endswith(".zst"):
            data = pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
        end = b"\n\0" if encoding == "utf-16" else b"\n"
        head = b"\xff\xfe" if encoding == "utf-16" else b""
        pieces = data.removeprefix(head).removesuffix(end).split(end)
        kept = [piece for at, piece in enumerate(pieces, 1) if at not in broken]
        assert len(pieces) - len(kept) == len(broken)
        return decode(head + end.join(kept), encoding).split("\n")

    def _read(self, source):
        contract = self.contracts[source]
        names = {field["standard"]: field["column"] for field in contract["field"]}
        found = {}
        for row in self.raw(source):
            key = row[contract["key"]]
            assert key
            assert key not in found
            found[key] = {standard: row[column] for standard, column in names.items()}
        return found

    def date(self, source, standard, text):
        """A date in ISO form, or a year, by the formats that the contract names."""
        for form in self.field(source, standard)["formats"]:
            pattern = re.sub("yyyy|mm|dd|m|d", lambda part: _DIGITS[part.group()], re.escape(form))
            match = re.fullmatch(pattern, text)
            if match:
                parts = match.groupdict()
                if "m" not in parts:
                    return parts["y"]
                return datetime.date(int(parts["y"]), int(parts["m"]), int(parts["d"])).isoformat()
        raise AssertionError(f"{text} is in none of the formats")

    def standard(self, source, standard, text):
        """A value in standard form."""
        if text is None:
            return None
        if standard in {"birth_date", "death_date"}:
            return self.date(source, standard, text)
        if standard == "sex":
            return self.field(source, standard)["codes"][text]
        if standard in {"commune", "birth_province"}:
            return f"{text}@{self.field(source, standard)['as_of']}"
        return text

    def people(self):
        """The register's persons with its own errors undone: a table by person id."""
        found = {}
        for row in self.register.iter_rows(named=True):
            own = ("register", row["person_id"])
            if (*own, "record") in self.planted:
                continue
            person = {
                "personal_number": row["personal_number"],
                "full_name": row["full_name"],
                "birth_date": row["birth_date"].isoformat(),
                "sex": "M" if row["sex"] == "Nam" else "F",
                "birth_province": f"{row['birth_province']}@2025-06-30",
                "death_date": row["death_date"].isoformat() if row["death_date"] else None,
                "commune": row["commune"],
            }
            for field, value in person.items():
                for _, held, true in self.planted.get((*own, field), []):
                    assert held == value
                    person[field] = true
            found[row["person_id"]] = person
        return found
