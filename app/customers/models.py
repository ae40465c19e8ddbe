"""Tables of customers."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, LargeBinary, Uuid
from sqlmodel import Field

from app.core.tables import Table, created_at, text


class Customer(Table, table=True):
    """A person. The phone number is sealed; `phone_index` is equal for equal numbers, to match people by it without opening
    any."""

    __tablename__ = "customers_customer"

    id: UUID = Field(primary_key=True)
    nickname: str = text()
    avatar_url: str | None = text(default=None)
    phone_cipher: bytes | None = Field(None, sa_type=LargeBinary)
    phone_index: bytes | None = Field(None, sa_type=LargeBinary, index=True)
    created_at: datetime = created_at()


class Identity(Table, table=True):
    """How WeChat names a person: an openid within one app, or a unionid (then `appid` is empty).

    The reference is checked at commit: a login claims the identity first, and only the winner writes the customer.
    """

    __tablename__ = "customers_identity"
    __table_args__ = (
        CheckConstraint("kind IN ('openid', 'unionid')", name="kind"),
        CheckConstraint("(kind = 'unionid') = (appid = '')", name="appid_of_openid"),
    )

    kind: str = text(primary_key=True)
    appid: str = text(primary_key=True)
    value: str = text(primary_key=True)
    customer_id: UUID = Field(
        sa_column=Column(
            Uuid,
            ForeignKey("customers_customer.id", deferrable=True, initially="DEFERRED"),
            nullable=False,
            index=True,
        )
    )
    created_at: datetime = created_at()


class Address(Table, table=True):
    """An entry of a customer's address book. Name, phone and street are sealed together, the region is plain."""

    __tablename__ = "customers_address"

    id: UUID = Field(primary_key=True)
    customer_id: UUID = Field(foreign_key="customers_customer.id", index=True)
    cipher: bytes = Field(sa_type=LargeBinary)
    province: str = text()
    city: str = text()
    district: str = text()
    version: int = 1
    created_at: datetime = created_at()
