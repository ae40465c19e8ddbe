"""What is not surely from WeChat, and lately, is refused; and refusing is all that can happen."""

import json
import secrets
import time
from base64 import b64encode
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from app.simulator import SimulatorKeys
from app.simulator.signing import forged_headers
from app.wechat import NotificationRefused, WechatPay
from app.wechat.signatures import SIGNATURE_TYPE, is_fresh

TRANSACTION = {
    "out_trade_no": "chg_01h455vb4pex5vsknk084sn02q",
    "transaction_id": "4200000000202611210000000001",
    "trade_state": "SUCCESS",
    "mchid": "1600000001",
    "appid": "wx0123456789abcdef",
    "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
    "success_time": "2026-11-21T21:15:00+08:00",
    "amount": {"total": 100, "payer_total": 100, "currency": "CNY", "payer_currency": "CNY"},
}


def sealed(keys: SimulatorKeys, fields: object, *, event_type: str = "TRANSACTION.SUCCESS") -> bytes:
    nonce = secrets.token_hex(6)
    cipher = AESGCM(keys.apiv3_key.encode()).encrypt(nonce.encode(), json.dumps(fields).encode(), b"transaction")
    resource = {
        "original_type": "transaction",
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": b64encode(cipher).decode(),
        "associated_data": "transaction",
        "nonce": nonce,
    }
    event = {"id": "EV-1", "resource_type": "encrypt-resource", "event_type": event_type, "resource": resource}
    return json.dumps(event).encode()


def signed(keys: SimulatorKeys, body: bytes, *, age_s: int = 0) -> dict[str, str]:
    timestamp, nonce = str(int(time.time()) - age_s), secrets.token_hex(16)
    text = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    signature = keys.platform_private_key.sign(text, PKCS1v15(), SHA256())
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": b64encode(signature).decode(),
        "Wechatpay-Serial": keys.public_key_id,
        "Wechatpay-Signature-Type": SIGNATURE_TYPE,
    }


def refusal(merchant: WechatPay, headers: Mapping[str, str], body: bytes) -> str:
    with pytest.raises(NotificationRefused) as caught:
        merchant.read_notification(headers, body)
    assert caught.value.status_code == 401
    assert caught.value.headers() == {}
    return str(caught.value.details["reason"])


def test_a_genuine_one_is_read_whatever_the_case_of_its_headers(merchant: WechatPay, keys: SimulatorKeys) -> None:
    body = sealed(keys, TRANSACTION)
    headers = signed(keys, body)
    for variant in (headers, {name.lower(): value for name, value in headers.items()}):
        read = merchant.read_notification(variant, body)
        assert read.transaction is not None
        assert read.transaction.amount_fen == 100
        assert read.id == "EV-1"
    del headers["Wechatpay-Signature-Type"]
    assert merchant.read_notification(headers, body).mchid == "1600000001"


@pytest.mark.parametrize("offset_s", [-301, -299, 0, 299, 300, 301])
def test_five_minutes_either_way(offset_s: int) -> None:
    assert is_fresh(str(1_700_000_000 + offset_s), now_s=1_700_000_000.0) is (abs(offset_s) <= 300)


# One second beyond the edge is left to the test above; a slow machine may spend it between signing and reading.
@pytest.mark.parametrize("age_s", [290, -299])
def test_a_fresh_one_is_accepted(merchant: WechatPay, keys: SimulatorKeys, age_s: int) -> None:
    body = sealed(keys, TRANSACTION)
    assert merchant.read_notification(signed(keys, body, age_s=age_s), body).transaction is not None


@pytest.mark.parametrize("age_s", [301, 3600, -320])
def test_a_stale_one_is_refused_though_rightly_signed(merchant: WechatPay, keys: SimulatorKeys, age_s: int) -> None:
    body = sealed(keys, TRANSACTION)
    assert refusal(merchant, signed(keys, body, age_s=age_s), body) == "stale"


def test_an_old_one_cannot_be_replayed_beside_fresh_headers(merchant: WechatPay, keys: SimulatorKeys) -> None:
    """The SDK alone prefers headers in the spelling of Django, so the checked timestamp would not be the verified."""
    body = sealed(keys, TRANSACTION)
    old = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in signed(keys, body, age_s=86_400).items()}
    assert refusal(merchant, old | signed(keys, b"something else"), body) == "signature"


def test_forgeries_are_refused(merchant: WechatPay, keys: SimulatorKeys) -> None:
    body = sealed(keys, TRANSACTION)
    reasons = [refusal(merchant, forged_headers(keys, body, turn=turn), body) for turn in range(3)]
    assert reasons == ["probe", "signature", "serial"]
    changed = body.replace(b"EV-1", b"EV-2")
    assert refusal(merchant, signed(keys, body), changed) == "signature"


@pytest.mark.parametrize("name", ["Timestamp", "Nonce", "Signature", "Serial"])
def test_a_missing_header_is_a_refusal(merchant: WechatPay, keys: SimulatorKeys, name: str) -> None:
    body = sealed(keys, TRANSACTION)
    headers = signed(keys, body)
    assert refusal(merchant, headers | {f"Wechatpay-{name}": ""}, body) == "header_missing"
    del headers[f"Wechatpay-{name}"]
    assert refusal(merchant, headers, body) == "header_missing"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("Serial", "5157F09EFDC096DE15EBE81A47057A7232F1B8E1", "serial"),
        ("Serial", "PUB_KEY_ID_unknown", "serial"),
        ("Timestamp", "yesterday", "stale"),
        ("Timestamp", "١٧٠٠٠٠٠٠٠٠", "stale"),
        ("Signature-Type", "WECHATPAY2-SM2-WITH-SM3", "signature_type"),
        ("Signature", "not base64 at all ünd", "signature"),
        ("Signature", "AAAA", "signature"),
        ("Nonce", "another", "signature"),
    ],
)
def test_an_odd_header_is_a_refusal(
    merchant: WechatPay, keys: SimulatorKeys, name: str, value: str, reason: str
) -> None:
    body = sealed(keys, TRANSACTION)
    assert refusal(merchant, signed(keys, body) | {f"Wechatpay-{name}": value}, body) == reason


def test_tampered_ciphertext_is_a_refusal_even_when_signed(merchant: WechatPay, keys: SimulatorKeys) -> None:
    for part, value in (("ciphertext", b64encode(b"x" * 64).decode()), ("nonce", "short"), ("algorithm", "ROT13")):
        event = json.loads(sealed(keys, TRANSACTION))
        event["resource"][part] = value
        body = json.dumps(event).encode()
        refusal(merchant, signed(keys, body), body)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b"7", b"{}", b'{"resource_type": "encrypt-resource"}', b"["])
def test_a_signed_body_of_another_shape_is_a_refusal(merchant: WechatPay, keys: SimulatorKeys, body: bytes) -> None:
    refusal(merchant, signed(keys, body), body)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        "text",
        None,
        {},
        TRANSACTION | {"trade_state": "DREAMING"},
        TRANSACTION | {"amount": {"total": "100"}},
        TRANSACTION | {"amount": {"total": 1.5}},
        TRANSACTION | {"success_time": "2026-11-21T21:15:00"},
        TRANSACTION | {"success_time": 1_700_000_000},
        TRANSACTION | {"mchid": None},
    ],
)
def test_genuine_nonsense_is_malformed(merchant: WechatPay, keys: SimulatorKeys, fields: object) -> None:
    body = sealed(keys, fields)
    refusal(merchant, signed(keys, body), body)


def test_an_unknown_event_is_read_without_its_content(merchant: WechatPay, keys: SimulatorKeys) -> None:
    body = sealed(keys, {"mchid": "1600000001"}, event_type="MCHTRANSFER.BILL.FINISHED")
    read = merchant.read_notification(signed(keys, body), body)
    assert (read.transaction, read.refund, read.event_type) == (None, None, "MCHTRANSFER.BILL.FINISHED")


# A busy machine may need longer for one signature than Hypothesis expects.
unhurried = settings(deadline=None)

_names = st.sampled_from(
    ["Wechatpay-Timestamp", "wechatpay-nonce", "Wechatpay-Signature", "WECHATPAY-SERIAL", "Wechatpay-Signature-Type"]
)


@unhurried
@given(
    changed=st.dictionaries(_names | st.text(max_size=30), st.text(max_size=60), max_size=7),
    body=st.none() | st.binary(max_size=300),
)
def test_nothing_but_a_refusal_comes_of_noise(
    merchant: WechatPay, keys: SimulatorKeys, changed: dict[str, str], body: bytes | None
) -> None:
    genuine = sealed(keys, TRANSACTION)
    headers = signed(keys, genuine) | changed
    try:
        read = merchant.read_notification(headers, genuine if body is None else body)
    except NotificationRefused:
        return
    # Only untouched content may pass, whatever stands in headers that do not count.
    assert body is None or body == genuine
    assert read.transaction is not None


@unhurried
@given(body=st.binary(max_size=300))
def test_signed_noise_is_refused_too(merchant: WechatPay, keys: SimulatorKeys, body: bytes) -> None:
    refusal(merchant, signed(keys, body), body)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@unhurried
@given(fields=_json)
def test_sealed_noise_is_refused_too(merchant: WechatPay, keys: SimulatorKeys, fields: object) -> None:
    body = sealed(keys, fields)
    refusal(merchant, signed(keys, body), body)
