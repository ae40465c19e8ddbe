"""Live rooms over HTTP: viewers, staff, the gateway."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from app.core.auth import CurrentCustomer, CurrentStaff, Managers, Visitor, public
from app.core.errors import NotFound, UpstreamFailed, VersionConflict
from app.core.http import IdempotencyKey, Page, PageQuery, Reading, RuntimeDep, Tx, limit, problems, reply_response
from app.core.ids import RoomId, StoreId, TipId
from app.customers import OpenidMissing
from app.live import flows, rooms, shelf, tip_flows, tip_refunds
from app.live.asyncapi import asyncapi_document
from app.live.errors import (
    LiveRoomEnded,
    LiveUnavailable,
    NotInRoom,
    OwnTip,
    RoomNotLive,
    ShelfFull,
    ShelfProductUnknown,
    TipNotPayable,
    TipNotRefundable,
    TipsOff,
    TipTooLarge,
)
from app.live.gateway_pass import gateway
from app.live.schemas import (
    GatewaySnapshot,
    MuteCreate,
    MuteView,
    PinUpdate,
    RoomCard,
    RoomCreate,
    RoomReport,
    RoomSnapshot,
    RoomStatus,
    ShelfUpdate,
    StaffRoomView,
    StaffTipView,
    TicketView,
    TipCreate,
    TipRefundCreate,
    TipStatus,
    TipView,
)
from app.live.snapshots import SnapshotCache
from app.live.stream import Position
from app.payments import PaymentView, RefundExceedsPaid, RefundsExhausted, RefundTooLate
from app.wechat import WechatRefused

customer = APIRouter(prefix="/v1/live", tags=["live"])
admin = APIRouter(prefix="/v1/admin/live", tags=["live: staff"])
internal = APIRouter(prefix="/v1/live", tags=["live"], include_in_schema=False)
document = APIRouter(include_in_schema=False)
routers = [customer, admin, internal, document]


async def _snapshots(request: Request, runtime: RuntimeDep) -> SnapshotCache:
    """This process's cache of snapshots, made with the first request that needs it."""
    state: Any = request.app.state
    cache: SnapshotCache | None = getattr(state, "live_snapshots", None)
    if cache is None or cache.runtime is not runtime:
        cache = state.live_snapshots = SnapshotCache(runtime)
    return cache


Snapshots = Annotated[SnapshotCache, Depends(_snapshots)]


@customer.get("/rooms", summary="List live rooms")
async def list_rooms(
    actor: Visitor,
    session: Reading,
    paging: PageQuery,
    store: StoreId | None = None,
    status: RoomStatus | None = None,
) -> Page[RoomCard]:
    """Newest first; narrow it to one store or one status (`?status=live`)."""
    return await rooms.list_rooms(session, paging, store_id=store, status=status)


@customer.get("/rooms/{id}", summary="Get a live room", responses=problems(NotFound))
async def get_room(id: RoomId, actor: Visitor, runtime: RuntimeDep, cache: Snapshots) -> RoomSnapshot:
    """Everything that the room's screen shows at first: a snapshot at the stream's position `(epoch, seq)`, at most a
    second old. Show it, then create a ticket and open the live socket, whose `welcome` frame brings a newer one. While
    the live part does not answer, `epoch` and `seq` are null and `messages` is empty; shopping goes on."""
    return await flows.snapshot_for(runtime, cache, actor.id if actor else None, id)


@customer.post(
    "/rooms/{id}/tickets",
    status_code=201,
    summary="Create a ticket for the live socket",
    responses=problems(NotFound, LiveRoomEnded, LiveUnavailable),
)
async def create_ticket(
    id: RoomId, actor: CurrentCustomer, _: Annotated[None, limit("live_ticket", "30/minute")], runtime: RuntimeDep
) -> TicketView:
    """Open `url` as a WebSocket within 30 seconds; it works once. To come back after a lost connection, create another
    ticket and append `&since=room:EPOCH:SEQ`: you then receive exactly what you missed. Creating a ticket is the visit
    that credits the room's sales."""
    return await flows.enter(runtime, actor.id, id)


@customer.post(
    "/rooms/{id}/tips",
    status_code=201,
    response_model=TipView,
    summary="Tip the host",
    responses=problems(
        NotFound,
        RoomNotLive,
        NotInRoom,
        OwnTip,
        TipsOff,
        TipTooLarge,
        OpenidMissing,
        UpstreamFailed,
        WechatRefused,
    ),
)
async def send_tip(
    id: RoomId,
    body: TipCreate,
    actor: CurrentCustomer,
    _: Annotated[None, limit("tip", "20/minute")],
    key: IdempotencyKey,
    runtime: RuntimeDep,
) -> Response:
    """Hand `payment.wechat_pay` to `wx.requestPayment`, then call the confirmation. Once the money has arrived, the room
    sees your masked name and the message, never the amount. A tip that is paid too late is refunded automatically."""
    return reply_response(await tip_flows.tip(runtime, actor, key, room_id=id, request=body))


@customer.get("/tips/{id}", summary="Get your tip", responses=problems(NotFound))
async def get_tip(id: TipId, actor: CurrentCustomer, runtime: RuntimeDep) -> TipView:
    """`payment` is null here; ask for it with `POST …/payment`."""
    return await tip_flows.get(runtime, actor, id)


@customer.post(
    "/tips/{id}/payment",
    summary="Pay for an unpaid tip",
    responses=problems(NotFound, TipNotPayable, UpstreamFailed, WechatRefused),
)
async def pay_tip(
    id: TipId, actor: CurrentCustomer, _: Annotated[None, limit("pay", "30/minute")], runtime: RuntimeDep
) -> PaymentView:
    """The same charge while it lives, else a new one: safe to call whenever the pay button is pressed."""
    return await tip_flows.pay_again(runtime, actor, id)


@customer.post(
    "/tips/{id}/confirmation",
    summary="Confirm a tip's payment",
    responses=problems(NotFound, UpstreamFailed, WechatRefused),
)
async def confirm_tip(
    id: TipId, actor: CurrentCustomer, _: Annotated[None, limit("confirm", "60/minute")], runtime: RuntimeDep
) -> TipView:
    """Call it when `wx.requestPayment` succeeds: WeChat is asked, and the answer is settled like its notification."""
    return await tip_flows.confirm(runtime, actor, id)


@admin.post("/rooms", status_code=201, summary="Create a live room", responses=problems(NotFound))
async def open_room(body: RoomCreate, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """The room belongs to a store within your scope, you host it, and it has a link and code of its own (`touchpoint`).
    With `start: true` it is live at once. Visits are credited once the room is live, those made before included; visits
    after its end are not."""
    return await rooms.open_room(session, actor, body)


@admin.get("/rooms", summary="List live rooms in scope")
async def list_rooms_in_scope(
    actor: CurrentStaff,
    session: Reading,
    paging: PageQuery,
    store: StoreId | None = None,
    status: RoomStatus | None = None,
) -> Page[RoomCard]:
    """Newest first."""
    return await rooms.list_rooms_in_scope(session, paging, actor, store_id=store, status=status)


@admin.get("/rooms/{id}", summary="Get a live room in scope", responses=problems(NotFound))
async def get_room_in_scope(id: RoomId, actor: CurrentStaff, session: Reading) -> StaffRoomView:
    """With shelf, link and `version`."""
    return await rooms.get_room_in_scope(session, actor, id)


@admin.post("/rooms/{id}/start", summary="Start a live room", responses=problems(NotFound, LiveRoomEnded))
async def start_room(id: RoomId, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """Viewers receive `room.started`. A room that is live already stays as it is."""
    return await rooms.start_room(session, actor, id)


@admin.post("/rooms/{id}/end", summary="End a live room", responses=problems(NotFound))
async def end_room(id: RoomId, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """For good: viewers receive `room.ended` and are disconnected, and new visits count for no credit. A room that has
    ended already stays as it is."""
    return await rooms.end_room(session, actor, id)


@admin.put(
    "/rooms/{id}/pinned",
    summary="Pin a product",
    responses=problems(NotFound, LiveRoomEnded, ShelfFull, ShelfProductUnknown),
)
async def pin_product(id: RoomId, body: PinUpdate, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """Viewers receive `product.pinned` with its card. A product that is not on the shelf joins it, unless the shelf is
    full. The last request wins: no `version` is asked for."""
    return await shelf.pin(session, actor, id, body.product)


@admin.delete("/rooms/{id}/pinned", summary="Unpin the product", responses=problems(NotFound, LiveRoomEnded))
async def unpin_product(id: RoomId, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """Viewers receive `product.unpinned`. Without a pinned product nothing changes."""
    return await shelf.unpin(session, actor, id)


@admin.put(
    "/rooms/{id}/shelf",
    summary="Set the shelf",
    responses=problems(NotFound, LiveRoomEnded, ShelfProductUnknown, VersionConflict),
)
async def set_shelf(id: RoomId, body: ShelfUpdate, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """The whole list in the host's order. A visit to the room is credited for sales of the products on its shelf. A
    pinned product that leaves the shelf is unpinned."""
    return await shelf.replace(session, actor, id, body)


@admin.post("/rooms/{id}/mutes", status_code=201, summary="Mute a viewer", responses=problems(NotFound))
async def mute_member(id: RoomId, body: MuteCreate, actor: CurrentStaff, session: Tx) -> MuteView:
    """Until then what they say is refused with `muted`, on open sockets too. A moment in the past lifts the mute. The
    customer's id comes with each of their messages."""
    return await shelf.mute(session, actor, id, body)


@admin.get("/rooms/{id}/tips", summary="List the tips of a live room", responses=problems(NotFound))
async def list_tips(
    id: RoomId, actor: CurrentStaff, session: Reading, paging: PageQuery, status: TipStatus | None = None
) -> Page[StaffTipView]:
    """Newest first, with their parts."""
    return await tip_refunds.list_of_room(session, paging, actor, id, status=status)


@admin.post(
    "/tips/{id}/refund",
    status_code=201,
    response_model=StaffTipView,
    summary="Refund a tip",
    responses=problems(NotFound, TipNotRefundable, RefundExceedsPaid, RefundsExhausted, RefundTooLate),
)
async def refund_tip(
    id: TipId, body: TipRefundCreate, actor: Managers, key: IdempotencyKey, runtime: RuntimeDep
) -> Response:
    """Whole, such as when a minor tipped. Owed from now on: what the host and the store were owed of it is taken back, and
    WeChat pays out."""
    return reply_response(await tip_flows.refund(runtime, actor, key, tip_id=id, request=body))


@admin.get("/rooms/{id}/report", summary="Get a live room's report", responses=problems(NotFound))
async def get_report(id: RoomId, actor: CurrentStaff, runtime: RuntimeDep) -> RoomReport:
    """What the room brought so far. Sales and tips appear moments after their payment; viewers, likes and chats are what
    the gateways counted."""
    return await flows.report(runtime, actor, id)


@internal.get("/rooms/{id}/snapshot", dependencies=[Depends(gateway)], summary="Get a live room's snapshot")
async def get_gateway_snapshot(
    id: RoomId, runtime: RuntimeDep, cache: Snapshots, epoch: str | None = None, seq: int = 0
) -> GatewaySnapshot:
    """For live gateways, with their own signature; `me` is null. With `epoch` and `seq` the snapshot is not older than
    this position of the stream."""
    at_least = None if epoch is None else Position(epoch, seq)
    return await flows.snapshot_for_gateway(runtime, cache, id, at_least)


@document.get("/asyncapi.json", dependencies=[public], summary="Get the live socket as AsyncAPI 3")
async def get_asyncapi() -> JSONResponse:
    return JSONResponse(asyncapi_document())
