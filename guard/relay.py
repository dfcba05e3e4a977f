"""Relay a streamed answer: the upstream's bytes go in, judged events come out. A state machine without I/O.

Each event waits in the queue of its choice until its text is cleared; then it leaves in its own envelope, in its original bytes
where nothing changed. An event that belongs to no choice leaves after everything that came before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from guard.errors import BadMessage
from guard.formats import arguments
from guard.formats.base import EndOfStream, Format, Frame, Part, Request
from guard.held import HeldChoice, HeldPart, HeldText, leaf
from guard.media import Media
from guard.policy.model import Policy
from guard.streaming import ChoiceJudge, Window
from guard.values import Decision, Finding, Revision

Choice = int | None

MOST_CHOICES = 128
"""Choices that an answer may have, where the request asked for fewer."""
MOST_HELD = 16 * 1024 * 1024
"""Characters of one answer that may wait for their verdicts."""


class Relay:
    """One streamed answer on its way to the client."""

    def __init__(
        self,
        policy: Policy,
        wire: Format,
        request: Request,
        judge: Callable[[Choice], ChoiceJudge],
        unjudged: Callable[[Media], str] = lambda _medium: "",
    ) -> None:
        """Prepare for an answer.

        Args:
            wire: The format of request and answer.
            judge: Makes the judge of a choice.
            unjudged: Returns why the answer has to end where it carries an image or a sound; empty where that may pass.
        """
        self._unjudged = unjudged
        self._policy = policy
        self._wire = wire
        self._request = request
        self._make_judge = judge
        self._framing = wire.framing(policy.limits.stream_event)
        self._lanes: dict[Choice, HeldChoice] = {}
        self._order = 0
        self._last: Part | None = None
        self._end: bytes | None = None
        self._fault: tuple[str, str] | None = None
        self._closed = False
        self._held_length = 0
        self.finished = False
        self.rejection: str | None = None
        """The refusal's message, where the policy refuses by an error: the whole answer is over."""

    @property
    def decision(self) -> Decision:
        """What was decided about all choices together, so far."""
        decisions = [lane.decision for lane in self._lanes.values()]
        if not decisions:
            return Decision(policy=self._policy.digest)
        strictest = max(decisions, key=lambda decision: decision.action)
        rules = {rule for decision in decisions for rule in decision.rules}
        return Decision(
            action=strictest.action,
            rules=tuple(rule.id for rule in self._policy.rules if rule.id in rules),
            findings=tuple(finding for decision in decisions for finding in decision.findings),
            policy=self._policy.digest,
            failed=tuple(sorted({name for decision in decisions for name in decision.failed})),
            message=strictest.message,
            revision=next((decision.revision for decision in decisions if decision.revision is not None), None),
        )

    @property
    def judges(self) -> tuple[tuple[Choice, ChoiceJudge], ...]:
        """The judge of each choice so far."""
        return tuple((choice, lane.judge) for choice, lane in self._lanes.items())

    @property
    def unrevised(self) -> dict[Choice, ChoiceJudge]:
        """The judges of choices that have to be rewritten before they may leave."""
        return {choice: lane.judge for choice, lane in self._lanes.items() if lane.waits}

    def revise(self, choice: Choice, texts: Mapping[str, str], refusal: str, revision: Revision | None) -> None:
        """Take what a choice that had to be rewritten becomes: new texts by track, or a refusal."""
        self._lanes[choice].revise(texts, refusal, revision)

    @property
    def started(self) -> bool:
        """Whether text of the answer has been released."""
        return any(lane.started for lane in self._lanes.values())

    @property
    def holding(self) -> bool:
        """Whether something that has come has not left."""
        return any(lane.queue for lane in self._lanes.values())

    def feed(self, data: bytes) -> None:
        """Take bytes of the upstream's stream, however the network cut them."""
        if self._closed or self.finished:
            return
        try:
            while frames := self._framing.feed(data):
                for frame in frames:
                    self._frame(frame)
                data = b""
        except BadMessage as error:
            self.fail(f"the upstream's stream broke its format: {error}", "upstream_error")
            return
        for lane in self._lanes.values():
            lane.judge.advance()

    def end(self) -> None:
        """Say that the upstream has closed its stream."""
        if self._closed:
            return
        try:
            for frame in self._framing.end():
                self._frame(frame)
        except BadMessage as error:
            self.fail(f"the upstream's stream broke its format: {error}", "upstream_error")
            return
        unended = [choice for choice, lane in self._lanes.items() if not lane.ended and choice is not None]
        if self._end is None and (unended or not self._lanes):
            self.fail("the upstream closed its stream before the answer was complete", "upstream_error")
            return
        self._close()

    def fail(self, message: str, code: str) -> None:
        """Say that the upstream's stream is broken: what was held is judged, then the client is told."""
        if not self._closed:
            self._fault = (message, code)
            self._close()

    def windows(self) -> list[tuple[Choice, Window]]:
        """Return the windows to judge that were not handed out yet."""
        return [(choice, window) for choice, lane in self._lanes.items() for window in lane.judge.windows()]

    def answer(self, choice: Choice, window: Window, findings: Sequence[Finding] | None) -> None:
        """Take the verdict on a window; None where there is none."""
        self._lanes[choice].judge.answer(window, findings)

    def take(self) -> bytes:
        """Return what may be sent now; empty while everything is held."""
        if self.finished:
            return b""
        sent: list[bytes] = []
        for choice, lane in sorted(
            self._lanes.items(), key=lambda pair: pair[1].queue[0].order if pair[1].queue else self._order
        ):
            if choice is not None:
                self._drain(choice, lane, sent)
            if self.finished:
                return b"".join(sent)
        if None in self._lanes:
            self._drain(None, self._lanes[None], sent)
        self._finish(sent)
        return b"".join(sent)

    def _frame(self, frame: Frame) -> None:
        if self._end is not None or self._closed:
            return
        parts = self._wire.read_event(frame)
        if isinstance(parts, EndOfStream):
            self._end = parts.raw
            self._close()
            return
        for part in parts:
            self._hold(part)

    def _hold(self, part: Part) -> None:
        lane = self._lanes.get(part.choice)
        if lane is None:
            if len(self._lanes) > max(MOST_CHOICES, int(self._request.extra.get("n", 1))):
                raise BadMessage(f"the answer has more than {len(self._lanes) - 1} choices")
            lane = self._lanes[part.choice] = HeldChoice(self._make_judge(part.choice))
        self._last = part
        for medium in part.media:
            if reason := self._unjudged(medium):
                self.fail(reason, "media_not_judged")
                return
        if lane.refused or (lane.ended and part.deltas):
            return
        stretches = []
        for delta in part.deltas:
            self._held_length += len(delta.text)
            if delta.whole:
                whole = lane.whole.setdefault(delta.track, HeldText())
                whole.append(delta.text)
                if whole.end > self._policy.limits.body:
                    raise BadMessage(f"the tool call in {delta.track} is longer than {self._policy.limits.body} characters")
                stretches.append((delta, 0, 0))
                continue
            text = lane.texts.setdefault(delta.track, HeldText())
            stretches.append((delta, text.end, text.end + len(delta.text)))
            text.append(delta.text)
            lane.judge.feed(delta.track, delta.role, delta.text)
        if self._held_length > MOST_HELD:
            raise BadMessage(f"more than {MOST_HELD} characters of the answer would have to be held until they are judged")
        self._order += 1
        lane.queue.append(HeldPart(self._order, part, stretches))
        if part.ends:
            self._end_lane(lane)

    def _end_lane(self, lane: HeldChoice) -> None:
        if lane.ended:
            return
        lane.ended = True
        deltas = {delta.track: delta for held in lane.queue for delta, _, _ in held.stretches if delta.whole}
        for track, text in lane.whole.items():
            for piece in arguments.split(text.joined()):
                lane.judge.feed(leaf(track, piece), deltas[track].role, piece.text)
        lane.judge.close()

    def _close(self) -> None:
        self._closed = True
        for lane in self._lanes.values():
            self._end_lane(lane)

    def _drain(self, choice: Choice, lane: HeldChoice, sent: list[bytes]) -> None:
        """Send what has been cleared at the head of a lane's queue."""
        if lane.refused or lane.waits:
            return
        lane.write_whole()
        while lane.queue:
            held = lane.queue[0]
            if choice is None and any(other.queue and other.queue[0].order < held.order for other in self._lanes.values()):
                return
            if held.part.ends and not lane.judge.done:
                self._send_part(lane, held, sent, complete=False)
                break
            if lane.blocked and (held.part.ends or not lane.cleared(held)):
                self._send_part(lane, held, sent, complete=False)
                break
            if not self._send_part(lane, held, sent, complete=lane.cleared(held)):
                break
            lane.queue.popleft()
        if lane.blocked:
            self._refuse(choice, lane, sent)

    def _send_part(self, lane: HeldChoice, held: HeldPart, sent: list[bytes], *, complete: bool) -> bool:
        """Send as much of a part as is cleared; return whether that was all of it."""
        if lane.blocked and held.part.ends:
            complete = False
        changed = bool(held.sent)
        texts: dict[str, str | None] = dict.fromkeys(held.part.once) if changed else {}
        fresh = False
        for delta, start, end in held.stretches:
            if delta.whole:
                text = lane.whole_text(delta) if complete else None
                changed |= text != delta.text
                texts[delta.pointer] = text
                continue
            begins = max(start, held.sent.get(delta.track, start))
            limit = max(begins, min(end, lane.judge.limit(delta.track)))
            text = lane.release(delta.track, begins, limit)
            self._held_length -= limit - begins
            changed |= text != delta.text
            fresh |= bool(text)
            texts[delta.pointer] = text or (None if not complete or delta.text else text)
            if limit > begins:
                held.sent[delta.track] = limit
        if complete and not changed and held.part.raw is not None:
            sent.append(held.part.raw)
        elif complete and not changed:
            sent.append(self._wire.write_part(held.part, {}))
        elif fresh or (complete and (not held.part.bare or any(text for text in texts.values()))):
            part = held.part if complete else _unended(held.part)
            sent.append(self._wire.write_part(part, texts))
        else:
            return complete
        lane.started = lane.started or fresh or any(texts.values())
        return complete

    def _refuse(self, choice: Choice, lane: HeldChoice, sent: list[bytes]) -> None:
        lane.refused = True
        lane.queue.clear()
        message = lane.decision.message or self._policy.message
        if self._policy.refusal == "error":
            self.rejection = message
            sent.append(self._wire.stream_error(message, code="content_filter"))
            self.finished = True
            return
        sent.append(
            self._wire.refuse_stream(self._request, self._last, choice or 0, message, self._policy.refusal, started=lane.started)
        )

    def _finish(self, sent: list[bytes]) -> None:
        """End the stream when nothing can follow any more."""
        choices = {choice: lane for choice, lane in self._lanes.items() if choice is not None}
        refused = [lane for lane in choices.values() if lane.refused]
        common = self._lanes.get(None)
        if common is not None and common.refused:
            sent.append(self._wire.end_stream(self._request, self._last, usage=self._request.usage))
            self.finished = True
            return
        wanted = int(self._request.extra.get("n", 1))
        if refused and len(refused) == len(choices) >= wanted:
            sent.append(self._wire.end_stream(self._request, self._last, usage=self._request.usage))
            self.finished = True
            return
        if not self._closed or any(lane.queue for lane in self._lanes.values()):
            return
        if self._fault:
            sent.append(self._wire.stream_error(self._fault[0], code=self._fault[1]))
        elif self._end is not None:
            sent.append(self._end)
        self.finished = True


def _unended(part: Part) -> Part:
    """Return the part as it is sent while some of it is held: its last piece carries the rest of the envelope."""
    return part if part.bare else replace(part, ends=False, raw=None)
