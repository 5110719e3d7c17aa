"""The commands on one page: where each one's code is, and what it does.  It imports nothing."""


class Verb:
    """A command: `place` is `module:name` of its function, or of the Typer of a group.

    No dataclass, for the fast start reads this table too, and dataclasses load slowly.
    """

    def __init__(self, name: str, place: str, summary: str) -> None:
        self.name = name
        self.place = place
        self.summary = summary


ASKING = (
    Verb("ask", "asking:ask", "Ask a model. The answer goes to stdout, everything else to stderr."),
    Verb("retry", "again:retry", "Ask the same again; the answer stands beside the old one."),
    Verb("refine", "again:refine", "Have an answer made anew, after what you say of it."),
    Verb("check", "checking:check", "Check a text as an answer is checked; no model is asked."),
    Verb("edit", "again:edit", "Change a question in your editor, and ask it anew."),
)
JUDGING = (
    Verb("good", "judging:good", "Say that an answer is good; of good ones chatd learns."),
    Verb("bad", "judging:bad", "Say that an answer is bad."),
    Verb("taste", "taste:app", "Show or forget what you said of answers, kept as numbers."),
)
CONVERSATIONS = (
    Verb("list", "conversations:list_", "List your conversations, last used first."),
    Verb("show", "conversations:show", "Print a conversation, or one turn of it."),
    Verb("search", "conversations:search", "Find words in your conversations."),
    Verb("select", "conversations:select", "Go on from another answer than the last one made."),
    Verb("rename", "keeping:rename", "Give a conversation a title, by which it can be named."),
    Verb("keep", "keeping:keep", "Let a conversation live longer, or shorter."),
    Verb("demand", "keeping:demand", "Demand something of every answer to come in a conversation."),
    Verb("rm", "keeping:rm", "Delete a conversation; for an hour it can be brought back."),
    Verb("undelete", "keeping:undelete", "Bring a deleted conversation back."),
    Verb("wipe", "keeping:wipe", "Destroy conversations at once, for good."),
    Verb("export", "carrying:export", "Write a conversation down, to keep or to carry elsewhere."),
    Verb("import", "carrying:import_", "Make a conversation of an export, from here or elsewhere."),
    Verb("fork", "carrying:fork", "Copy a conversation, to go on in another way."),
)
KNOWING = (
    Verb("templates", "templates:list_", "List your templates, which -t names."),
    Verb("config", "settings:app", "Show or change your own settings, config.toml."),
    Verb("models", "knowing:models", "List the models that you can ask; the first is the default."),
    Verb("status", "knowing:status", "Tell how chatd is: who, what waits, what servers there are."),
    Verb("doctor", "doctor:doctor", "Look for what is wrong, and say what would mend it."),
    Verb("logs", "logs:logs", "Print the lines of chatd's log that are about you."),
    Verb("admin", "admin:app", "Count, reload or stop chatd: your own, or all users'."),
    Verb(
        "completion",
        "completion:completion",
        "Print what completes commands, flags and names in a shell.",
    ),
    Verb("help", "helping:help_", "Tell of a command, or of names, checks, exit-codes or env."),
)
GROUPS = {"Asking": ASKING, "Judging": JUDGING, "Conversations": CONVERSATIONS, "Knowing": KNOWING}
VERBS = {verb.name: verb for group in GROUPS.values() for verb in group}
