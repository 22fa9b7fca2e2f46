"""anthropic-python, messages."""

import base64

import anthropic

from conversation import Ask, Call, Fault, Got, Results, User

FAULTS = {
    "unauthenticated": "AuthenticationError",
    "not_found": "NotFoundError",
    "rate_limited": "RateLimitError",
    "rejected": "BadRequestError",
    "context_exceeded": "BadRequestError",
    "unavailable": "InternalServerError",
    "auth": "InternalServerError",
    "interrupted": "APIStatusError",
}


def fault(error):
    if not isinstance(error, anthropic.APIError):
        return None
    return Fault(type(error).__name__, getattr(error, "status_code", 0), str(error))


class Client:
    name, dialect = "anthropic", "anthropic"
    faults, fault = FAULTS, staticmethod(fault)

    def __init__(self, place):
        self.sdk = anthropic.Anthropic(base_url=place.url + place.paths["anthropic"], api_key=place.key, max_retries=0, timeout=30)

    def whole(self, ask: Ask) -> Got:
        return read(self.sdk.messages.create(**parameters(ask)))

    def streamed(self, ask: Ask) -> Got:
        kinds, deltas = [], []
        with self.sdk.messages.stream(**parameters(ask)) as stream:
            for event in stream:
                kinds.append(event.type)
                if event.type == "text":
                    deltas.append(event.text)
            got = read(stream.get_final_message())
        assert kinds[0] == "message_start" and kinds[-1] == "message_stop", kinds
        assert "".join(deltas) == got.text, f"deltas {''.join(deltas)!r} make up {got.text!r}"
        got.events = len(kinds)
        return got


def parameters(ask: Ask) -> dict:
    out = {"model": ask.model, "messages": messages(ask), "max_tokens": ask.max_tokens}
    if ask.system:
        out["system"] = ask.system
    if ask.tools:
        out["tools"] = [{"name": t.name, "description": t.description, "input_schema": t.schema} for t in ask.tools]
    if ask.schema:
        out["output_config"] = {"format": {"type": "json_schema", "schema": ask.schema}}
    if ask.thinking:
        out["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    return out


def messages(ask: Ask) -> list:
    out = []
    for turn in ask.turns:
        match turn:
            case User(text, None):
                out.append({"role": "user", "content": text})
            case User(text, image):
                source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(image).decode()}
                parts = [{"type": "image", "source": source}, {"type": "text", "text": text}]
                out.append({"role": "user", "content": parts})
            case Got():
                out.append({"role": "assistant", "content": turn.native})
            case Results(of):
                parts = [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in of]
                out.append({"role": "user", "content": parts})
    return out


def read(answer) -> Got:
    got = Got(finish=answer.stop_reason, native=[])
    for block in answer.content:
        native = block.to_dict()
        native.pop("parsed_output", None)
        got.native.append(native)
        match block.type:
            case "text":
                got.text += block.text
            case "tool_use":
                got.calls.append(Call(block.id, block.name, block.input))
            case "thinking":
                got.thinking += block.thinking
                got.signature += block.signature
    got.input_tokens, got.output_tokens = answer.usage.input_tokens, answer.usage.output_tokens
    return got
