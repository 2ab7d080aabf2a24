"""Counts what became of a stream's records, for the summary at the end of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.rows import Reason

EXAMPLES = 5
"""Keys that are kept of each reason code."""
_HASH_SHOWN = 19
"""`sha256:` and twelve digits: enough to find the row in the rejects file."""


@dataclass
class Tally:
    """The records of one stream.

    `received` is always the sum of the others: accepted, unchanged, combined, rejected, withheld, in part,
    refused before, unsettled.

    Attributes:
        unchanged: Nothing to write, or held by Klaviyo already.
        combined: Sent as one with a later record of the same key.
        rejected: By reason code.
        withheld: By reason code; refused as it is wished, since nothing may be written about whom they mention.
        in_part: By reason code; written, but for what it says.
        refused_before: Not sent, since Klaviyo refused the same not long ago.
        unsettled: By the reason; Klaviyo may or may not have them.
        resumed: Of those accepted or rejected, the ones that an earlier run had sent.
        bytes: Of the requests that a dry run would send; nothing is counted otherwise.
    """

    received: int = 0
    accepted: int = 0
    unchanged: int = 0
    combined: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    withheld: Counter[str] = field(default_factory=Counter)
    in_part: Counter[str] = field(default_factory=Counter)
    refused_before: int = 0
    unsettled: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    requests: int = 0
    resumed: int = 0
    bytes: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    def reject(self, reason: Reason, key: Key | None) -> None:
        """Count a refused record, and keep the first few keys of its code, masked."""
        counted_as = self.withheld if reason.anonymous else self.in_part if reason.in_part else self.rejected
        counted_as[reason.code] += 1
        kept = self.examples.setdefault(reason.code, [])
        if key is not None and len(kept) < EXAMPLES:
            kind, value = key.masked()
            kept.append(f"{kind} {value[:_HASH_SHOWN] if value.startswith('sha256:') else value}")

    def ratio(self) -> float:
        """The part that was refused of the records that might have been written."""
        writable = self.received - self.withheld.total()
        return self.rejected.total() / writable if writable else 0.0

    def good(self) -> int:
        """The records that Klaviyo has as they are, whether this run sent them or it had them already."""
        return self.accepted + self.unchanged + self.combined + self.in_part.total()

    def summary(self, stream: str, *, dry: bool) -> Iterator[str]:
        """The lines of the summary."""
        counts = [
            f"{self.received:,} received",
            f"{self.accepted:,} {'would be sent' if dry else 'accepted'}",
            *(f"{count:,} {name}" for name, count in self._if_any().items() if count),
        ]
        requests = counted(self.requests, "request")
        work = f"{requests} of {self.bytes:,} bytes" if dry else f"{counted(self.jobs, 'job')}, {requests}"
        yield f"{stream}: {', '.join(counts)}; {work}"
        if self.resumed:
            yield f"{stream}: {self.resumed:,} of them had been sent by an earlier run"
        for code, count in self.rejected.most_common():
            examples = ", ".join(self.examples[code])
            yield f"{stream}: rejected {count:,} as {code}{f': {examples}' if examples else ''}"
        for code, count in self.withheld.most_common():
            yield f"{stream}: withheld {count:,} as {code}: {', '.join(self.examples[code])}"
        for code, count in self.in_part.most_common():
            yield f"{stream}: written in part {count:,}, but for {code}: {', '.join(self.examples[code])}"
        for why, count in self.unsettled.most_common():
            yield f"{stream}: not settled {count:,}: {why}"

    def _if_any(self) -> dict[str, int]:
        return {
            "unchanged": self.unchanged,
            "combined": self.combined,
            "rejected": self.rejected.total(),
            "withheld": self.withheld.total(),
            "written in part": self.in_part.total(),
            "refused before": self.refused_before,
            "not settled": self.unsettled.total(),
        }


def counted(count: int, noun: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
