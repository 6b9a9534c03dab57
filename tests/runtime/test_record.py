"""Records: what is written is read back, and what is not as declared is named."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.common.record import KEY, LEFT_OUT, from_json, to_json
from edge_runtime.errors import ModelError


@dataclass(frozen=True)
class Inner:
    size: tuple[int, int]
    share: float | None
    source: str = field(default="here", metadata={KEY: "from"})
    later: int | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Outer:
    name: str
    kind: Literal["a", 2]
    whole: int
    flag: bool
    inner: Inner
    many: tuple[Inner, ...] = ()
    table: dict[str, float] = field(default_factory=dict)
    anything: Any = None


inners = st.builds(
    Inner, st.tuples(st.integers(), st.integers()), st.none() | st.floats(allow_nan=False), st.text(),
    st.none() | st.integers(),
)  # fmt: skip
outers = st.builds(
    Outer, st.text(), st.sampled_from(["a", 2]), st.integers(), st.booleans(), inners,
    st.lists(inners, max_size=3).map(tuple), st.dictionaries(st.text(), st.floats(allow_nan=False), max_size=3),
)  # fmt: skip
GOOD = to_json(Outer("x", "a", 1, True, Inner((1, 2), 0.5)))


@given(outers)
def test_what_is_written_is_read_back(record: Outer) -> None:
    assert from_json(Outer, json.loads(json.dumps(to_json(record))), "file") == record


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": 3}, "'name' is 3; it must be str"),
        ({"whole": True}, "'whole' is True; it must be int"),
        ({"whole": 1.0}, "'whole' is 1.0; it must be int"),
        ({"flag": 1}, "'flag' is 1; it must be bool"),
        ({"kind": "b"}, "'kind' is 'b'; it must be 'a' or 2"),
        ({"inner": {"size": [1], "share": None}}, "'inner.size' is .*a list of 2"),
        ({"inner": {"size": [1, "2"], "share": None}}, r"'inner.size\[1\]' is '2'; it must be int"),
        ({"inner": {"size": [1, 2]}}, "'inner.share' is missing"),
        ({"inner": 1}, "'inner' is 1; it must be an object"),
        ({"many": {}}, "'many' is {}; it must be a list"),
        ({"table": {"x": "1"}}, "'table.x' is '1'; it must be float"),
    ],
)
def test_what_is_not_as_declared_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=f"file: {said}"):
        from_json(Outer, {**GOOD, **change}, "file")


def test_keys_of_a_later_version_are_passed_over_and_defaults_fill_in() -> None:
    assert from_json(Outer, {**GOOD, "new": 1}, "file").many == ()
    assert GOOD["inner"]["from"] == "here"


def test_what_is_LEFT_OUT_has_no_key_until_it_has_a_value() -> None:
    assert "later" not in to_json(Inner((1, 2), None)) and to_json(Inner((1, 2), None))["share"] is None
    assert to_json(Inner((1, 2), None, later=0))["later"] == 0
