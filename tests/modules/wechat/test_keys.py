"""The simulator's keys on disk, and keys given to the client as text or as a file."""

import stat
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from app.core.operator_errors import ConfigurationInvalid
from app.core.settings import Settings
from app.simulator import SimulatorKeys, load_or_make
from app.simulator.keys import KEYS_FILE
from app.wechat import WechatPay


def test_keys_are_the_owners_alone_and_stay_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "simulator"
    made = load_or_make(folder)
    assert load_or_make(folder) == made
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made.merchant_private_key.key_size == made.platform_private_key.key_size == 2048
    assert len(made.apiv3_key) == 32
    assert made.app_secret not in repr(made)
    assert "PRIVATE" not in repr(made)


def test_processes_that_begin_at_once_agree(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        made = list(pool.map(load_or_make, [tmp_path] * 3))
    assert made[0] == made[1] == made[2]


def test_a_crash_while_writing_leaves_no_half_file(tmp_path: Path) -> None:
    (tmp_path / f".{KEYS_FILE}.1").write_text('{"mchid": ')
    assert load_or_make(tmp_path) == load_or_make(tmp_path)


def test_keys_may_be_given_as_files_as_one_line_or_in_the_old_form(
    tmp_path: Path, settings: Settings, keys: SimulatorKeys
) -> None:
    private, public = tmp_path / "merchant.pem", tmp_path / "wechat.pem"
    private.write_text(keys.merchant_private_pem)
    public.write_text(keys.platform_public_pem)
    old = keys.merchant_private_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    for given in (str(private), keys.merchant_private_pem.replace("\n", "\\n"), old.decode()):
        changed = {"wechat_mch_private_key": SecretStr(given), "wechat_pay_public_key": str(public)}
        parameters = WechatPay.open(settings.model_copy(update=changed)).client_parameters("wx1", keys.appid)
        assert parameters.paySign


WRONG_KEYS = {
    "wechat_mch_private_key": SecretStr("-----BEGIN PRIVATE KEY----- not one"),
    "wechat_pay_public_key": "/nowhere/key.pem",
    "wechat_pay_public_key_id": "",
    "wechat_apiv3_key": SecretStr("short"),
}


@pytest.mark.parametrize("name", WRONG_KEYS)
def test_a_missing_key_is_told_when_opening(settings: Settings, name: str) -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        WechatPay.open(settings.model_copy(update={name: WRONG_KEYS[name]}))
    assert [fault.split()[0] for fault in refused.value.faults] == [f"SIYU_{name.upper()}"]


def test_all_keys_that_cannot_be_used_are_told_at_once_and_not_shown(settings: Settings) -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        WechatPay.open(settings.model_copy(update=WRONG_KEYS))
    assert {fault.split()[0] for fault in refused.value.faults} == {f"SIYU_{name.upper()}" for name in WRONG_KEYS}
    assert "not one" not in str(refused.value)
