"""Bodies, views and value types of customers."""

from typing import Annotated

from pydantic import Field, StringConstraints

from app.core.http import Body, Plain, View
from app.core.http.schemas import At
from app.core.ids import AddressId, CustomerId

Code = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
Nickname = Annotated[str, StringConstraints(min_length=1, max_length=32), Plain]
Line = Annotated[str, StringConstraints(min_length=1, max_length=64), Plain]
Region = Annotated[str, StringConstraints(min_length=1, max_length=32), Plain]
Street = Annotated[str, StringConstraints(min_length=1, max_length=200), Plain]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9 -]{4,18}[0-9]$")]
HttpsUrl = Annotated[str, StringConstraints(max_length=512, pattern=r"^https://[\x21-\x7e]+$")]


class SessionCreate(Body):
    """The code of `wx.login`."""

    code: Code = Field(examples=["0e3Xbd000hQK0T1nUR200xR3nV2Xbd0Q"])


class SessionRefresh(Body):
    """The refresh token of the last login or refresh; it is spent by this."""

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]


class CustomerView(View):
    """Oneself. `phone` is masked and null until it was given."""

    id: CustomerId
    nickname: str = Field(examples=["Lily"])
    avatar_url: str | None
    phone: str | None = Field(examples=["138****5678"])
    made_at: At


class SessionView(View):
    """A login: `access_token` goes into `Authorization: Bearer`, for `expires_in` seconds. `customer` is null when a
    staff login was refreshed."""

    access_token: str
    refresh_token: str
    expires_in: int = Field(examples=[1800])
    customer: CustomerView | None


class MePut(Body):
    """How one wants to be called and seen."""

    nickname: Nickname = Field(examples=["Lily"])
    avatar_url: HttpsUrl | None = Field(None, examples=["https://cdn.example.com/a/lily.png"])


class PhoneCreate(Body):
    """The code of the `getPhoneNumber` button, not that of `wx.login`."""

    code: Code


class PhoneView(View):
    """The number as far as it is shown."""

    phone: str = Field(examples=["138****5678"])


class AddressCreate(Body):
    """Where a parcel goes."""

    name: Line = Field(examples=["李雷"])
    phone: Phone = Field(examples=["13812345678"])
    province: Region = Field(examples=["浙江省"])
    city: Region = Field(examples=["杭州市"])
    district: Region = Field(examples=["西湖区"])
    detail: Street = Field(examples=["文三路 100 号 3 幢 201 室"])


class AddressPut(AddressCreate):
    """The whole address again, with the `version` it was read with."""

    version: int = Field(ge=1, le=2**31 - 1)


class AddressView(View):
    """One's own address, readable by oneself only."""

    id: AddressId
    name: str
    phone: str
    province: str
    city: str
    district: str
    detail: str
    version: int
    made_at: At
