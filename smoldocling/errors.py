"""Every exception that leaves this package, sorted by who can do something about it.

What the model wrote is never an exception: it is a Problem in the result.
"""


class SmolDoclingError(Exception):
    """Root of all. The message is one line: what came, what is taken, what to try."""


class UnusableInput(SmolDoclingError):
    """The user's file or image cannot be read at all."""


class UnreadablePage(SmolDoclingError):
    """One page of a readable document cannot be read; the other pages can."""


class UnusableOption(SmolDoclingError):
    """An option or a combination of options that makes no sense."""


class NoCheckpoint(SmolDoclingError):
    """No model weights were found where they were looked for.

    reason  where they were looked for, without the advice that ends the message
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}; {advice}")
        self.reason = reason


class UnusableCheckpoint(SmolDoclingError):
    """Files were found, but they are not a checkpoint that this engine can run."""


class UnknownNetwork(UnusableCheckpoint):
    """A checkpoint of another architecture than the native engine computes; transformers may know it."""


class UnwritableOutput(SmolDoclingError):
    """The result exists but cannot be put where the user asked for it."""
