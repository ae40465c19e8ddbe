"""Keys: UUIDv7 inside, TypeID on the wire (`ord_01h455vb4pex5vsknk084sn02q`).

A TypeID has at most 30 characters of `[0-9a-z_]`, so it can be WeChat Pay's `out_trade_no` and a code's `scene`.
"""

from typing import Annotated, Any, get_args
from uuid import UUID

import uuid_utils
from asyncpg.pgproto.pgproto import UUID as DriverUUID  # noqa: N811  a class, though its name is all capitals
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema
from typeid import TypeID, base32


def new_id() -> UUID:
    """A fresh UUIDv7: its order is roughly the order of making.

    It is of the driver's own subclass, as ids read from the database are: made, written out and sent in half the time.
    """
    return DriverUUID(uuid_utils.uuid7().bytes)


def wire(prefix: str, key: UUID) -> str:
    """`key` as a TypeID."""
    return f"{prefix}_{base32.encode(key.bytes)}"


def parse(prefix: str, text: str) -> UUID:
    """The key inside a TypeID. Raises ValueError when it is malformed or has another prefix."""
    try:
        typeid = TypeID.from_string(text)
    except Exception as error:
        raise ValueError(f"not an id: {text!r}") from error
    if typeid.prefix != prefix:
        raise ValueError(f"expected an id that begins with {prefix}_")
    return UUID(bytes=typeid.uuid.bytes)


class _Wire:
    """Pydantic glue: a UUID in Python, a TypeID with one fixed prefix in JSON."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def read(value: Any) -> UUID:
            if isinstance(value, UUID):
                return value
            if not isinstance(value, str):
                raise PydanticCustomError("id_type", "Must be an id, which is text")
            try:
                return parse(self.prefix, value)
            except ValueError:
                raise PydanticCustomError(
                    "id_format", "Must be an id: {prefix}_ and 26 characters", {"prefix": self.prefix}
                ) from None

        return core_schema.no_info_plain_validator_function(
            read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda key: wire(self.prefix, key), when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            "type": "string",
            "pattern": f"^{self.prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$",
            "examples": [f"{self.prefix}_01h455vb4pex5vsknk084sn02q"],
        }


def prefix_of(id_type: Any) -> str:
    """The prefix of one of the id types below, such as `ord` of `OrderId`."""
    wire_type: _Wire = get_args(id_type)[1]
    return wire_type.prefix


CustomerId = Annotated[UUID, _Wire("cus")]
AddressId = Annotated[UUID, _Wire("adr")]
StaffId = Annotated[UUID, _Wire("stf")]
UnitId = Annotated[UUID, _Wire("org")]
StoreId = Annotated[UUID, _Wire("sto")]
PlaceId = Annotated[UUID, _Wire("plc")]
ProductId = Annotated[UUID, _Wire("prd")]
SkuId = Annotated[UUID, _Wire("sku")]
CategoryId = Annotated[UUID, _Wire("cat")]
OrderId = Annotated[UUID, _Wire("ord")]
OrderLineId = Annotated[UUID, _Wire("oln")]
ChargeId = Annotated[UUID, _Wire("chg")]
RefundId = Annotated[UUID, _Wire("rfd")]
DiscrepancyId = Annotated[UUID, _Wire("dsc")]
TouchpointId = Annotated[UUID, _Wire("tpt")]
TouchId = Annotated[UUID, _Wire("tch")]
DistributorId = Annotated[UUID, _Wire("dst")]
ApplicationId = Annotated[UUID, _Wire("apl")]
CommissionId = Annotated[UUID, _Wire("com")]
TermsId = Annotated[UUID, _Wire("trm")]
SplitRuleId = Annotated[UUID, _Wire("spr")]
TipRuleId = Annotated[UUID, _Wire("tpr")]
AttributionRuleId = Annotated[UUID, _Wire("atr")]
RoomId = Annotated[UUID, _Wire("rom")]
TipId = Annotated[UUID, _Wire("tip")]
DeadLetterId = Annotated[UUID, _Wire("dlt")]
