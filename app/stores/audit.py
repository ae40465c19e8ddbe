"""Invariants of performance: entries against the log, day totals against entries."""

import msgspec

from app.core.audits import A_MOMENT_BEFORE, breaches_of, checks
from app.core.db import Session
from app.mall.aftersales import RefundAgreed
from app.mall.orders import OrderPaid
from app.stores.performance import CONSUMER
from app.stores.rules import DEFAULT_RULE
from app.stores.totals import COUNTED, FIGURES


def _total_is_its_entries(table: str, key: str, of: str) -> str:
    """Each total against what the entries count, by its key and path. An order counts as `rules.order_counts` says: 1 at
    each of its paths and −1 where neighbours among them meet."""
    figures = ", ".join(f"coalesce({{0}}.{name}, 0)" for name in FIGURES)
    return f"""
        WITH entry AS (
            SELECT (e.business_at AT TIME ZONE 'Asia/Shanghai')::date AS day, c.party AS role, c.party_id,
                   c.path COLLATE "C" AS path, e.order_id, e.kind, c.credited_fen, c.own_part_fen, c.fulfilled_fen,
                   c.inviting_fen
            FROM stores_performance e {COUNTED} WHERE c.party_id IS NOT NULL AND {of}
        ), part AS (
            SELECT {key}, kind, path, sum(credited_fen) AS fen,
                   lag(path) OVER (PARTITION BY {key}, order_id, kind ORDER BY path) AS before
            FROM entry WHERE credited_fen IS NOT NULL GROUP BY {key}, order_id, kind, path
        ), counted AS (
            SELECT {key}, path, CASE kind WHEN 'sale' THEN fen ELSE 0 END AS sales_fen,
                   CASE kind WHEN 'sale' THEN 0 ELSE -fen END AS refunds_fen,
                   CASE kind WHEN 'sale' THEN 1 ELSE 0 END AS orders, 0 AS own_part_fen, 0 AS fulfilled_fen,
                   0 AS inviting_fen
            FROM part
            UNION ALL
            SELECT {key}, (SELECT max(left(path, n)) FROM generate_series(1, length(path)) n
                           WHERE substr(path, n, 1) = '/' AND left(path, n) = left(before, n)), 0, 0, -1, 0, 0, 0
            FROM part WHERE kind = 'sale' AND before IS NOT NULL
            UNION ALL
            SELECT {key}, path, 0, 0, 0, own_part_fen, fulfilled_fen, inviting_fen FROM entry
        ), due AS (
            SELECT {key}, path COLLATE "default" AS scope_path, {", ".join(f"sum({name}) AS {name}" for name in FIGURES)}
            FROM counted GROUP BY {key}, path
        )
        SELECT {key}, scope_path, concat_ws('/', {figures.format("t")}) AS was, concat_ws('/', {figures.format("d")}) AS due
        FROM due d FULL JOIN {table} t USING ({key}, scope_path)
        WHERE ({figures.format("t")}) <> ({figures.format("d")})"""


# What the guide's and the store's parts of an amount are: `money.split` of two parts, where equal remainders go to the
# earlier one.
_GUIDES_PART = """CASE WHEN guide_id IS NULL THEN 0
                       ELSE ({amount} * guide_bps + CASE WHEN guide_first THEN 5000 ELSE 4999 END) / 10000 END"""

_DEFAULT = "'00000000-0000-0000-0000-000000000000'::uuid"

# Every line that was sold, and of refunds what was left of it before and after, under the rule that its entries name.
_LINES = f"""
    rules AS (
        SELECT r.id, coalesce(sum((p.part ->> 'bps')::int), 0) AS guide_bps, coalesce(bool_or(p.place = 1), false) AS guide_first
        FROM (SELECT id, parts FROM stores_split_rule UNION ALL SELECT {_DEFAULT}, :default_parts::jsonb) r
        LEFT JOIN LATERAL jsonb_array_elements(r.parts) WITH ORDINALITY AS p(part, place) ON p.part ->> 'role' = 'guide'
        GROUP BY r.id
    ), lines AS (
        SELECT a.type, (a.payload ->> 'order_id')::uuid AS order_id, (l ->> 'line_id')::uuid AS line_id,
               (a.payload ->> CASE a.type WHEN :paid THEN 'order_id' ELSE 'refund_id' END)::uuid AS source_id,
               (a.payload ->> CASE a.type WHEN :paid THEN 'paid_at' ELSE 'agreed_at' END)::timestamptz AS business_at,
               (l -> 'credit' ->> 'store_id')::uuid AS store_id, (l -> 'credit' ->> 'guide_id')::uuid AS guide_id,
               (l ->> 'goods_paid_fen')::bigint - coalesce((l ->> 'refunded_before_fen')::bigint, 0) AS before_fen,
               coalesce((l ->> 'amount_fen')::bigint, 0) AS amount_fen
        FROM applied a CROSS JOIN jsonb_array_elements(a.payload -> 'lines') AS l WHERE a.type IN (:paid, :refunded)
    ), ruled AS (
        SELECT l.type, l.line_id, l.source_id, l.order_id, l.business_at, l.store_id, l.guide_id,
               CASE l.type WHEN :paid THEN 0 ELSE l.before_fen END AS from_fen, l.before_fen - l.amount_fen AS to_fen,
               r.guide_bps, r.guide_first
        FROM lines l
        LEFT JOIN (SELECT line_id, source_id, max(rule_id::text)::uuid AS rule_id FROM stores_performance
                   GROUP BY line_id, source_id) e USING (line_id, source_id)
        JOIN rules r ON r.id = coalesce(e.rule_id, {_DEFAULT})
    ), parted AS (
        SELECT type, line_id, source_id, order_id, business_at, store_id, guide_id, to_fen - from_fen AS whole_fen,
               {_GUIDES_PART.format(amount="to_fen")} - {_GUIDES_PART.format(amount="from_fen")} AS guides_fen
        FROM ruled
    )"""

_CHECKS = checks(
    {
        "performance of line {line_id} for source {source_id} as {role} is {was}, the events say {due}": f"""
            WITH {_LINES}, due AS (
                SELECT l.line_id, l.source_id, p.role,
                       (l.order_id, CASE l.type WHEN :paid THEN 'sale' ELSE 'refund' END, l.store_id, p.guide_id,
                        l.business_at, p.fen)::text AS said
                FROM parted l
                CROSS JOIN LATERAL (VALUES ('guide', l.guide_id, l.guides_fen),
                                           ('store', NULL, l.whole_fen - l.guides_fen)) AS p(role, guide_id, fen)
                WHERE p.fen <> 0
            ), written AS (
                SELECT line_id, source_id, role,
                       (order_id, kind, store_id, guide_id, business_at, amount_fen)::text AS said
                FROM stores_performance
            )
            SELECT line_id, source_id, role, coalesce(w.said, 'nothing') AS was, coalesce(d.said, 'nothing') AS due
            FROM due d FULL JOIN written w USING (line_id, source_id, role) WHERE d.said IS DISTINCT FROM w.said""",
        "performance of line {line_id} for source {source_id} was split by rule {was}, not by {due}": f"""
            SELECT DISTINCT e.line_id, e.source_id, coalesce(e.rule_id::text, 'the default') AS was,
                   coalesce(n.id::text, 'the default') AS due
            FROM (SELECT payload ->> 'order_id' AS order_id, (payload ->> 'placed_at')::timestamptz AS placed_at
                  FROM applied WHERE type = :paid) o
            JOIN stores_performance e ON e.order_id = o.order_id::uuid
            LEFT JOIN stores_split_rule r ON r.id = e.rule_id
            LEFT JOIN LATERAL (
                SELECT id, valid_from FROM stores_split_rule WHERE valid_from <= o.placed_at - {A_MOMENT_BEFORE}
                ORDER BY valid_from DESC, id DESC LIMIT 1
            ) n ON true
            WHERE r.valid_from > o.placed_at OR n.valid_from > coalesce(r.valid_from, '-infinity')""",
        "performance of line {line_id} for source {source_id} counts to {was}, by its sale to {due}": """
            SELECT DISTINCT e.line_id, e.source_id,
                   (e.credited_guide_id, e.fulfilling_store_id, e.fulfilling_path, e.inviting_store_id)::text AS was, d.said AS due
            FROM (SELECT (l ->> 'line_id')::uuid AS line_id,
                         ((l -> 'credit' ->> 'guide_id')::uuid, (a.payload ->> 'place_id')::uuid, a.payload ->> 'scope_path',
                          s.id)::text AS said
                  FROM applied a CROSS JOIN jsonb_array_elements(a.payload -> 'lines') AS l
                  LEFT JOIN stores_store s ON s.id = (l -> 'credit' ->> 'inviting_store_id')::uuid WHERE a.type = :paid) d
            JOIN stores_performance e USING (line_id)
            WHERE (e.credited_guide_id, e.fulfilling_store_id, e.fulfilling_path, e.inviting_store_id)::text <> d.said""",
        "performance of line {line_id} for its {role} is {was}, below 0": """
            SELECT line_id, role, sum(amount_fen) AS was FROM stores_performance
            GROUP BY line_id, role HAVING sum(amount_fen) < 0""",
    },
    applied_by="consumer",
)


_TOTALS = checks(
    {
        "total of {role} {party_id} at {scope_path} on {day} is {was} sold/refunded/orders/own/fulfilled/inviting, "
        "entries say {due}": _total_is_its_entries("stores_party_day", "day, role, party_id", "true"),
        "total at {scope_path} on {day} is {was} sold/refunded/orders/own/fulfilled/inviting, entries say {due}": (
            _total_is_its_entries("stores_path_day", "day", "c.party = 'store'")
        ),
    }
)


async def audit_entries(session: Session) -> list[str]:
    """Parts of each paid or refunded line are what the event and the rule of its day say, and count to whom its sale says;
    no line earns below 0 for anyone."""
    return await breaches_of(
        session,
        _CHECKS,
        consumer=CONSUMER,
        paid=OrderPaid.type_name(),
        refunded=RefundAgreed.type_name(),
        default_parts=msgspec.to_builtins(DEFAULT_RULE.parts),
    )


async def audit_totals(session: Session) -> list[str]:
    """Each total of a day is what its entries say."""
    return await breaches_of(session, _TOTALS)
