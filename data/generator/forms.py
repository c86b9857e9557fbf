"""How the files of a source are written: format, encoding, delimiter, compression, ways of writing dates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from data.generator.encodings import ENCODINGS, LEGACY
from data.generator.layouts import SOURCES, Layout
from data.generator.rates import Rates

#: File formats and the ends of their files' names.
SUFFIXES = {"csv": "csv", "parquet": "parquet", "arrow": "arrow", "excel": "xlsx"}
COMPRESSION = {"none": "", "gzip": ".gz", "zstd": ".zst"}
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
#: Formats of which ``mixed`` dates take one in ``MIXED_SHARE`` of the rows, each as often.
MIXED_FORMATS = ("dd/mm/yyyy", "dd-mm-yyyy", "d/m/yyyy", "yyyymmdd")
MIXED_SHARE = 0.3


@dataclass(frozen=True)
class Form:
    """How one source is written. ``delimiter`` empty: the layout's own.

    ``declare`` ``auto`` makes the contract leave encoding and delimiter to be detected; ``dates`` ``mixed``
    writes a share of the dates in other formats, all of which the contract names.
    """

    format: str = "csv"
    encoding: str = "utf-8"
    delimiter: str = ""
    compress: str = "none"
    dates: str = "plain"
    declare: str = "stated"

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value not in allowed and (name != "delimiter" or value not in ("", *DELIMITERS.values())):
                raise ValueError(f"{name} is {value!r}; wanted one of {', '.join(allowed)}")
        if self.format != "csv":
            for name in _OF_CSV:
                if getattr(self, name) != getattr(PLAIN, name):
                    raise ValueError(
                        f"{name} is {getattr(self, name)!r} of files in the format {self.format}; wanted CSV"
                        " files; leave one of the two out"
                    )

    def delimiter_of(self, layout: Layout) -> str:
        """The character between cells."""
        return DELIMITERS.get(self.delimiter, self.delimiter) or layout.delimiter

    @property
    def suffix(self) -> str:
        """The end of a file's name, without its first dot."""
        return SUFFIXES[self.format] + COMPRESSION[self.compress]

    def date_formats(self, layout: Layout) -> tuple[str, ...]:
        """The formats of whole dates that the file holds, the layout's own first."""
        others = [form for form in MIXED_FORMATS if form != layout.date] if self.dates == "mixed" else []
        return (layout.date, *others)


CHOICES: Mapping[str, tuple[str, ...]] = {
    "format": tuple(SUFFIXES),
    "encoding": ENCODINGS,
    "delimiter": tuple(DELIMITERS),
    "compress": tuple(COMPRESSION),
    "dates": ("plain", "mixed"),
    "declare": ("stated", "auto"),
}
#: Choices that only CSV files have.
_OF_CSV = ("encoding", "delimiter", "compress", "declare")
PLAIN = Form()


def parse_forms(settings: Iterable[tuple[str, str]]) -> dict[str, Form]:
    """Forms by source from pairs such as ``("encoding", "insurance=tcvn3")``.

    A value without a source is that of every source without a value of its own that it can be said of: an
    encoding is none of a workbook. Raises ValueError for an unknown option, source or value.
    """
    of_all: dict[str, str] = {}
    own: dict[str, dict[str, str]] = {source: {} for source in SOURCES}
    for option, text in settings:
        if option not in CHOICES:
            raise ValueError(f"there is no option {option!r}; wanted one of {', '.join(CHOICES)}")
        source, equals, value = text.partition("=")
        if not equals:
            Form(**{option: text})
            of_all[option] = text
        elif source in SOURCES:
            own[source][option] = value
        else:
            raise ValueError(f"there is no source {source!r}; wanted one of {', '.join(SOURCES)}")
    found = {}
    for source, values in own.items():
        format_ = values.get("format", of_all.get("format", "csv"))
        fitting_all = {
            option: value for option, value in of_all.items() if format_ == "csv" or option not in _OF_CSV
        }
        if values or fitting_all:
            found[source] = Form(**{**fitting_all, **values})
    return found


def fitting(rates: Rates, forms: Mapping[str, Form]) -> Rates:
    """The rates without mojibake in sources whose encoding cannot say its signs."""
    for source, form in forms.items():
        if form.encoding in LEGACY:
            rates = rates.replaced(f"{source}.name_mojibake", 0.0)
    return rates
