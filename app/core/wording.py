"""What is wrong with a value, in words that need no knowledge of Python or of the library that found it."""

import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic_core.core_schema import ErrorType

_WORDS = {
    "bool_parsing": "Must be true or false",
    "bool_type": "Must be true or false",
    "datetime_from_date_parsing": "There is no such day or time",
    "datetime_parsing": "There is no such day or time",
    "enum": "Must be {expected}",
    "extra_forbidden": "There is no such field",
    "finite_number": "Must be a finite number",
    "float_parsing": "Must be a number",
    "float_type": "Must be a number",
    "greater_than": "Must be more than {gt}",
    "greater_than_equal": "Must be at least {ge}",
    "int_from_float": "Must be a whole number",
    "int_parsing": "Must be a whole number",
    "int_parsing_size": "Must be a smaller number",
    "int_type": "Must be a whole number",
    "is_instance_of": "Must be text",
    "json_invalid": "The body is not JSON from this character on",
    "less_than": "Must be less than {lt}",
    "less_than_equal": "Must be at most {le}",
    "list_type": "Must be a list",
    "literal_error": "Must be {expected}",
    "missing": "Is required",
    "model_attributes_type": "Must be an object",
    "model_type": "Must be an object",
    "path_type": "Must be a path",
    "string_pattern_mismatch": "Must match the pattern {pattern}",
    "string_sub_type": "Must be text",
    "string_too_long": "Must have at most {max_length} characters",
    "string_too_short": "Must have at least {min_length} characters",
    "string_type": "Must be text",
    "string_unicode": "Must be text in Unicode",
    "too_long": "Must have at most {max_length} {unit}",
    "too_short": "Must have at least {min_length} {unit}",
    "tuple_type": "Must be a list",
    "url_parsing": "Must be an address: {error}",
    "url_scheme": "Must begin with {expected_schemes}",
    "url_syntax_violation": "Must be an address: {error}",
    "url_too_long": "Must have at most {max_length} characters",
    "url_type": "Must be an address",
    "value_error": "{error}",
}
_LIBRARYS_OWN = frozenset(get_args(ErrorType))
_OF_LISTS = ("List", "Tuple")
_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")
"""A member of an enum, as Python shows it."""


def wording(fault: Mapping[str, Any]) -> str:
    """A sentence for one fault of a pydantic ValidationError. Faults of our own kinds come with theirs."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind not in _LIBRARYS_OWN:
        return str(fault["msg"])
    if kind in ("too_short", "string_too_short") and context["min_length"] == 1:
        return "Must not be empty"
    unit = "items" if context.get("field_type") in _OF_LISTS else "characters"  # a secret is a "Value" to the library
    shown = {name: _MEMBER.sub(r"\1", str(value)) for name, value in context.items()}
    return _WORDS.get(kind, "Is not as documented").format_map({**shown, "unit": unit})
