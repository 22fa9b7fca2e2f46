"""openai-python, chat completions."""

import base64
import json

import openai

from conversation import Ask, Call, Fault, Got, Results, User

FAULTS = {
    "unauthenticated": "AuthenticationError",
    "not_found": "NotFoundError",
    "rate_limited": "RateLimitError",
    "rejected": "BadRequestError",
    "context_exceeded": "BadRequestError",
    "unavailable": "InternalServerError",
    "auth": "InternalServerError",
    "interrupted": "APIError",
}


def fault(error):
    if not isinstance(error, openai.APIError):
        return None
    return Fault(type(error).__name__, getattr(error, "status_code", 0), str(error))


class Client:
    name, dialect = "openai", "openai-chat"
    faults, fault = FAULTS, staticmethod(fault)

    def __init__(self, place):
        self.sdk = openai.OpenAI(base_url=place.url + "/v1", api_key=place.key, max_retries=0, timeout=30)

    def whole(self, ask: Ask) -> Got:
        return read(self.sdk.chat.completions.create(**parameters(ask)))

    def streamed(self, ask: Ask) -> Got:
        events, deltas = 0, []
        try:
            with self.sdk.chat.completions.stream(**parameters(ask), stream_options={"include_usage": True}) as stream:
                for event in stream:
                    if event.type == "chunk":
                        events += 1
                    if event.type == "content.delta":
                        deltas.append(event.delta)
                got = read(stream.get_final_completion())
        except openai.LengthFinishReasonError as cut:  # how the SDK's helper says max_tokens
            got = read(cut.completion)
        assert "".join(deltas) == got.text, f"deltas {''.join(deltas)!r} make up {got.text!r}"
        got.events = events
        return got


def parameters(ask: Ask) -> dict:
    out = {"model": ask.model, "messages": messages(ask), "max_completion_tokens": ask.max_tokens}
    if ask.tools:
        out["tools"] = [
            {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.schema}}
            for t in ask.tools
        ]
    if ask.schema:
        out["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": ask.schema},
        }
    if ask.thinking:
        out["reasoning_effort"] = "medium"
    return out


def messages(ask: Ask) -> list:
    out = [{"role": "system", "content": ask.system}] if ask.system else []
    for turn in ask.turns:
        match turn:
            case User(text, None):
                out.append({"role": "user", "content": text})
            case User(text, image):
                url = "data:image/png;base64," + base64.b64encode(image).decode()
                parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
                out.append({"role": "user", "content": parts})
            case Got():
                out.append(turn.native)
            case Results(of):
                out += [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in of]
    return out


def read(answer) -> Got:
    choice = answer.choices[0]
    message = choice.message
    native = message.to_dict()
    native.pop("parsed", None)  # the streaming helper adds it; it is not the API's
    for call in native.get("tool_calls") or []:
        call["function"].pop("parsed_arguments", None)
        call.pop("index", None)
    return Got(
        text=message.content or "",
        calls=[Call(c.id, c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or []],
        # Not OpenAI's: what servers with open models call it.
        thinking=getattr(message, "reasoning_content", None) or "",
        finish=choice.finish_reason,
        input_tokens=answer.usage.prompt_tokens if answer.usage else None,
        output_tokens=answer.usage.completion_tokens if answer.usage else None,
        native=native,
    )
