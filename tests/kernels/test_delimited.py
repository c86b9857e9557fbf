"""Files cut, against all the lines there are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import delimited


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"a,b\n", b'"a\nb",b\r\n', b"\n", b'"a\n', b"x\r", b'a,"b""",c\n']), max_size=12
    ),
    st.lists(st.integers(0, 60), max_size=4).map(sorted),
)
def test_walk__cuts_at_the_first_record_from_each_target(pieces: list[bytes], targets: list[int]):
    buffer = np.frombuffer(b"".join(pieces), np.uint8)
    most = buffer.size + 1
    # Cut behind every single byte, the walk visits every place where it can be cut.
    every = np.arange(most, dtype=np.int64)
    cut, line = np.empty(most, np.int64), np.empty(most, np.int64)
    done, _, _ = delimited.walk(buffer, True, ord(","), ord('"'), 2, 64, 100, 1, every, cut, line)
    assert done == most
    places = dict(zip(cut.tolist(), line.tolist(), strict=True))
    rows = np.empty((4, most), np.int32)
    lines = np.empty(most, np.int64)
    spans = np.empty((0, most), np.int32)
    count, blank, blank_bytes, stopped, after = delimited.scan(
        buffer, buffer.size, True, ord(","), ord('"'), 2, 64, 100, np.full(2, -1, np.int64), 1,
        np.empty(most, np.uint8), rows[0], rows[1], lines, rows[2], rows[3], spans, spans,
        np.empty((0, most), np.bool_),
    )  # fmt: skip
    begun = dict(zip(rows[0, :count].tolist(), lines[:count].tolist(), strict=True))
    assert begun.items() <= places.items()
    assert len(places) == count + blank + 1
    assert places[buffer.size] == after
    assert stopped == buffer.size
    assert rows[2, :count].sum() + blank == after - 1
    assert rows[3, :count].sum() + blank_bytes == buffer.size
    wanted = np.array(targets, np.int64)
    cut, line = np.empty(wanted.size, np.int64), np.empty(wanted.size, np.int64)
    done, _, _ = delimited.walk(buffer, True, ord(","), ord('"'), 2, 64, 100, 1, wanted, cut, line)
    reached = [t for t in targets if t <= buffer.size]
    assert cut[:done].tolist() == [min(p for p in places if p >= t) for t in reached]
