"""What a visit to a live room is credited for."""

from app import attribution
from app.attribution import PromoterKind, Reason
from app.core.ids import new_id
from tests.modules.attribution.conftest import OTHER_PRODUCT, PRODUCT, Town


async def test_entering_a_room_that_never_went_live_is_no_guide_touch(town: Town) -> None:
    guide, _ = await town.promoter(PromoterKind.GUIDE, store_id=new_id())
    early, late = new_id(), new_id()
    room, _ = await town.room(guide=guide, live=False)
    await town.enter(early, room)
    assert (await town.buy(early)).guide_id is None
    async with town.db.transaction() as session:
        await attribution.start_room(session, room)
    assert (await town.buy(early)).guide_id == guide
    async with town.db.transaction() as session:
        await attribution.close_room(session, room)
    await town.enter(late, room)
    assert (await town.buy(late)).guide_id is None, "they came after its end"


async def test_a_visit_to_a_room_is_credited_for_a_day_and_for_its_shelf(town: Town) -> None:
    buyer = new_id()
    room, store = await town.room()
    await town.enter(buyer, room)
    credit = await town.buy(buyer)
    assert (credit.room_id, credit.room_reason) == (room, Reason.ROOM_TOUCH)
    assert (credit.store_id, credit.store_reason) == (store, Reason.ROOM_STORE)
    assert (await town.buy(buyer, OTHER_PRODUCT)).room_id is None
    async with town.db.transaction() as session:
        await attribution.unshelve(session, room, PRODUCT)
    assert (await town.buy(buyer)).room_id == room, "it was on the shelf when they came"
    await town.age(24 * 3600 + 1)
    assert (await town.buy(buyer)).room_id is None


async def test_a_visit_after_the_room_has_ended_earns_it_nothing(town: Town) -> None:
    buyer = new_id()
    room, _ = await town.room()
    async with town.db.transaction() as session:
        await attribution.close_room(session, room)
    await town.enter(buyer, room)
    assert (await town.buy(buyer)).room_id is None


async def test_visitors_who_come_early_count_once_the_room_is_live(town: Town) -> None:
    buyer = new_id()
    room, _ = await town.room(live=False)
    await town.enter(buyer, room)
    assert (await town.buy(buyer)).room_id is None
    async with town.db.transaction() as session:
        await attribution.start_room(session, room)
    assert (await town.buy(buyer)).room_id == room


async def test_a_product_taken_off_before_the_visit_is_not_credited(town: Town) -> None:
    buyer = new_id()
    room, _ = await town.room()
    async with town.db.transaction() as session:
        await attribution.unshelve(session, room, PRODUCT)
    await town.enter(buyer, room)
    assert (await town.buy(buyer)).room_id is None
