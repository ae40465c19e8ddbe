"""What an operator can mend. A command says it in a line or a few and ends, without a traceback."""

from collections.abc import Sequence
from typing import ClassVar


class OperatorError(RuntimeError):
    """The message says what is wrong and, where there is one way, what to do."""

    exit_code: ClassVar[int] = 1


class ConfigurationInvalid(OperatorError):
    """Settings that no process starts with: one line for each, naming its variable."""

    exit_code = 2

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(f"configuration: {fault}" for fault in faults))
        self.faults = faults
