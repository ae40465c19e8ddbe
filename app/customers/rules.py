"""How personal data looks when others see it. Pure."""


def mask(name: str) -> str:
    """The first character and two stars: "Lily" → "L**", "微信用户" → "微**"."""
    return f"{name[:1]}**"


def mask_phone(phone: str) -> str:
    """Enough for its owner to recognise it: "13812345678" → "138****5678"; a short number keeps its last two digits."""
    if len(phone) < 9:
        return "*" * max(0, len(phone) - 2) + phone[-2:]
    return f"{phone[:3]}{'*' * (len(phone) - 7)}{phone[-4:]}"
