"""The plugin policy: who may do what, in expressions."""

import logging
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Annotated, ClassVar, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from outrider import Needs, Plugin, Refusal, Request, Runtime
from outrider.metrics import Counter, Metrics
from outrider.quiet_log import QuietLog
from outrider_plugins.policies.condition import Condition, UndecidedError, condition

_log = logging.getLogger("outrider.plugin.policy")


def _compiles(source: str) -> str:
    condition(source)
    return source


Expression = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_compiles)]
Status = Annotated[int, Field(ge=400, le=599)]


class Rule(BaseModel):
    """One condition under a name."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    """What it is called in the log."""
    allow: Expression | None = None
    """Refuses what this is not true of."""
    deny: Expression | None = None
    """Refuses what this is true of."""
    status: Status | None = None
    """The status of its refusals, in place of the plugin's."""
    message: str | None = None
    """The message of its refusals, in place of the plugin's."""

    @model_validator(mode="after")
    def _has_one_condition(self) -> Self:
        if (self.allow is None) == (self.deny is None):
            raise ValueError(f"the rule {self.name} has one condition: give allow or deny, and not both")
        return self


class _Judge(NamedTuple):
    """A rule that is ready for requests."""

    name: str
    condition: Condition
    wanted: bool
    status: int
    message: str


class Policy(Plugin):
    """Lets requests in by expressions in CEL over the request, the consumer, the claims, the route and the context.

    A request that an expression can't be decided for is refused.
    """

    priority: ClassVar[int] = 940

    allow: Expression | None = None
    """Refuses what this is not true of. It comes before `rules`, under the name `allow`."""
    rules: Annotated[Sequence[Rule], Field(max_length=100)] = ()
    """Rules, each with `name` and either `allow` or `deny`; the first one that refuses does so with its `status` and
    `message`."""
    status: Status = 403
    """The status of a refusal."""
    message: str = "Forbidden"
    """The message of a refusal."""
    dry_run: bool = False
    """Refuses nobody: the log and `outrider_policy_dry_run_total` tell what would have become of requests."""

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        if self.allow is None and not self.rules:
            raise ValueError("refuses nobody: give allow, or rules")
        names = [rule.name for rule in self._rules()]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules are called {twice[0]}: rename one")
        self._judges = [self._judge(rule) for rule in self._rules()]
        return self

    def needs(self) -> Needs:
        return Needs(facts=frozenset(fact for judge in self._judges for fact in judge.condition.facts))

    async def start(self, runtime: Runtime, /) -> None:
        self._undecided = _QuietLogs()
        self._dry = _DryRun(runtime.metrics) if self.dry_run else None

    def on_request(self, request: Request, /) -> Refusal | None:
        for judge in self._judges:
            if not self._passes(judge, request):
                return self._refuse(judge, request)
        if self._dry is not None:
            self._dry.passed(request)
        return None

    def _passes(self, judge: _Judge, request: Request) -> bool:
        try:
            return judge.condition.holds(request) is judge.wanted
        except UndecidedError as error:
            log = self._undecided.of(judge.name, request.route.name)
            log.warning("rule %s can't be decided on the route %s: %s", judge.name, request.route.name, error)
            return False

    def _refuse(self, judge: _Judge, request: Request) -> Refusal | None:
        if self._dry is not None:
            self._dry.refused(judge.name, request)
            return None
        return Refusal(judge.status, judge.message)

    def _rules(self) -> list[Rule]:
        own = [] if self.allow is None else [Rule(name="allow", allow=self.allow)]
        return [*own, *self.rules]

    def _judge(self, rule: Rule) -> _Judge:
        message = self.message if rule.message is None else rule.message
        ready = condition(rule.allow or rule.deny or "")
        return _Judge(rule.name, ready, rule.allow is not None, rule.status or self.status, message)


class _QuietLogs:
    """One line a minute for each rule and route."""

    def __init__(self) -> None:
        self._logs: dict[tuple[str, str], QuietLog] = {}

    def of(self, rule: str, route: str) -> QuietLog:
        return self._logs.setdefault((rule, route), QuietLog(_log))


class _DryRun:
    """Tells what would have become of requests."""

    def __init__(self, metrics: Metrics) -> None:
        self._count = lru_cache(maxsize=None)(partial(_counter, metrics))
        self._logs = _QuietLogs()

    def passed(self, request: Request) -> None:
        self._count(request.route.name, "passed", "").add()

    def refused(self, rule: str, request: Request) -> None:
        self._count(request.route.name, "refused", rule).add()
        log = self._logs.of(rule, request.route.name)
        log.warning("dry run: rule %s would refuse a request on the route %s", rule, request.route.name)


def _counter(metrics: Metrics, route: str, outcome: str, rule: str) -> Counter:
    help_ = "What would have become of requests under a policy with dry_run."
    return metrics.counter("outrider_policy_dry_run_total", help_, route=route, outcome=outcome, rule=rule)
