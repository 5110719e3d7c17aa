"""Texts that are no JSON, or JSON at its edges, by category; and what chatd must say to each.

The categories are those of the usual JSON test suites; the texts are our own.
"""

from dataclasses import dataclass

PARSE, REQUEST, PARAMS = -32700, -32600, -32602
TEMPLATE = b'{"jsonrpc":"2.0","id":7,"method":"system.ping","params":%b}'
DEEP = 100_000


@dataclass(frozen=True)
class Case:
    """A text, and the codes for it as a whole line and as params; None: it is accepted."""

    name: str
    text: bytes
    alone: int
    as_params: int | None


_NO_JSON: dict[str, list[bytes]] = {
    "array": [
        b"[", b"]", b"[1", b"[1,", b"[1,]", b"[,1]", b"[,]", b"[1,,2]", b"[1 2]", b"[1;2]",
        b"[1:2]", b'["a"', b'["a",', b'["a" "b"]', b"[[]", b"[]]", b"[[1],", b"[1,2}", b"[}",
        b"[x]", b"[*]", b"[-]", b"[1,nul]", b'["a\x00"]', b'["\ta"]', b"[1,\x0c2]",
        b"[\xe2\x81\xa0]", b"[\"a\",\\f]", b"[1],", b"[\xff]", b"[1\x00]", b"[...]", b"[[[]]",
        b"[()]",
    ],
    "object": [
        b"{", b"}", b"{]", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1,}', b'{,"a":1}',
        b'{"a":1,,"b":2}', b'{"a" 1}', b'{"a"::1}', b'{"a":}', b'{"a":1 "b":2}', b'{"a";1}',
        b'{"a",1}', b'{"a"}', b"{a:1}", b"{'a':1}", b"{1:1}", b"{null:1}", b"{[]:1}", b'{:"a"}',
        b'{"a":1:2}', b'{"a":1}}', b'{"a":1}#', b'{"a":1}//', b'{"a":1}/**/', b'{/**/"a":1}',
        b'{"a":1},', b'{"a":"b', b'{"a":\'b\'}', b'{"a":nan}', b'{"\xff":1}', b'{"a":1;}',
        b'{"a\x00":1}', b'{"a":+1}', b'{"a"=1}', b'{"a":1|2}',
    ],
    "string": [
        b'"', b'"a', b'a"', b"'a'", b"a", b"`a`", b'"a"b"', b'"\\"', b'"\\a"', b'"\\x41"', b'"\\u"',
        b'"\\u1"', b'"\\u12"', b'"\\u123"', b'"\\u123g"', b'"\\U00000041"', b'"\\ud83d\\u"',
        b'"\\ud83d\\"', b'"\\ud83d\\u1"', b'"\\ "', b'"\\\x00"', b'"\\\xf0\x9f\x98\x80"', b'"\x00"',
        b'"\x01"', b'"\x1f"', b'"\t"', b'"\r"', b'"\x0b"', b'"\x08"', b'"\x1b[2J"', b'"a\\',
        b'\\"a"', b"\\u0041", b"\xe2\x80\x9ca\xe2\x80\x9d", b'"a""b"', b'"\\0"', b'"\\v"',
        b'"\\\'"', b'"\\u{41}"',
    ],
    "number": [
        b"+1", b"++1", b"-", b"--1", b"-a", b"01", b"-01", b"00", b"-00", b"1.", b"-1.", b".5",
        b"-.5", b"1.e5", b"0.e1", b"1e", b"1e+", b"1e-", b"1E+", b"1ee5", b"1e1.5", b"1.5.5",
        b"1+2", b"1-2", b"0x1F", b"0b1", b"0o7", b"1_000", b"1 000", b"NaN", b"-NaN", b"nan",
        b"Infinity", b"-Infinity", b"inf", b"1/2", b"1a", b"0e", b"1,5x", b"$1", b"1L", b"1f",
        b"\xef\xbc\x91", b"\xd9\xa1", b"- 1", b"1e 5", b"012", b"-0x1", b"1e0x1", b"9.3e+q",
    ],
    "structure": [
        b" ", b"\t", b",", b":", b"{}{}", b"{} {}", b"[][]", b"1 1", b"{}[]", b"[]{}", b'""""',
        b"{}x", b"x{}", b"#", b"//", b"/**/", b"# {}", b"{}\x00", b"\x00{}", b"\x00", b"\x0c{}",
        b"{}\x0b", b"\xc2\xa0{}", b"\xe2\x80\xa8{}", b"\x85", b"<a/>", b"()", b"GET / HTTP/1.1",
        b"Content-Length: 2\r", b"%{}", b"*1\r", b"\x1b[A", b"\\{}", b"{\\}", b"~", b"@", b"---",
        b"a = 1", b"data: {}", b"\x1e{}", b"{}\x1a",
    ],
    "single": [
        b"n", b"nu", b"nul", b"nulll", b"Null", b"NULL", b"None", b"nil", b"t", b"tru", b"True",
        b"TRUE", b"truth", b"f", b"fals", b"False", b"undefined", b"yes", b"nul l", b"null\x00",
        b"!true", b"truefalse", b"-null",
    ],
    "utf-8": [
        b"\xff", b"\xfe", b"\x80", b"\xc0", b'"\xff"', b'"\x80"', b'"\xbf"', b'"\xc0\x80"',
        b'"\xc0\xaf"', b'"\xc1\xbf"', b'"\xc3"', b'"\xc3("', b'"\xe2\x82"', b'"\xe2("',
        b'"\xe0\x80\x80"', b'"\xe0\x9f\xbf"', b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"',
        b'"\xed\xa0\xbd\xed\xb8\x80"', b'"\xf0\x9f\x98"', b'"\xf0\x80\x80\x80"',
        b'"\xf4\x90\x80\x80"', b'"\xf5\x80\x80\x80"', b'"\xf8\x88\x80\x80\x80"',
        b'"\xfc\x84\x80\x80\x80\x80"', b'"a\xe9b"', b'["\xff"]', b'{"a":"\xff"}', b"{}\xff",
    ],
    "encoding": [
        b"\xef\xbb\xbf{}", b"\xef\xbb\xbf[]", b"\xef\xbb\xbf", b"\xef\xbb{}", b"{}\xef\xbb\xbf",
        b"\xff\xfe{\x00}\x00", b"\xfe\xff\x00{\x00}", b"{\x00}\x00", b"\x00{\x00}",
        b"\xff\xfe\x00\x00", b"{\x00\x00\x00}\x00\x00\x00", b"\x00\x00\xfe\xff", b"+AHsAfQ-",
        b"\x1f\x8b\x08\x00", b"\x82\xa1a\x01", b"\xa1aa\x01",
    ],
    # JSON as far as its grammar goes, but nothing that can be represented: taken for no JSON
    "surrogates": [
        b'"\\ud800"', b'"\\udfff"', b'"\\udc00\\ud800"', b'"\\ud800a"', b'"\\ud800\\n"',
        b'"\\ud800\\ud800"', b'"a\\udc00"', b'["\\ud800"]', b'{"\\ud800":1}', b'"\\uDBFF\\u0041"',
    ],
    "depth": [
        b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP, b'[{"a":' * (DEEP // 2), b"]" * DEEP, b"}" * DEEP,
        b"[[" * DEEP + b"]",
    ],
}  # fmt: skip

_SCALARS: dict[str, list[bytes]] = {
    "number": [
        b"0", b"-0", b"-0.0", b"1", b"-1", b"1.5", b"1e5", b"1E+5", b"1e-5", b"0e0", b"1e400",
        b"-1e400", b"1e-400", b"1e99999999999", b"9007199254740993", b"18446744073709551616",
        b"-9223372036854775809", b"1" * 5000, b"0." + b"1" * 5000, b"1e-99999999999",
        b"123.456e789",
    ],
    "string": [
        b'""', b'"a"', b'" "', b'"\\u0000"', b'"\\u001b[2J"', b'"\\n\\r\\t\\b\\f\\/\\\\\\""',
        b'"\x7f"', b'"\\ud83d\\ude00"', b'"\xf0\x9f\x98\x80"', b'"\xef\xbf\xbf"', b'"\xe2\x80\xa8"',
        b'"\\uffff"', b'"\xef\xbb\xbf"', b'"' + b"a" * 100_000 + b'"', b'"../../etc/passwd"',
        b'"\\u202e"', b'"// no comment"',
    ],
    "single": [b"null", b"true", b"false", b" null ", b"\ttrue\r", b"  0  "],
}  # fmt: skip

_OBJECTS: dict[str, list[bytes]] = {
    "object": [
        b'{"a":1}', b'{"":0}', b'{"a":1,"a":2}', b'{"a":1,"a":1}', b'{"a":{"b":[{}]}}',
        b'{"\\u0000":1}', b'{"jsonrpc":"2.0"}', b'{"id":1}', b'{"params":{}}',
        b'{"method":"system.ping"}', b'{"__proto__":{}}', b'{"a":' * 500 + b"1" + b"}" * 500,
        b'{"' + b"a" * 100_000 + b'":1}',
    ],
}  # fmt: skip


def cases() -> list[Case]:
    """Return every case, each name once."""
    found = _of(_NO_JSON, "not JSON", PARSE, PARSE)
    found += _of(_SCALARS, "a value", REQUEST, PARAMS)
    found += _of(_OBJECTS, "an object", REQUEST, PARAMS)
    found += [
        Case("an empty object", b"{}", REQUEST, None),
        Case("an empty object in blanks", b" { } ", REQUEST, None),
        Case("an empty array", b"[]", REQUEST, None),
    ]
    return found


def _of(table: dict[str, list[bytes]], what: str, alone: int, as_params: int | None) -> list[Case]:
    return [
        Case(f"{what}: {category} {number}: {text[:24]!r}", text, alone, as_params)
        for category, texts in table.items()
        for number, text in enumerate(texts, 1)
    ]
