"""Ids on the wire: they come back as they went, and nothing else comes in."""

import re
import string
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from app.core import ids
from app.core.ids import OrderId, new_id, parse, wire

PREFIXES = sorted(
    get_args(alias)[1].prefix for name, alias in vars(ids).items() if name.endswith("Id") and get_args(alias)
)
WIRE = re.compile(r"[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}")


class Holder(BaseModel):
    order: OrderId


@given(st.uuids(), st.sampled_from(PREFIXES))
def test_an_id_comes_back_as_it_went(key, prefix: str) -> None:  # type: ignore[no-untyped-def]
    text = wire(prefix, key)
    assert parse(prefix, text) == key
    assert WIRE.fullmatch(text)
    assert len(text) <= 30, "it must fit WeChat's number and scene"


@given(st.uuids(), st.sampled_from(PREFIXES), st.sampled_from(PREFIXES))
def test_a_foreign_prefix_is_refused(key, one: str, other: str) -> None:  # type: ignore[no-untyped-def]
    if one != other:
        with pytest.raises(ValueError, match="expected an id"):
            parse(other, wire(one, key))


@given(st.text(max_size=40) | st.text(string.ascii_lowercase + string.digits + "_", max_size=32).map("ord_".__add__))
def test_whatever_is_accepted_is_written_in_one_way(text: str) -> None:
    try:
        key = parse("ord", text)
    except ValueError:
        return
    assert wire("ord", key) == text


@given(st.uuids())
def test_models_speak_the_wire_form(key) -> None:  # type: ignore[no-untyped-def]
    held = Holder(order=key)
    assert held.model_dump_json() == f'{{"order":"{wire("ord", key)}"}}'
    assert Holder.model_validate_json(held.model_dump_json()).order == key
    schema = Holder.model_json_schema()["properties"]["order"]
    assert re.fullmatch(schema["pattern"], wire("ord", key))


@pytest.mark.parametrize("wrong", [None, 7, "", "ord_", "x", "cus_01h455vb4pex5vsknk084sn02q", ["ord"]])
def test_models_refuse_anything_else(wrong: object) -> None:
    with pytest.raises(ValidationError):
        Holder.model_validate({"order": wrong})


def test_prefixes_are_three_letters_and_one_each() -> None:
    assert len(PREFIXES) > 15
    assert len(set(PREFIXES)) == len(PREFIXES)
    assert all(re.fullmatch("[a-z]{3}", prefix) for prefix in PREFIXES)


def test_new_ids_come_in_the_order_of_their_making() -> None:
    made = [new_id() for _ in range(2_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
