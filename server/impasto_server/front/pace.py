"""How fast one client may send messages: a bucket of tokens that fills with time."""

from __future__ import annotations

from dataclasses import dataclass

from impasto_protocol.errors import TooFast

__all__ = ["Pace"]

# A painter makes some 120 updates a second; a benchmark on shared memory some 5,000 messages.
MESSAGES_PER_S = 10_000.0
BURST = 20_000.0


@dataclass
class Pace:
    per_s: float = MESSAGES_PER_S
    burst: float = BURST
    _spent: float = 0.0  # of the bucket
    _at_s: float = 0.0

    def step(self, now_s: float) -> None:
        """Counts one message at a monotonic time. Raises `TooFast` when the bucket is empty."""
        self._spent = max(0.0, self._spent - (now_s - self._at_s) * self.per_s) + 1.0
        self._at_s = now_s
        if self._spent > self.burst:
            raise TooFast(f"The program sends more than {self.per_s:.0f} messages a second. Restart it.")
