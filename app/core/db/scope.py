"""The scope of staff, as part of a query."""


def within(column: str) -> str:
    """The condition that a path column lies within a staff member's reach; its value is `scope=actor.scope`.

    Every query that staff with less than the whole brand can reach has it, or another condition that names who they are.
    """
    return f"{column} LIKE :scope"
