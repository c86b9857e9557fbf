"""What an agency's own system would do with a feed: it knows the manifest and its own extract, no more.

Standard library only, nothing of the project: it stands for a system that somebody else writes.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path


def read_manifest(feed):
    """The manifest of a feed's folder, once every file in it is as the manifest says."""
    feed = Path(feed)
    manifest = json.loads((feed / "manifest.json").read_text(encoding="utf-8"))
    for file in manifest["files"]:
        data = (feed / file["name"]).read_bytes()
        assert len(data) == file["bytes"], file["name"]
        assert hashlib.sha256(data).hexdigest() == file["sha256"], file["name"]
    return manifest


def read_feed(feed, name="corrections.csv"):
    """The rows of a feed's CSV, its escaping undone as the manifest declares it."""
    manifest = read_manifest(feed)
    prefix = manifest["escaping"]["prefix"]
    assert name in manifest["escaping"]["files"]
    with (Path(feed) / name).open(encoding="utf-8-sig", newline="") as stream:
        return [
            {column: value.removeprefix(prefix) for column, value in row.items()}
            for row in csv.DictReader(stream)
        ]


def apply_feed(feed, extract, out, delimiter=","):
    """Write ``out``, the extract with what the feed says to apply; gives (rows applied, rows left alone).

    A correction states the value it expects: where the cell holds another, it and all of its group are left.
    """
    manifest = read_manifest(feed)
    with Path(extract).open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, delimiter=delimiter)
        columns = reader.fieldnames
        records = list(reader)
    by_key = {record[manifest["key"]].strip(): record for record in records}
    groups = defaultdict(list)
    for row in read_feed(feed):
        groups[row["group_id"]].append(row)
    applied = left = 0
    for group in groups.values():
        if {row["action"] for row in group} != {"apply"}:
            continue
        cells = [(by_key.get(row["record_id"]), row) for row in group]
        if all(
            record is not None and held(record[row["column"]]) == row["held_value"] for record, row in cells
        ):
            for record, row in cells:
                record[row["column"]] = row["proposed_value"]
            applied += len(group)
        else:
            left += len(group)
    with Path(out).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
    return applied, left


def held(cell):
    """What a cell holds; blanks alone are nothing."""
    return cell if re.search(r"[^\s\u200b\ufeff]", cell) else ""
