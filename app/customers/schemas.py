"""Bodies, views and value types of customers."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from app.core.ids import AddressId, CustomerId
from app.core.schemas import At, Body, Name, Phone, Plain, Region, Street, Version, View

Code = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
Appid = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,32}$")]
Nickname = Annotated[str, StringConstraints(min_length=1, max_length=32), Plain]
HttpsUrl = Annotated[str, StringConstraints(max_length=512, pattern=r"^https://[\x21-\x7e]+$")]


class IdentityKind(StrEnum):
    """How WeChat names a person: within one mini-program, or across all of the brand's."""

    OPENID = "openid"
    UNIONID = "unionid"


class SessionCreate(Body):
    """The code of `wx.login`, and the mini-program that it was made in."""

    code: Code = Field(examples=["0e3Xbd000hQK0T1nUR200xR3nV2Xbd0Q"])
    appid: Appid | None = Field(None, description="May be left out where there is only one mini-program.")


class SessionRefresh(Body):
    """The refresh token of the last login or refresh; it is spent by this."""

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]


class CustomerView(View):
    """The customer who is logged in. `phone` is masked, and null until they gave it."""

    id: CustomerId
    nickname: str = Field(examples=["Lily"])
    avatar_url: str | None
    phone: str | None = Field(examples=["138****5678"])
    created_at: At


class SessionView(View):
    """A login: `access_token` goes into `Authorization: Bearer`, for `expires_in` seconds. `customer` is null when a
    staff login was refreshed."""

    access_token: str
    refresh_token: str
    expires_in: int = Field(examples=[1800])
    customer: CustomerView | None


class ProfileUpdate(Body):
    """Nickname and picture, both replaced."""

    nickname: Nickname = Field(examples=["Lily"])
    avatar_url: HttpsUrl | None = Field(None, examples=["https://cdn.example.com/a/lily.png"])


class PhoneCreate(Body):
    """The code of the `getPhoneNumber` button, not that of `wx.login`."""

    code: Code


class PhoneView(View):
    """The number, masked."""

    phone: str = Field(examples=["138****5678"])


class AddressCreate(Body):
    """Where a parcel goes."""

    name: Name = Field(examples=["李雷"])
    phone: Phone = Field(examples=["13812345678"])
    province: Region = Field(examples=["浙江省"])
    city: Region = Field(examples=["杭州市"])
    district: Region = Field(examples=["西湖区"])
    detail: Street = Field(examples=["文三路 100 号 3 幢 201 室"])


class AddressUpdate(AddressCreate):
    """The whole address again, with the `version` it was read with."""

    version: Version


class AddressView(View):
    """An address in full; only its owner reads it."""

    id: AddressId
    name: str
    phone: str
    province: str
    city: str
    district: str
    detail: str
    version: int
    created_at: At
