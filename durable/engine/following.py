"""The first turn of a fork: its code follows what its source did before the step."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from durable.engine.folding import Folded
from durable.engine.forking import Asking, Fit, Prefix, anew_from, is_repeated
from durable.errors import ForkError
from durable.model.events import (
    Completion,
    Decision,
    ExecutionStarted,
    Incoming,
    OrchestratorStarted,
)


class Following(Folded):
    """See the module."""

    def _followed(self, prefix: Prefix, now: datetime) -> list[Decision]:
        """Feed what the fork takes over to its code, and note what that asks for; what of this is
        to be sent.

        The turn has a time of its own, and says by OrchestratorStarted what came in at another.
        What leads to the step happens now. Raises ForkError where the code asks for something
        else than its source did, or stands in a critical section in the end.
        """
        decider, fit = self._decider, Fit(self._decider, prefix)
        start = replace(self.start, origins=prefix.origins)
        anew = anew_from(decider, prefix, start)
        present = self._turn_time = max([now, *(recorded.time for recorded in prefix.events)])
        seen, decided = present, False
        decisions: list[Decision] = []
        decider.is_traced = True
        for number, recorded in enumerate(prefix.events):
            event, is_new = recorded.event, number >= anew
            time = present if is_new else recorded.time
            if isinstance(event, ExecutionStarted):
                event = start
            elif isinstance(event, OrchestratorStarted):
                event, seen, decided = replace(event, time=time), time, False
            elif isinstance(event, Completion):
                fit.check_asked([event.task_id])
                if not self.is_outstanding(event.task_id):
                    continue
            # a reader that knows the turn's time alone takes what follows a decision for a turn
            if time != seen or (decided and time != present):
                self._follow(OrchestratorStarted(time), time, replaying=not is_new)
            self._follow(event, time, replaying=not is_new)
            asked = self._asked(fit, present)
            seen, decided = time, bool(asked)
            decisions += asked
        fit.check_asked(prefix.asked)
        decider.is_traced = False
        locks = self.ledger.locks
        if any(lock < prefix.step and lock not in self.outstanding for lock in locks):
            raise ForkError(
                f"a fork from step {prefix.step} begins inside a critical section, whose entity "
                "locks its source has: fork from before or after it"
            )
        if seen != present:
            self._follow(OrchestratorStarted(present), present, replaying=False)
        repeated = [d for d in decisions if is_repeated(d, prefix.step, self.outstanding)]
        for decision in repeated:
            if isinstance(decision, Asking):
                # noted again as it is sent
                self.outstanding.pop(decision.task_id, None)
        return repeated

    def _follow(self, event: Incoming, time: datetime, *, replaying: bool) -> None:
        assert self._turn_time is not None
        self._events.append(event)
        self._note(event, self._turn_time, self.sequence)
        self._decider.feed(event, time, replaying=replaying)

    def _asked(self, fit: Fit, time: datetime) -> list[Decision]:
        """What the code asks for now, noted."""
        decisions: list[Decision] = []
        while self._decider.decisions:
            decision, place = self._decider.decisions.popleft()
            fit.check(decision, place)
            self._note(decision, time, self.sequence)
            decisions.append(decision)
        self._events += decisions
        return decisions
