"""Touches, shares and the rule of attribution over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app.attribution import touches, windows
from app.attribution.schemas import (
    AttributionRulePut,
    AttributionRuleView,
    ShareCreate,
    ShareLinkView,
    TouchCreate,
    TouchView,
)
from app.core.auth import CurrentCustomer, Headquarters, public
from app.core.errors import NotFound, UpstreamFailed
from app.core.http import Db, Page, PageQuery, Reading, RuntimeDep, Tx, client, limit, problems
from app.core.ids import TouchpointId, parse, wire
from app.wechat import MiniProgram, WechatRefused

customer = APIRouter(prefix="/v1", tags=["attribution"])
admin = APIRouter(prefix="/v1/admin/attribution", tags=["attribution: staff"])
routers = [customer, admin]


@customer.post("/touches", status_code=201, summary="Record a touch", responses=problems(NotFound))
async def create_touch(
    body: TouchCreate,
    actor: CurrentCustomer,
    _: Annotated[None, limit("touch", "60/minute")],
    session: Tx,
) -> TouchView:
    """Call it once whenever the mini-program is opened by a share card (`t` in the path) or a code (`scene`). The reply
    says what the touchpoint points to and who is credited from now on."""
    return await touches.touch(
        session,
        customer_id=actor.id,
        touchpoint_id=body.touchpoint or _scene(body.scene or ""),
        entry=body.entry,
    )


def _scene(scene: str) -> TouchpointId:
    try:
        return parse("tpt", scene)
    except ValueError:
        raise NotFound from None


@customer.post("/shares", status_code=201, summary="Create a share link", responses=problems(NotFound))
async def create_share(
    body: ShareCreate,
    actor: CurrentCustomer,
    _: Annotated[None, limit("share", "60/minute")],
    runtime: RuntimeDep,
    session: Tx,
) -> ShareLinkView:
    """A link to a product or a live room. Put `path` into `onShareAppMessage`, or show the picture at `code_url`. Sales
    by it are credited to the sharer if they are a distributor or guide, else to whoever's link they came by (`via`)."""
    touchpoint = await touches.share(session, sharer_id=actor.id, request=body)
    scene = wire("tpt", touchpoint.id)
    return ShareLinkView(
        id=touchpoint.id,
        path=touchpoint.path,
        scene=scene,
        code_url=f"{runtime.settings.public_url}/v1/shares/{scene}/code",
    )


@customer.get(
    "/shares/{id}/code",
    summary="Get the mini-program code of a share link",
    dependencies=[public, limit("code", "120/minute")],
    response_class=Response,
    responses={**problems(NotFound, UpstreamFailed, WechatRefused), 200: {"content": {"image/png": {}}}},
)
async def get_share_code(
    id: TouchpointId,
    database: Db,
    mini_program: Annotated[MiniProgram, Depends(client(MiniProgram))],
) -> Response:
    """A PNG. Scanning it opens the product or live room with the link's `scene`."""
    async with database.transaction() as session:
        page = await touches.code_target(session, id)
    picture = await mini_program.code_image(scene=wire("tpt", id), page=page)
    return Response(picture, media_type="image/png", headers={"Cache-Control": "public, max-age=86400"})


@admin.get("/rules", summary="List versions of the attribution rule")
async def list_rules(actor: Headquarters, session: Reading, paging: PageQuery) -> Page[AttributionRuleView]:
    """Newest first. Before the first version, share and guide touches count for 15 days and room visits for one."""
    return await windows.list_rules(session, paging)


@admin.put("/rules", summary="Set the attribution rule")
async def set_rule(body: AttributionRulePut, actor: Headquarters, session: Tx) -> AttributionRuleView:
    """Adds a version that counts for orders placed from now on; who is credited for an earlier order does not change."""
    return await windows.set_rule(session, actor.id, body)
