"""The two orders that Sparrow obeys. Pure."""

import msgspec

from carriers.contract import Attempt, Document

_JSON = "application/json"


class SparrowMarkup:
    """`carriers.contract.Markup`."""

    def connect(self, attempt: Attempt) -> Document:
        return Document(body=msgspec.json.encode({"do": "stream", "url": attempt.media_url}), content_type=_JSON)

    def voicemail(self) -> Document | None:
        return None

    def message(self, attempt: Attempt) -> Document:
        return self.hang_up()

    def farewell(self) -> Document:
        return self.hang_up()

    def reject(self, cause: str) -> Document:
        return self.hang_up()

    def hang_up(self) -> Document:
        return Document(body=msgspec.json.encode({"do": "hang_up"}), content_type=_JSON)

    def acknowledge(self) -> Document:
        return Document(status=204)
