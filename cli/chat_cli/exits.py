"""What each exit code of `chat` means; which error gives which is in chat_rpc.errors."""

EXITS = {
    0: "the answer is whole, and passed its checks",
    1: "other: what was looked for is not there, or it was not wanted after all",
    2: "wrong usage",
    3: "the reply failed its checks: it is empty, a loop, or not what was demanded",
    4: "the reply was cut off, or stopped coming",
    5: "a check could not run, so nothing is known of the reply",
    65: "the input cannot be used: not UTF-8, too large, no such model",
    66: "no such conversation, turn or file",
    69: "no model server, or its error",
    70: "a bug in chatd, or a damaged record",
    73: "cannot write: the store in RAM is full, or a file or disk is",
    75: "busy: try again later",
    77: "not allowed",
    78: "wrong settings, or chat and chatd do not fit together",
    79: "chatd is not running and could not be started",
    124: "out of time",
    130: "interrupted with Ctrl-C",
    141: "whoever read the answer has gone",
    143: "ended with SIGTERM",
}
