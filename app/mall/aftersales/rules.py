"""What refunds are worth, pure."""


def refund_of_units(*, paid_fen: int, quantity: int, refunded_quantity: int, units: int) -> int:
    """What `units` more of a line are worth in a refund, cumulatively, so that all units together are worth `paid_fen`.

    Rounded half up: the value of n units is round(paid × n / quantity).
    """
    assert 0 < units <= quantity - refunded_quantity

    def worth(count: int) -> int:
        return (2 * paid_fen * count + quantity) // (2 * quantity)

    return worth(refunded_quantity + units) - worth(refunded_quantity)
