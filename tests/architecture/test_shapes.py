"""The shapes of bodies and replies, as the published document has them."""

import re

import pytest
from pydantic import ValidationError

from app.core.http import Body
from tests.architecture.surface import openapi, operations

OPERATIONS = operations()


def test_no_field_has_a_default_and_constants_are_required() -> None:
    for name, schema in openapi()["components"]["schemas"].items():
        for field_name, field in schema.get("properties", {}).items():
            assert "default" not in field, f"{name}.{field_name}: generators would take it for one that is always there"
            assert "const" not in field or field_name in schema["required"], f"{name}.{field_name}"
    for name, operation in OPERATIONS:
        for parameter in operation.get("parameters", []):
            assert "default" not in parameter["schema"], f"{name} {parameter['name']}"


def test_a_reply_holds_every_field() -> None:
    """What can be absent is null, never missing."""
    schemas = openapi()["components"]["schemas"]
    todo = [response for _, operation in OPERATIONS for response in operation["responses"].values()]
    seen: set[str] = set()
    while todo:
        found = set(re.findall(r"schemas/(\w+)", str(todo.pop()))) - seen
        seen |= found
        todo += [schemas[name] for name in found]
    assert len(seen) > 100
    for name in seen:
        assert set(schemas[name].get("properties", {})) <= set(schemas[name].get("required", [])), name


def test_the_published_shapes_are_named_without_modules_and_never_bare() -> None:
    differs_by_kind = {"arguments", "reported"}
    bare = []
    for schema_name, schema in openapi()["components"]["schemas"].items():
        assert "__" not in schema_name, "two shapes of one name: rename one"
        for name, field in schema.get("properties", {}).items():
            if field.get("type") == "object" and name not in differs_by_kind:
                bare.append(f"{schema_name}.{name}")
    assert bare == []


def test_money_is_whole_and_named() -> None:
    wrong = []
    for schema_name, schema in openapi()["components"]["schemas"].items():
        for name, field in schema.get("properties", {}).items():
            kinds = {one.get("type") for one in [field, *field.get("anyOf", [])]} - {None, "null"}
            if name.endswith(("_fen", "_bps")) and kinds != {"integer"}:
                wrong.append(f"{schema_name}.{name}: {kinds}")
            if re.search(r"(price|amount|total|paid|refunded)$", name) and kinds & {"number"}:
                wrong.append(f"{schema_name}.{name}: {kinds}")
    assert wrong == []


SET_OF_VALUES = re.compile(r"(^|_)(status|kind|reason|role|code|part|action|level|signType)$")
WRITTEN_BY_PEOPLE = {
    *(
        f"{name}.reason"
        for name in (
            *("ApplicationView", "DecisionCreate"),
            *("RefundCreate", "RefundView", "PaymentRefundView", "TipRefundCreate"),
        )
    ),
    "StaffTipView.refund_reason",
}
CODES_OF_THEIR_OWN = {
    *(
        f"{name}.code"
        for name in ("StoreCreate", "StoreView", "UnitCreate", "UnitView", "PhoneCreate", "SessionCreate")
    ),
    "OrganisationCodeTakenDetails.organisation_code",
}
NAMED_ELSEWHERE = {"EntryView.kind", *(f"{name}.wechat_code" for name in openapi()["components"]["schemas"])}
"""Kinds of entries are made of sources that modules above name; the codes are WeChat's own."""


def test_sets_of_values_are_enums() -> None:
    loose = {
        f"{schema_name}.{name}"
        for schema_name, schema in openapi()["components"]["schemas"].items()
        for name, field in schema.get("properties", {}).items()
        for one in [field, *field.get("anyOf", [])]
        if SET_OF_VALUES.search(name) and one.get("type") == "string" and not one.keys() & {"enum", "const"}
    }
    assert loose - WRITTEN_BY_PEOPLE - CODES_OF_THEIR_OWN - NAMED_ELSEWHERE == set()


MANY_LINES = {"ProductCreate.description", "ProductUpdate.description"}
SECRET = {"password"}


def test_no_short_text_of_a_body_hides_what_it_holds() -> None:
    todo, wrong = [Body], []
    while todo:
        body = todo.pop()
        todo += body.__subclasses__()
        for name in body.model_fields if body.__module__.startswith("app.") else ():
            with pytest.raises(ValidationError) as refused:
                body.model_validate({name: "a\u202eb", "unknown": None})
            named = {fault["loc"][0] for fault in refused.value.errors()}
            if name not in named | SECRET and f"{body.__name__}.{name}" not in MANY_LINES:
                wrong.append(f"{body.__name__}.{name}")
    assert wrong == [], "a text that people write is Plain"


def test_bodies_bound_everything_and_refuse_the_unknown() -> None:
    schemas = openapi()["components"]["schemas"]
    bodies, wrong = set(), []
    for _, operation in OPERATIONS:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        bodies |= set(re.findall(r"schemas/(\w+)", str(content)))
    todo = list(bodies)
    while todo:
        inner = set(re.findall(r"schemas/(\w+)", str(schemas[todo.pop()]))) - bodies
        bodies |= inner
        todo += inner
    for body in sorted(bodies):
        schema = schemas[body]
        if schema.get("type") != "object":
            continue
        if schema.get("additionalProperties") is not False:
            wrong.append(f"{body} takes unknown fields")
        for name, field in schema.get("properties", {}).items():
            for one in [field, *field.get("anyOf", []), field.get("items", {})]:
                kind = one.get("type")
                loose_text = kind == "string" and not one.keys() & {"maxLength", "pattern", "enum", "const", "format"}
                loose_number = kind == "integer" and not (
                    one.keys() & {"minimum", "exclusiveMinimum"} and one.keys() & {"maximum", "exclusiveMaximum"}
                )
                loose_list = kind == "array" and "maxItems" not in one
                if loose_text or loose_list or (loose_number and "enum" not in one and "const" not in one):
                    wrong.append(f"{body}.{name} is not bounded")
    assert wrong == []
