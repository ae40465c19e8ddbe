"""Years of a chain's business in a few statements: rows as the product writes them, skewed as in life.

Store 1 and its guide 1 sell a tenth of everything, distributor 1 half of what distributors sell, and the last guide three
orders long ago. What ended otherwise than most (orders closed, applications refused, other payers) is rare and old.
Triggers and foreign keys are off while it is written; CHECKs hold.
"""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

DAYS = 400
STORES, GUIDES_PER_STORE, REGIONS, DISTRIBUTORS, PRODUCTS, ROOMS = 400, 4, 10, 500, 1_500, 500


@dataclass(frozen=True)
class History:
    """How many orders there are, and the ids of who is looked at."""

    orders: int
    customer: UUID
    busy_guide: UUID
    idle_guide: UUID
    store: UUID
    product: UUID
    sku: UUID
    distributor: UUID
    distributor_customer: UUID
    late_order: UUID
    room: UUID
    middle: UUID
    """An id in the middle of the history, to page on from."""


_FUNCTIONS = """
CREATE FUNCTION history_at(n bigint, total bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    '2026-11-20 04:00:00Z'::timestamptz - make_interval(secs => {days} * 86400.0 * (total - n) / total);
CREATE FUNCTION history_id(kind int, n bigint, at timestamptz DEFAULT '2025-10-01Z') RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(kind), 3, '0')
     || '8' || lpad(to_hex(n), 15, '0'))::uuid;
CREATE UNLOGGED TABLE history AS
SELECT n, at, history_id(1, n, at) AS id, history_id(2, n, at) AS line, history_id(3, n, at) AS charge,
       store, history_id(11, store) AS store_id, guide, history_id(12, guide) AS guide_id,
       '/hq/r' || store % {regions} || '/s' || store || '/' AS path,
       1 + (n * 7 % (total / 8)) AS customer, history_id(10, 1 + (n * 7 % (total / 8))) AS customer_id,
       CASE WHEN n % 8 = 0 THEN 1 WHEN n % 8 = 4 THEN 1 + n / 8 % {distributors} END AS distributor,
       1 + n * 13 % {products} AS product, 5000 + n % 977 * 10 AS goods_fen,
       CASE WHEN n > total - 200 THEN 'unpaid' WHEN n % 50 = 0 AND n <= total / 40 THEN 'closed' ELSE 'paid' END AS status
FROM (SELECT n, total, history_at(n, total) AS at,
             CASE WHEN n BETWEEN 5 AND 7 THEN {stores} WHEN n % 10 = 0 THEN 1 ELSE 1 + n * 7919 % ({stores} - 1) END AS store,
             CASE WHEN n BETWEEN 5 AND 7 THEN {stores} * {guides} WHEN n % 10 = 0 THEN 1
                  ELSE 1 + n * 7919 % ({stores} * {guides} - 1) END AS guide
      FROM (SELECT n, {orders}::bigint AS total FROM generate_series(1, {orders}::bigint) AS n) AS numbered) AS dated;
ALTER TABLE history ADD PRIMARY KEY (n);
ANALYZE history;
"""

_PEOPLE = """
INSERT INTO stores_unit (id, parent_id, kind, code, name, path, version)
VALUES (history_id(13, 0), NULL, 'hq', 'hq', '总部', '/hq/', 1);
INSERT INTO stores_unit (id, parent_id, kind, code, name, path, version)
SELECT history_id(13, r + 1), history_id(13, 0), 'region', 'r' || r, '大区' || r, '/hq/r' || r || '/', 1
FROM generate_series(0, {regions} - 1) AS r;
INSERT INTO stores_store (id, unit_id, code, name, city, address, latitude, longitude, path, status, version)
SELECT history_id(11, s), history_id(13, s % {regions} + 1), 's' || s, '门店' || s, '城市' || s % 40, '地址' || s,
       20 + s % 25, 100 + s % 20, '/hq/r' || s % {regions} || '/s' || s || '/', 'open', 1
FROM generate_series(1, {stores}) AS s;
INSERT INTO mall_place (id, name, scope_path, book, status)
SELECT id, name, path, 'brand', 'open' FROM stores_store;
INSERT INTO stores_staff (id, login, password_hash, role, store_id, scope_path, name, status, version)
SELECT history_id(12, g), 'guide' || g, 'x', 'guide', s.id, s.path, '导购' || g, 'active', 1
FROM generate_series(1, {stores} * {guides}) AS g JOIN stores_store s ON s.id = history_id(11, 1 + (g - 1) % {stores});
INSERT INTO attribution_promoter (id, promoter_id, kind, store_id)
SELECT history_id(14, row_number() OVER ()), id, 'guide', store_id FROM stores_staff;
INSERT INTO customers_customer (id, nickname, created_at)
SELECT history_id(10, c), '顾客' || c, '2025-10-01Z' FROM generate_series(1, {orders} / 8) AS c;
INSERT INTO customers_identity (kind, appid, value, customer_id)
SELECT 'openid', 'wx-history', 'openid' || c, history_id(10, c) FROM generate_series(1, {orders} / 8) AS c;
INSERT INTO customers_address (id, customer_id, cipher, province, city, district, version)
SELECT history_id(15, c), history_id(10, 100 + c % 1000), '\\x00', '上海市', '上海市', '黄浦区', 1 FROM generate_series(1, 5000) AS c;
INSERT INTO distribution_distributor (id, customer_id, upline_id, status)
SELECT history_id(16, d), history_id(10, d), CASE WHEN d > 1 THEN history_id(16, d / 2) END, 'active'
FROM generate_series(1, {distributors}) AS d;
INSERT INTO attribution_promoter (id, promoter_id, kind, person_id, upline_id)
SELECT history_id(17, row_number() OVER ()), id, 'distributor', customer_id, upline_id
FROM distribution_distributor;
INSERT INTO distribution_application (id, customer_id, status, decided_at)
SELECT history_id(18, d), history_id(10, d), CASE WHEN d <= 50 THEN 'refused' ELSE 'approved' END, clock_timestamp()
FROM generate_series(1, {orders} / 20) AS d;
INSERT INTO distribution_application (id, customer_id, status)
SELECT history_id(18, {orders} + d), history_id(10, d), 'applied' FROM generate_series(1, 5) AS d;
INSERT INTO distribution_terms (id, level1_bps, level2_bps, total_cap_bps, hold_s, valid_from, created_by)
SELECT history_id(19, v), 1000, 300, 3000, 1296000, '2025-10-01Z'::timestamptz + make_interval(days => v), history_id(12, 1)
FROM generate_series(1, 200) AS v;
INSERT INTO stores_split_rule (id, parts, valid_from)
SELECT history_id(20, v), '[{{"role": "store", "bps": 6000}}, {{"role": "guide", "bps": 4000}}]',
       '2025-10-01Z'::timestamptz + make_interval(days => v)
FROM generate_series(1, 200) AS v;
INSERT INTO auth_family (id, kind, subject_id, scope_path)
SELECT history_id(21, n), 'customer', history_id(10, 1 + n % ({orders} / 8)), '' FROM generate_series(1, {orders} / 4) AS n;
INSERT INTO auth_refresh (token_hash, family_id, expires_at)
SELECT sha256(n::text::bytea), history_id(21, n), clock_timestamp() + interval '10 days'
FROM generate_series(1, {orders} / 4) AS n;
"""

_GOODS = """
INSERT INTO mall_category (id, name, position, version) SELECT history_id(22, c), '类' || c, c, 1 FROM generate_series(1, 30) AS c;
INSERT INTO mall_product (id, title, description, pictures, category_id, status, version)
SELECT history_id(23, p), '商品' || p, '说明', '["https://example.com/p.jpg"]', history_id(22, 1 + p % 30),
       CASE WHEN p % 40 = 0 THEN 'off_sale' ELSE 'on_sale' END, 1
FROM generate_series(1, {products}) AS p;
INSERT INTO mall_sku (id, product_id, title, list_fen, status, version)
SELECT history_id(24, p * 2 + k), history_id(23, p), '款' || k, 15000 + k, 'active', 1
FROM generate_series(1, {products}) AS p, generate_series(0, 1) AS k;
INSERT INTO mall_stock (place_id, sku_id, on_hand, reserved, sold, received, version)
SELECT history_id(11, s), k.id, 1000, 0, 0, 1000, 1 FROM generate_series(1, 50) AS s, mall_sku k;
"""

_ORDERS = """
INSERT INTO mall_order (id, number, customer_id, place_id, book, scope_path, status, fulfilment, goods_fen, freight_fen,
                        discount_fen, payable_fen, paid_fen, refund_status, refunded_fen, charge_id, transaction_id, mchid,
                        placed_at, expires_at, paid_at, closed_at, close_reason)
SELECT id, 'H' || n, customer_id, store_id, 'brand', path, status, '{{"kind": "pickup"}}', goods_fen, 0, 0, goods_fen,
       CASE status WHEN 'paid' THEN goods_fen ELSE 0 END,
       CASE WHEN status = 'paid' AND n % 40 = 7 THEN 'part' ELSE 'none' END,
       CASE WHEN status = 'paid' AND n % 40 = 7 THEN 100 ELSE 0 END,
       CASE status WHEN 'paid' THEN charge END, CASE status WHEN 'paid' THEN 'wx' || n END,
       CASE status WHEN 'paid' THEN '1900000001' END, at, at + interval '30 minutes',
       CASE status WHEN 'paid' THEN at END, CASE status WHEN 'closed' THEN at END,
       CASE status WHEN 'closed' THEN 'timeout' END
FROM history;
INSERT INTO mall_order_line (id, order_id, sku_id, product_id, title, sku_title, quantity, list_fen, discounts,
                             goods_paid_fen, refunded_fen)
SELECT line, id, history_id(24, product * 2), history_id(23, product), '商品' || product, '款0', 1, goods_fen, '[]', goods_fen,
       CASE WHEN status = 'paid' AND n % 40 = 7 THEN 100 ELSE 0 END
FROM history;
INSERT INTO attribution_line (line_id, order_id, distributor_id, upline_id, distributor_reason, guide_id, guide_reason,
                              store_id, store_reason, room_id, room_reason, touchpoint_id, decided_at)
SELECT line, id, history_id(16, distributor), CASE WHEN distributor > 1 THEN history_id(16, distributor / 2) END,
       CASE WHEN distributor IS NULL THEN 'none' ELSE 'share_touch' END, guide_id, 'guide_touch', store_id, 'guide_store',
       NULL, 'none', CASE WHEN distributor IS NOT NULL THEN history_id(25, distributor * 20 + n % 20) END, at
FROM history;
INSERT INTO payments_charge (id, subject_kind, subject_id, book, mchid, appid, payer_openid, amount_fen, refunded_fen, refunds,
                             status, transaction_id, paid_at, expires_at, created_at)
SELECT charge, 'order', id, 'brand', '1900000001', 'wx-history', 'openid' || customer, goods_fen,
       CASE WHEN status = 'paid' AND n % 40 = 7 THEN 100 ELSE 0 END, CASE WHEN status = 'paid' AND n % 40 = 7 THEN 1 ELSE 0 END,
       CASE status WHEN 'paid' THEN 'settled' WHEN 'closed' THEN 'closed' ELSE 'open' END,
       CASE status WHEN 'paid' THEN 'wx' || n END, CASE status WHEN 'paid' THEN at END, at + interval '30 minutes', at
FROM history;
INSERT INTO payments_refund (id, charge_id, amount_fen, kind, reason, status, created_at, succeeded_at)
SELECT history_id(26, n, at), charge, 100, 'agreed', '少了一件',
       CASE WHEN n < 500 THEN 'abnormal' WHEN n > {orders} - 2000 THEN 'processing' ELSE 'succeeded' END, at,
       CASE WHEN n BETWEEN 500 AND {orders} - 2000 THEN at END
FROM history WHERE status = 'paid' AND n % 40 = 7;
INSERT INTO mall_refund (id, order_id, scope_path, guide_ids, status, amount_fen, freight_fen, reason, agreed_by, agreed_at, paid_at)
SELECT history_id(26, n, at), id, path, ARRAY[guide_id], CASE WHEN n < 500 THEN 'stuck' WHEN n > {orders} - 2000 THEN 'agreed' ELSE 'paid' END,
       100, 0, '少了一件', history_id(12, 1), at, CASE WHEN n BETWEEN 500 AND {orders} - 2000 THEN at END
FROM history WHERE status = 'paid' AND n % 40 = 7;
INSERT INTO mall_refund_line (refund_id, line_id, quantity, restocked_quantity, amount_fen)
SELECT history_id(26, n, at), line, 0, 0, 100 FROM history WHERE status = 'paid' AND n % 40 = 7;
INSERT INTO payments_discrepancy (id, transaction_id, kind, charge_id, reported, created_at)
SELECT history_id(27, n, at), 'odd' || n, CASE WHEN n <= {orders} / 40 THEN 'payer' ELSE 'unknown' END, NULL, '{{}}', at
FROM history WHERE n % 100 = 0;
INSERT INTO idempotency_key (actor, key, fingerprint, subject, status, body, lease_until, created_at)
SELECT 'customer:' || customer_id, 'k' || n, sha256('k'), id, 201, '\\x7b7d', clock_timestamp(), clock_timestamp()
FROM history WHERE n > {orders} - {orders} / 4;
"""

_CREDIT = """
INSERT INTO stores_performance (order_id, line_id, source_id, kind, role, store_id, guide_id, scope_path, credited_guide_id,
                                fulfilling_store_id, fulfilling_path, inviting_store_id, inviting_path, amount_fen,
                                business_at, rule_id)
SELECT id, line, id, 'sale', CASE part WHEN 0 THEN 'store' ELSE 'guide' END, store_id,
       CASE part WHEN 1 THEN guide_id END, path, guide_id, store_id, path, store_id, path, CASE part WHEN 0 THEN goods_fen - goods_fen * 2 / 5 ELSE goods_fen * 2 / 5 END,
       at, history_id(20, 1)
FROM history, generate_series(0, 1) AS part WHERE status = 'paid';
INSERT INTO stores_party_day (day, role, scope_path, party_id, sales_fen, refunds_fen, orders, own_part_fen, fulfilled_fen,
                              inviting_fen)
SELECT (business_at AT TIME ZONE 'Asia/Shanghai')::date, p.party, scope_path, p.id, sum(amount_fen), 0, count(DISTINCT order_id),
       coalesce(sum(amount_fen) FILTER (WHERE role = p.party), 0),
       CASE p.party WHEN 'store' THEN sum(amount_fen) ELSE 0 END, CASE p.party WHEN 'store' THEN sum(amount_fen) ELSE 0 END
FROM stores_performance
CROSS JOIN LATERAL (VALUES ('store', store_id), ('guide', credited_guide_id)) AS p(party, id) GROUP BY 1, 2, 3, 4;
INSERT INTO stores_path_day (day, scope_path, sales_fen, refunds_fen, orders, own_part_fen, fulfilled_fen, inviting_fen)
SELECT day, scope_path, sales_fen, refunds_fen, orders, own_part_fen, fulfilled_fen, inviting_fen
FROM stores_party_day WHERE role = 'store';
INSERT INTO distribution_commission (id, order_id, line_id, distributor_id, level, book, base_fen, rate_bps, amount_fen,
                                     terms_id, paid_at, created_at)
SELECT history_id(30 + level, n, at), id, line, history_id(16, CASE level WHEN 1 THEN distributor ELSE distributor / 2 END),
       level, 'brand', goods_fen, 1000, goods_fen / 10, history_id(19, 1), at, at
FROM history, generate_series(1, 2) AS level WHERE status = 'paid' AND (distributor > 1 OR distributor = 1 AND level = 1);
INSERT INTO payees_hold (id, source, source_id, payee_id, book, amount_fen, releases_at, created_at)
SELECT history_id(33, row_number() OVER ()), 'commission', id, distributor_id, book, amount_fen, paid_at + interval '15 days',
       paid_at
FROM distribution_commission;
INSERT INTO distribution_link_sale (line_id, order_id, touchpoint_id, goods_paid_fen)
SELECT line, id, history_id(25, distributor * 20 + n % 20), goods_fen FROM history
WHERE status = 'paid' AND distributor IS NOT NULL;
INSERT INTO distribution_link_total (touchpoint_id, orders, paid_fen)
SELECT touchpoint_id, count(DISTINCT order_id), sum(goods_paid_fen) FROM distribution_link_sale GROUP BY touchpoint_id;
INSERT INTO ledger_transfer (id, kind, key, posted_at)
SELECT history_id(34, n, at), 'charge_paid', charge::text, at FROM history WHERE status = 'paid';
INSERT INTO ledger_entry (transfer_id, book, unit, account, subject, amount_fen)
SELECT history_id(34, n, at), 'brand', 'CNY_FEN', account, id, goods_fen * sign
FROM history, (VALUES ('wechat_pending', 1), ('customer_prepaid', -1)) AS leg(account, sign) WHERE status = 'paid';
INSERT INTO ledger_transfer (id, kind, key, posted_at)
SELECT history_id(35, row_number() OVER (), paid_at), 'commission_held', id::text, paid_at FROM distribution_commission;
INSERT INTO ledger_entry (transfer_id, book, unit, account, subject, owner, amount_fen)
SELECT history_id(35, c.place, paid_at), 'brand', 'CNY_FEN', account, id,
       CASE sign WHEN -1 THEN distributor_id END, amount_fen * sign
FROM (SELECT row_number() OVER () AS place, id, paid_at, distributor_id, amount_fen FROM distribution_commission) AS c,
     (VALUES ('payout_cost', 1), ('payee_held', -1)) AS leg(account, sign);
INSERT INTO ledger_balance (account, book, unit, owner, balance_fen)
SELECT 'payee_held', 'brand', 'CNY_FEN', distributor_id, sum(amount_fen) FROM distribution_commission GROUP BY distributor_id;
"""

_LIVE = """
INSERT INTO live_room (id, store_id, host_id, title, kind, status, scope_path, touchpoint_id, touchpoint_path, started_at,
                       ended_at, version)
SELECT history_id(36, r), s.id, history_id(12, 1 + (r - 1) % {stores}), '直播' || r, 'plugin',
       CASE WHEN r > {rooms} - 3 THEN 'live' ELSE 'ended' END, s.path, history_id(37, r), '/pages/room', '2025-10-01Z',
       CASE WHEN r <= {rooms} - 3 THEN '2025-10-02Z'::timestamptz END, 1
FROM generate_series(1, {rooms}) AS r JOIN stores_store s ON s.id = history_id(11, 1 + (r - 1) % {stores});
INSERT INTO live_shelf (room_id, product_id, position)
SELECT id, history_id(23, p), p FROM live_room, generate_series(1, 5) AS p;
INSERT INTO attribution_shelf (room_id, product_id) SELECT room_id, product_id FROM live_shelf;
INSERT INTO attribution_touchpoint (id, kind, room_id, store_id, live_from, live_to)
SELECT touchpoint_id, 'room', id, store_id, started_at, ended_at FROM live_room;
INSERT INTO attribution_touchpoint (id, kind, distributor_id, sharer_id, product_id)
SELECT history_id(25, d * 20 + k), 'share', history_id(16, d), history_id(10, d), history_id(23, 1 + k)
FROM generate_series(1, {distributors}) AS d, generate_series(0, 19) AS k;
INSERT INTO attribution_touch (id, customer_id, touchpoint_id, distributor_id, guide_id, guide_store_id, room_id, store_id,
                               first, touched_at)
SELECT history_id(38, n, at), customer_id, history_id(25, coalesce(distributor, 1 + n % {distributors}) * 20 + n % 20),
       history_id(16, coalesce(distributor, 1 + n % {distributors})), guide_id, store_id, NULL, store_id, n * 7 / ({orders} / 8) = 0, at
FROM history;
INSERT INTO attribution_bond (id, customer_id, promoter_id, bound_at)
SELECT history_id(39, c), history_id(10, c), history_id(16, 1 + c % {distributors}), '2025-10-01Z'
FROM generate_series(1, {orders} / 8) AS c;
INSERT INTO live_visit (room_id, customer_id)
SELECT history_id(36, {rooms}), history_id(10, c) FROM generate_series(1, {orders} / 20) AS c;
INSERT INTO live_tip (id, room_id, host_id, store_id, customer_id, book, amount_fen, status, charge_id, placed_at, expires_at,
                      paid_at, host_fen, store_fen, brand_fen, store_is_payee)
SELECT history_id(40, n, at), history_id(36, CASE WHEN n % 20 = 0 THEN {rooms} ELSE 1 + n % {rooms} END), guide_id, store_id,
       customer_id, 'brand', 990, 'paid', history_id(41, n, at), at, at + interval '15 minutes', at, 495, 198, 297, false
FROM history WHERE n % 10 = 0;
INSERT INTO live_taking (room_id, kind, source_id, amount_fen)
SELECT room_id, 'tip', id, amount_fen FROM live_tip;
INSERT INTO live_taking (room_id, kind, source_id, amount_fen)
SELECT history_id(36, 1 + n % {rooms}), 'order', id, goods_fen FROM history WHERE status = 'paid' AND n % 5 = 0;
INSERT INTO live_tip_rule (id, host_bps, store_bps, valid_from, created_by)
SELECT history_id(42, v), 5000, 2000, '2025-10-01Z'::timestamptz + make_interval(days => v), history_id(12, 1)
FROM generate_series(1, 200) AS v;
INSERT INTO attribution_rule (id, share_touch_ttl_s, room_touch_ttl_s, guide_touch_ttl_s, valid_from, created_by)
SELECT history_id(43, v), 86400, 604800, 604800, '2025-10-01Z'::timestamptz + make_interval(days => v), history_id(12, 1)
FROM generate_series(1, 200) AS v;
"""

_LOG = """
INSERT INTO event (seq, type, stream, payload, published_at)
SELECT row_number() OVER (ORDER BY n), 'mall.order_paid', h.id,
       jsonb_build_object(
           'type', 'mall.order_paid', 'order_id', h.id, 'customer_id', customer_id, 'book', 'brand', 'placed_at', at,
           'paid_at', at, 'goods_fen', goods_fen, 'freight_fen', 0, 'paid_fen', goods_fen, 'scope_path', path,
           'lines', jsonb_build_array(jsonb_build_object(
               'line_id', line, 'title', '商品' || product, 'product_id', history_id(23, product),
               'sku_id', history_id(24, product * 2), 'quantity', 1, 'goods_paid_fen', goods_fen,
               'credit', to_jsonb(a) - 'order_id' - 'decided_at'))), at
FROM history h JOIN attribution_line a ON a.line_id = h.line WHERE status = 'paid';
INSERT INTO event_cursor (consumer, seq)
SELECT consumer, (SELECT max(seq) FROM event) FROM event_cursor ON CONFLICT (consumer) DO UPDATE SET seq = excluded.seq;
INSERT INTO event_dead_letter (id, consumer, seq, stream, type, error, attempts, resolved_at)
SELECT history_id(44, seq), 'stores.performance', seq, stream, type, 'boom', 3,
       CASE WHEN seq > 60 THEN clock_timestamp() END
FROM event WHERE seq % 20 = 0;
"""

_IDS = """
SELECT history_id(10, 8) AS customer, history_id(12, 1) AS busy_guide, history_id(12, {stores} * {guides}) AS idle_guide,
       history_id(11, 1) AS store, history_id(23, 1) AS product, history_id(24, 2) AS sku, history_id(16, 1) AS distributor,
       history_id(10, 1) AS distributor_customer, (SELECT id FROM history WHERE n = {orders} - 210) AS late_order,
       history_id(36, {rooms}) AS room, (SELECT id FROM history WHERE n = {orders} / 2) AS middle
"""


async def generate(url: str, orders: int) -> History:
    """Fill a migrated database, as a superuser, and let PostgreSQL take its statistics."""
    sizes = {
        "orders": orders,
        "days": DAYS,
        "stores": STORES,
        "guides": GUIDES_PER_STORE,
        "regions": REGIONS,
        "distributors": DISTRIBUTORS,
        "products": PRODUCTS,
        "rooms": ROOMS,
    }
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        for script in (_FUNCTIONS, _PEOPLE, _GOODS, _ORDERS, _CREDIT, _LIVE, _LOG):
            await connection.execute(script.format(**sizes))
        found = await connection.fetchrow(_IDS.format(**sizes))
        assert found is not None
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()
    return History(orders=orders, **dict(found))
