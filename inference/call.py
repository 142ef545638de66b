"""One request's context: who asks, until when, and what was measured on the way.

service: caller, deadline, request id → Call → engine, batcher: queue_s, compute_s, codec_s, …
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Call:
    """The context of one request, passed along with its data.

    Attributes:
        caller: Whom fairness and metrics go by.
        deadline: When the answer is of no more use: seconds on the batcher's clock
            (`time.monotonic`), None for never.
        request_id: The id in the answer and in the log.
        queue_s: Seconds spent waiting in queues, summed over the graphs.
        compute_s: Seconds spent in micro-batches, summed over the graphs.
        decode_s: Seconds spent reading what came: images decoded, large bodies parsed.
        encode_s: Seconds spent writing the answer: images encoded, large bodies written.
        batch_size: Items of the largest micro-batch that it rode in.
        items: Images or latents that it asked the engine for.
        trace: What the service follows it by; the engine passes it on unread.
        max_items: Items that the caller may have in a worker at a time; None for no limit.
    """

    caller: str = "anonymous"
    deadline: float | None = None
    request_id: str = ""
    queue_s: float = 0.0
    compute_s: float = 0.0
    decode_s: float = 0.0
    encode_s: float = 0.0
    batch_size: int = 0
    items: int = 0
    trace: object | None = None
    max_items: int | None = None

    @property
    def codec_s(self) -> float:
        """Seconds spent in codecs."""
        return self.decode_s + self.encode_s
