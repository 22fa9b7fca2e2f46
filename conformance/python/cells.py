"""The cells of the grid: what is asked, and what must come back.

The providers behind the gateway answer by fixed rules: they quote what the user
said last, the pictures they saw and the results of tools, they call the tools
in their order with values that follow from the schemas, and they count words as
tokens. So each expectation here is a value and not only a status.
"""

import json
import struct
import zlib
from dataclasses import replace

from conversation import Ask, Got, Results, Tool, User


def png(side: int = 3) -> bytes:
    """A small red picture that any decoder opens."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\xff\0\0" * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    # Its base64 has "+" and "/" in it, wherever it begins.
    odd = b"Comment\0" + b"\0".join([b"\xfb\xef\xbe" * 2, b"\xff" * 6] * 3)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"tEXt", odd) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def words(*texts: str) -> int:
    """How the providers behind the gateway count tokens."""
    return sum(len(text.split()) for text in texts)


def same(what: str, got, want) -> None:
    assert got == want, f"{what}: got {got!r}, want {want!r}"


class Cells:
    """Runs the cells of one client against one family."""

    def __init__(self, matrix: dict, client, stranger, model: str, family: dict, direct: bool):
        self.matrix, self.client, self.stranger = matrix, client, stranger
        self.model, self.family, self.direct = model, family, direct
        self.dialect = matrix["dialects"][client.dialect]
        self.texts = matrix["texts"]
        self.toolbox = tuple(Tool(t["name"], t["description"], t["schema"]) for t in matrix["tools"])

    def run(self, column: str) -> None:
        getattr(self, column)()

    def ask(self, *turns, behaviour: str = "", **more) -> Ask:
        model = f"{self.model}~{behaviour}" if behaviour else self.model
        return Ask(model, list(turns), **more)

    def both(self, ask: Ask) -> Got:
        """Asks whole and streamed; both must say the same."""
        whole, live = self.client.whole(ask), self.client.streamed(ask)
        assert live.events > 1, f"the stream had {live.events} events"
        for what in ("text", "thinking", "finish", "input_tokens", "output_tokens"):
            same(f"streamed {what}", getattr(live, what), getattr(whole, what))
        if self.own():  # other formats wrap it, with what differs from answer to answer
            same("streamed signature", live.signature, whole.signature)
        same("streamed calls", [(c.name, c.arguments) for c in live.calls], [(c.name, c.arguments) for c in whole.calls])
        return live

    def own(self) -> bool:
        """Whether the provider speaks the client's dialect."""
        return self.matrix["families"].get(self.dialect["fake"]) == self.family

    def thought(self, text: str) -> str:
        """What the client is shown of the model's thoughts."""
        return self.texts["thought"] + text

    def check(self, got: Got, text: str, end: str = "end") -> None:
        same("text", got.text, text)
        same("finish", got.finish, self.dialect["finish"][end])

    def plain(self, answer=None) -> None:
        hello = self.texts["hello"]
        system = "" if self.dialect.get("noSystem") else self.texts["system"]
        got = (answer or self.client.whole)(self.ask(User(hello), system=system))
        self.check(got, self.texts["said"] + hello)
        same("input tokens", got.input_tokens, words(system, hello))
        same("output tokens", got.output_tokens, words(got.text))
        short = (answer or self.client.whole)(self.ask(User(hello), max_tokens=3))
        self.check(short, "You said: Grüezi, ", "length")

    def stream(self) -> None:
        self.plain(self.client.streamed)
        if self.direct:
            return  # not every SDK reads what follows; the gateway must, and pass it on tidied up
        # Events in pieces of three bytes, CRLF, comments, a byte order mark.
        got = self.client.streamed(self.ask(User(self.texts["hello"]), behaviour="awkward"))
        self.check(got, self.texts["said"] + self.texts["hello"])

    def calls(self, got: Got, *want: tuple[int, int]) -> list:
        """Checks calls: which tool, and which sample of its arguments."""
        named = [(self.matrix["tools"][t]["name"], self.matrix["tools"][t]["arguments"][nth]) for t, nth in want]
        same("calls", [(c.name, c.arguments) for c in got.calls], named)
        same("finish", got.finish, self.dialect["finish"]["tools"])
        ids = [c.id for c in got.calls if c.id]  # Gemini's calls may have none
        same("different ids", len(set(ids)), len(ids))
        return got.calls

    def results(self, got: Got) -> Results:
        said = {t["name"]: t["result"] for t in self.matrix["tools"]}
        return Results([(call, said[call.name]) for call in got.calls])

    def use(self, user: User, want: list[tuple[int, int]], **more) -> None:
        """A call, its results, and the answer that quotes them."""
        ask = self.ask(user, tools=self.toolbox, **more)
        first = self.both(ask)
        self.calls(first, *want)
        results = self.results(first)
        last = self.both(replace(ask, turns=[user, first, results]))
        quoted = " | ".join(text for _, text in results.of)
        self.check(last, f"The tools said: {quoted}. {self.texts['said']}{user.text}")

    def tools(self) -> None:
        self.use(User(self.texts["tools"]), [(0, 0)], system=self.texts["system"])
        odd = self.both(self.ask(User(self.texts["tools"]), tools=self.toolbox[:1], behaviour="odd-arguments"))
        same("odd arguments", [c.arguments for c in odd.calls], [self.matrix["oddArguments"]])

    def parallel(self) -> None:
        self.use(User(self.texts["tools"]), [(0, 0), (1, 1)], behaviour="parallel-tools")

    def structured(self) -> None:
        got = self.both(self.ask(User(self.texts["hello"]), schema=self.matrix["schema"]))
        same("answer", json.loads(got.text), self.matrix["structured"])
        same("finish", got.finish, self.dialect["finish"]["end"])

    def image(self) -> None:
        picture, text = png(), self.texts["image"]
        seen = f"I see image/png of {len(picture)} bytes. {self.texts['said']}"
        first = self.both(self.ask(User(text, picture)))
        self.check(first, seen + text)
        # The picture is still there when the conversation goes on.
        again = self.both(self.ask(User(text, picture), first, User("And now?")))
        self.check(again, seen + "And now?")

    def thinking(self) -> None:
        user = User(self.texts["tools"])
        ask = self.ask(user, thinking=True, tools=self.toolbox, behaviour="thinking")
        first = self.both(ask)
        same("thinking", first.thinking, self.thought(user.text))
        # Gemini signs what follows its thoughts: only its own dialect has a place for that.
        if self.dialect["signs"] and (self.family.get("signs") == "thoughts" or self.own()):
            assert first.signature, "the thinking is not signed"
        self.calls(first, (0, 0))
        # The next turn holds what was thought, as the SDK gave it; the provider checks what it signed.
        last = self.both(replace(ask, turns=[user, first, self.results(first)]))
        same("thinking", last.thinking, self.thought(user.text))
        self.check(last, f"The tools said: {self.matrix['tools'][0]['result']}. {self.texts['said']}{user.text}")

    def conversation(self) -> None:
        """Four rounds of a question, two calls, their results and an answer."""
        turns, read = [], 0
        for round_ in range(4):
            user = User(f"Question {round_}: {self.texts['tools']}")
            ask = self.ask(*turns, user, tools=self.toolbox, behaviour="parallel-tools", system=self.texts["system"])
            asked = self.client.whole(ask) if round_ % 2 else self.client.streamed(ask)
            self.calls(asked, (0, 0), (1, 1))
            assert asked.input_tokens > read, f"round {round_} read {asked.input_tokens} tokens, the one before {read}"
            results = self.results(asked)
            answered = self.both(replace(ask, turns=[*turns, user, asked, results]))
            quoted = " | ".join(text for _, text in results.of)
            self.check(answered, f"The tools said: {quoted}. {self.texts['said']}{user.text}")
            turns += [user, asked, results, answered]
            read = answered.input_tokens
        # Every word of all four rounds was read: what is lost is not counted.
        least = words(self.texts["system"]) + 4 * words(self.texts["tools"], *[t["result"] for t in self.matrix["tools"]])
        assert read >= least, f"only {read} tokens were read of at least {least}"

    def error(self) -> None:
        user = User(self.texts["hello"])
        faults = self.client.faults
        kinds = {"rate-limited": "rate_limited", "context-exceeded": "context_exceeded", "rejected": "rejected", "overloaded": "unavailable"}
        if self.direct:
            kinds["missing"] = "not_found"
        else:
            kinds["unauthorized"] = "auth"
        for behaviour, kind in kinds.items():
            ask = self.ask(user, behaviour=behaviour)
            for answer in (self.client.whole, self.client.streamed):
                self.fails(answer, ask, faults[kind], behaviour)
        self.fails(self.stranger.whole, self.ask(user), faults["unauthenticated"], "unknown key")
        if not self.direct:
            self.fails(self.client.whole, Ask("no-such-model", [user]), faults["not_found"], "unknown model")
        # Where a connection ends within an answer, SDKs let their HTTP library speak; the gateway says it in a form of theirs.
        for behaviour in ("error-in-stream",) if self.direct else ("cut", "error-in-stream"):
            self.fails(self.client.streamed, self.ask(user, behaviour=behaviour), faults["interrupted"], behaviour)

    def fails(self, answer, ask: Ask, want: str, what: str) -> None:
        try:
            got = answer(ask)
        except Exception as error:  # noqa: BLE001: the SDK's own classes are told apart below
            fault = self.client.fault(error)
            assert fault, f"{what}: {type(error).__name__} is not an error of the SDK: {error}"
            kinds = {fault.kind, *(c.__name__ for c in type(error).__mro__)}
            assert want in kinds, f"{what}: {fault.kind} ({fault.status}) instead of {want}: {fault.text[:200]}"
            if not self.direct:
                for secret in ("sk-leaked", "10.1.2.3"):
                    assert secret not in fault.text, f"{what}: the error shows what only the provider should know"
            return
        raise AssertionError(f"{what}: no error but {got.text!r}")
