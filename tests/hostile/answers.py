"""What a line must be answered, worked out by the standard library's JSON: a second opinion."""

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from chat_rpc import errors, methods

NEVER = {errors.InternalError.code, errors.StoreCorrupt.code}  # nobody harms this store
CODES = {error.code for error in errors.table()} - NEVER
OTHER = 0  # a result, or an error of the method's own

# where readers of JSON differ: half of a pair, a number beyond a float, a name that is there
# twice, hundreds of levels
LONE = re.compile(rb"\\u[dD][89a-fA-F]")
DEEP = (b"[" * 100, b'{"a":' * 100)
LONG_NUMBER = 300

Answers = Counter[tuple[str, int]]  # id as JSON, and -32601, -32600, -32700 or OTHER


class Unclear(Exception):
    """JSON's grammar alone does not say what this is."""


def expected(line: bytes, batch_limit: int) -> tuple[Answers, bool] | None:
    """Return the answers that a line must get, and whether they come as one array.

    None: that is unclear.
    """
    if LONE.search(line) or any(deep in line for deep in DEEP):
        return None
    try:
        said = _decoder.decode(line.decode())
    except Unclear:
        return None
    except ValueError:
        return Counter([("null", errors.ParseError.code)]), False
    if not isinstance(said, list):
        return Counter(_of_request(said)), False
    if not 1 <= len(said) <= batch_limit:
        return Counter([("null", errors.InvalidRequest.code)]), False
    answers = Counter(each for request in said for each in _of_request(request))
    return answers, bool(answers)


def given(lines: Sequence[bytes]) -> tuple[Answers, bool]:
    """Return the answers that were given, in the same form; raises AssertionError, ValueError."""
    answers: list[Any] = [json.loads(line.decode()) for line in lines]
    assert len(answers) <= 1, f"{len(answers)} lines for one"
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    is_array = bool(answers) and isinstance(answers[0], list)
    return Counter(map(_class_of, answers[0] if is_array else answers)), is_array


def codes(lines: Sequence[bytes]) -> list[str]:
    """Return the codes of the answers in these lines."""
    found = [json.loads(line) for line in lines]
    flat = [each for answer in found for each in (answer if isinstance(answer, list) else [answer])]
    return [str(each["error"]["code"]) if "error" in each else "result" for each in flat]


def _of_request(said: Any) -> list[tuple[str, int]]:
    if not _is_request(said):
        return [("null", errors.InvalidRequest.code)]
    if "id" not in said:
        return []
    known = said["method"] in methods.METHODS
    return [(json.dumps(said["id"]), OTHER if known else errors.NoSuchMethod.code)]


def _is_request(said: Any) -> bool:
    return (
        isinstance(said, dict)
        and said.get("jsonrpc") == "2.0"
        and isinstance(said.get("method"), str)
        and (said.get("id") is None or type(said["id"]) in (int, float, str))
    )


def _class_of(answer: Any) -> tuple[str, int]:
    assert answer.keys() in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"}), answer.keys()
    assert answer["jsonrpc"] == "2.0"
    if "result" in answer:
        assert isinstance(answer["result"], dict)
        return json.dumps(answer["id"]), OTHER
    error = answer["error"]
    assert error["code"] in CODES, error
    assert "Traceback" not in error["message"], error
    assert error.keys() == {"code", "message", "data"}
    outer = error["code"] in (
        errors.ParseError.code, errors.InvalidRequest.code, errors.NoSuchMethod.code,
    )  # fmt: skip
    return json.dumps(answer["id"]), error["code"] if outer else OTHER


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _number(text: str) -> float:
    if len(text) > LONG_NUMBER or math.isinf(value := float(text)):
        raise Unclear
    return value


def _whole_number(text: str) -> int:
    if len(text) > LONG_NUMBER:
        raise Unclear
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(said := dict(pairs)) < len(pairs):
        raise Unclear
    return said


_decoder = json.JSONDecoder(
    parse_constant=_refuse,
    parse_float=_number,
    parse_int=_whole_number,
    object_pairs_hook=_once,
)
