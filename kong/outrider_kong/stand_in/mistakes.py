"""What keeps the stand-in from starting, one sentence each."""

from collections.abc import Sequence


class MistakeError(Exception):
    """Kong would not start with this; `sentences` says why."""

    def __init__(self, sentences: str | Sequence[str]) -> None:
        self.sentences = [sentences] if isinstance(sentences, str) else list(sentences)
        super().__init__("\n".join(self.sentences))
