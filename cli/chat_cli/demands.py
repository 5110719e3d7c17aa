"""What is demanded of a reply: flags, profiles and templates become checks and tries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from chat_cli import schemas
from chat_rpc import checks, errors, methods
from chat_rpc.person import Demand, Person, Profile


@dataclass
class Demands:
    """Checks beyond the always-on ones, which of those are off, and how often may be tried."""

    checks: list[methods.Check] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    tries: int | None = None

    def add(self, said: Iterable[Demand], person: Person) -> None:
        """Add checks: as tables, as `type:value`, or by the name of a profile."""
        for demand in said:
            if isinstance(demand, methods.Check):
                self.checks.append(demand)
            elif profile := person.checks.get(demand):
                self._add_profile(profile)
            else:
                self.checks.append(_parsed(demand))

    def add_profiles(self, names: Sequence[str], person: Person) -> None:
        """Add profiles of [checks.NAME] in config.toml."""
        for name in names:
            if name not in person.checks:
                known = ", ".join(person.checks) or "none"
                raise errors.InvalidParams(f"there is no [checks.{name}]; there are: {known}")
            self._add_profile(person.checks[name])

    def add_schema(self, text: str) -> None:
        self.checks.append(methods.Check(type="schema", value=schemas.schema_of(text)))

    def add_judge(self, rubric: str | None, model: str | None) -> None:
        """Have a model judge; without a rubric, by what it was asked."""
        value = {"rubric": rubric or "It answers the question, rightly and as it was asked."}
        self.checks.append(
            methods.Check(type="judge", value=value | ({"model": model} if model else {}))
        )

    def look_at_code(self) -> None:
        """Check the code that is printed, and not what stands around it.

        Programs are given it anyway, for `chat` runs them; a judge reads the whole.
        """
        self.checks = [
            each
            if each.on != "reply" or each.type in ("exec", "judge")
            else msgspec.structs.replace(each, on="code")
            for each in self.checks
        ]

    def _add_profile(self, profile: Profile) -> None:
        self.checks += [
            each if isinstance(each, methods.Check) else _parsed(each) for each in profile.checks
        ]
        self.without += profile.without
        self.tries = self.tries or profile.tries


def _parsed(text: str) -> methods.Check:
    try:
        return checks.parse(text)
    except ValueError as exc:
        raise errors.InvalidParams(f"--check {text!r}: {exc}") from None
