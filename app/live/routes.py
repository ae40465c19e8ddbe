"""Live rooms over HTTP: viewers, staff, the gateway, and WeChat's callback for tips."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from app import payments
from app.core.auth import CurrentCustomer, CurrentStaff, public
from app.core.errors import (
    Forbidden,
    NotFound,
    RateLimited,
    Unauthenticated,
    UpstreamFailed,
    ValidationFailed,
    VersionConflict,
)
from app.core.http import IdempotencyKey, Page, PageQuery, RuntimeDep, Tx, limit, problems, reply_response
from app.core.idempotency import IdempotencyKeyReused, StillRunning
from app.core.ids import RoomId, StoreId, TipId
from app.live import flows, rooms, shelf
from app.live.asyncapi import asyncapi_document
from app.live.errors import LiveRoomEnded, LiveUnavailable, RoomNotLive, ShelfFull, ShelfProductUnknown, TipTooLarge
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
    TicketView,
    TipCreate,
    TipView,
)
from app.live.snapshots import SnapshotCache
from app.live.stream import Position

customer = APIRouter(prefix="/v1/live", tags=["live"])
admin = APIRouter(prefix="/v1/admin/live", tags=["live: staff"])
internal = APIRouter(prefix="/v1/live", tags=["live"], include_in_schema=False)
callbacks = APIRouter(prefix="/v1/live", tags=["callbacks"])
document = APIRouter(include_in_schema=False)
routers = [customer, admin, internal, callbacks, document]

_READ = problems(Unauthenticated, NotFound, ValidationFailed)
_STAFF = problems(Unauthenticated, Forbidden, NotFound, ValidationFailed)


def _snapshots(request: Request, runtime: RuntimeDep) -> SnapshotCache:
    """This process's cache of snapshots, made with the first request that needs it."""
    state: Any = request.app.state
    cache: SnapshotCache | None = getattr(state, "live_snapshots", None)
    if cache is None or cache.runtime is not runtime:
        cache = state.live_snapshots = SnapshotCache(runtime)
    return cache


Snapshots = Annotated[SnapshotCache, Depends(_snapshots)]


@customer.get("/rooms", summary="Live rooms", responses=problems(Unauthenticated, ValidationFailed))
async def list_rooms(
    actor: CurrentCustomer,
    session: Tx,
    paging: PageQuery,
    store: StoreId | None = None,
    status: RoomStatus | None = None,
) -> Page[RoomCard]:
    """Newest first; narrow it to one store or one status (`?status=live`)."""
    return await rooms.list_rooms(session, store_id=store, status=status, paging=paging)


@customer.get("/rooms/{id}", summary="Everything a room's screen needs to begin", responses=_READ)
async def get_room(id: RoomId, actor: CurrentCustomer, runtime: RuntimeDep, cache: Snapshots) -> RoomSnapshot:
    """A snapshot at the stream's position `(epoch, seq)`, at most a second old. Show it, then ask for a ticket and open
    the live socket: the socket's own `welcome` frame brings a newer one. While the live part does not answer, `epoch`
    and `seq` are null and `messages` is empty; shopping goes on."""
    return await flows.snapshot_for(runtime, cache, actor, id)


@customer.post(
    "/rooms/{id}/tickets",
    status_code=201,
    summary="A ticket for the live socket",
    responses=_READ | problems(LiveRoomEnded, LiveUnavailable, RateLimited),
)
async def make_ticket(
    id: RoomId, actor: CurrentCustomer, _: Annotated[None, limit("live_ticket", "30/minute")], runtime: RuntimeDep
) -> TicketView:
    """Open `url` as a WebSocket within 30 seconds; it works once. When you come back after a cut, append
    `&since=room:EPOCH:SEQ` and you get exactly what you missed. Asking for a ticket is the visit that credits the
    room's sales."""
    return await flows.enter(runtime, actor, id)


@customer.post(
    "/rooms/{id}/tips",
    status_code=201,
    response_model=TipView,
    summary="Tip the host",
    responses=_READ
    | problems(IdempotencyKeyReused, StillRunning, UpstreamFailed, RoomNotLive, TipTooLarge, RateLimited),
)
async def tip(
    id: RoomId,
    body: TipCreate,
    actor: CurrentCustomer,
    _: Annotated[None, limit("tip", "20/minute")],
    key: IdempotencyKey,
    runtime: RuntimeDep,
) -> Response:
    """Hand `payment.wechat_pay` to `wx.requestPayment`, then call the confirmation. The room hears your masked name and
    the message once the money has landed, never the amount. A tip that is paid too late is refunded by itself."""
    return reply_response(await flows.tip(runtime, actor, key, room_id=id, asked=body))


@customer.post(
    "/rooms/{id}/tips/{tip_id}/confirmation",
    summary="I paid the tip",
    responses=_READ | problems(UpstreamFailed, RateLimited),
)
async def confirm_tip(
    id: RoomId,
    tip_id: TipId,
    actor: CurrentCustomer,
    _: Annotated[None, limit("confirm", "60/minute")],
    runtime: RuntimeDep,
) -> TipView:
    """Call it when `wx.requestPayment` succeeds: WeChat is asked, and the answer is settled like its notification."""
    return await flows.confirm(runtime, actor, room_id=id, tip_id=tip_id)


@admin.post("/rooms", status_code=201, summary="Open a live room", responses=_STAFF)
async def open_room(body: RoomCreate, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """A room of a store within your scope, hosted by you, with its own link and code (`touchpoint`). With
    `start: true` it is live at once; visits count for credit while it is live."""
    return await rooms.open_room(session, actor, body)


@admin.get("/rooms", summary="Live rooms within one's scope", responses=_STAFF)
async def list_rooms_in_scope(
    actor: CurrentStaff,
    session: Tx,
    paging: PageQuery,
    store: StoreId | None = None,
    status: RoomStatus | None = None,
) -> Page[RoomCard]:
    """Newest first."""
    return await rooms.list_rooms(session, store_id=store, status=status, paging=paging, within=actor)


@admin.get("/rooms/{id}", summary="A live room as its staff sees it", responses=_STAFF)
async def get_room_in_scope(id: RoomId, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """With shelf, link and `version`."""
    return await rooms.staff_view(session, await rooms.within_reach(session, actor, id))


@admin.post("/rooms/{id}/start", summary="Go live", responses=_STAFF | problems(LiveRoomEnded))
async def start_room(id: RoomId, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """Harmless when it is live already."""
    return await rooms.start_room(session, actor, id)


@admin.post("/rooms/{id}/end", summary="End the room", responses=_STAFF)
async def end_room(id: RoomId, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """For good: viewers hear `room.ended` and are sent away, new visits no longer count. Harmless when it has ended."""
    return await rooms.end_room(session, actor, id)


@admin.put(
    "/rooms/{id}/pinned",
    summary="Show a product now",
    responses=_STAFF | problems(LiveRoomEnded, ShelfFull, ShelfProductUnknown),
)
async def pin(id: RoomId, body: PinUpdate, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """Viewers hear `product.pinned` with its card. A product that is not on the shelf joins it; a full shelf refuses it.
    The last word counts: no `version` is asked."""
    return await shelf.pin(session, actor, id, body.product)


@admin.delete("/rooms/{id}/pinned", summary="Show nothing", responses=_STAFF | problems(LiveRoomEnded))
async def unpin(id: RoomId, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """Viewers hear `product.unpinned`."""
    return await shelf.unpin(session, actor, id)


@admin.put(
    "/rooms/{id}/shelf",
    summary="Set the shelf",
    responses=_STAFF | problems(LiveRoomEnded, ShelfProductUnknown, VersionConflict),
)
async def set_shelf(id: RoomId, body: ShelfUpdate, actor: CurrentStaff, session: Tx) -> StaffRoomView:
    """The whole list in the host's order. Products on the shelf are those whose sale a visit to the room is credited
    for. A pinned product that leaves the shelf is unpinned."""
    return await shelf.replace(session, actor, id, body)


@admin.post("/rooms/{id}/mutes", status_code=201, summary="Silence a viewer", responses=_STAFF)
async def mute(id: RoomId, body: MuteCreate, actor: CurrentStaff, session: Tx) -> MuteView:
    """Until then what he says is refused with `muted`, on open sockets too. A moment in the past lifts it. The
    customer's id comes with each of his messages."""
    return await shelf.mute(session, actor, id, body)


@admin.get("/rooms/{id}/report", summary="What the room brought", responses=_STAFF)
async def report(id: RoomId, actor: CurrentStaff, runtime: RuntimeDep) -> RoomReport:
    """Money follows the event log by moments; viewers, likes and chats are what the gateways counted."""
    return await flows.report(runtime, actor, id)


@internal.get("/rooms/{id}/snapshot", dependencies=[Depends(gateway)], summary="The snapshot, for a live gateway")
async def gateway_snapshot(
    id: RoomId, runtime: RuntimeDep, cache: Snapshots, epoch: str | None = None, seq: int = 0
) -> GatewaySnapshot:
    """Without `me`. Only with the gateway's own signature. With `epoch` and `seq` it is asked for a snapshot that is
    not older than this position of the stream."""
    at_least = None if epoch is None else Position(epoch, seq)
    return await flows.snapshot_for_gateway(runtime, cache, id, at_least)


@document.get("/asyncapi.json", dependencies=[public], summary="The live socket as AsyncAPI 3")
async def asyncapi() -> JSONResponse:
    return JSONResponse(asyncapi_document())


@callbacks.post(
    "/tips/notify",
    status_code=204,
    dependencies=[public],
    summary="WeChat: a tip was paid",
    responses=payments.CALLBACK_RESPONSES,
)
async def notify_tip(notified: payments.Notified, runtime: RuntimeDep) -> Response:
    """Verified over the raw body, settled in one transaction, answered after its commit. Repeats change nothing."""
    return await payments.answer(notified, partial(flows.take_notification, runtime))
