"""openai-python, responses."""

import base64
import json

import openai

from conversation import Ask, Call, Got, Results, User

from .openai_chat import FAULTS, fault


class Client:
    name, dialect = "openai", "openai-responses"
    faults, fault = FAULTS, staticmethod(fault)

    def __init__(self, place):
        self.sdk = openai.OpenAI(base_url=place.url + "/v1", api_key=place.key, max_retries=0, timeout=30)

    def whole(self, ask: Ask) -> Got:
        return read(self.sdk.responses.create(**parameters(ask)))

    def streamed(self, ask: Ask) -> Got:
        kinds, deltas, arguments, final = [], [], {}, None
        with self.sdk.responses.stream(**parameters(ask)) as stream:
            for event in stream:
                kinds.append(event.type)
                if event.type in ("response.completed", "response.incomplete"):
                    final = event.response  # the SDK's helper knows only the first
                if event.type == "response.output_text.delta":
                    deltas.append(event.delta)
                if event.type == "response.function_call_arguments.delta":
                    arguments[event.item_id] = arguments.get(event.item_id, "") + event.delta
        assert final and kinds[0] == "response.created" and kinds[-1] == f"response.{final.status}", kinds
        got = read(final)
        assert "".join(deltas) == got.text, f"deltas {''.join(deltas)!r} make up {got.text!r}"
        whole = {item.id: item.arguments for item in final.output if item.type == "function_call"}
        assert arguments == whole, f"deltas {arguments} make up {whole}"
        got.events = len(kinds)
        return got


def parameters(ask: Ask) -> dict:
    out = {"model": ask.model, "input": items(ask), "max_output_tokens": ask.max_tokens}
    if ask.system:
        out["instructions"] = ask.system
    if ask.tools:
        out["tools"] = [
            {"type": "function", "name": t.name, "description": t.description, "parameters": t.schema, "strict": False}
            for t in ask.tools
        ]
    if ask.schema:
        out["text"] = {"format": {"type": "json_schema", "name": "answer", "strict": True, "schema": ask.schema}}
    if ask.thinking:
        # The reasoning comes back with the next turn, so the server need not keep it.
        out |= {
            "reasoning": {"effort": "medium", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
        }
    return out


def items(ask: Ask) -> list:
    out = []
    for turn in ask.turns:
        match turn:
            case User(text, None):
                out.append({"role": "user", "content": text})
            case User(text, image):
                url = "data:image/png;base64," + base64.b64encode(image).decode()
                parts = [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": url, "detail": "auto"}]
                out.append({"role": "user", "content": parts})
            case Got():
                out += turn.native
            case Results(of):
                out += [{"type": "function_call_output", "call_id": call.id, "output": text} for call, text in of]
    return out


def read(answer) -> Got:
    got = Got(finish=answer.status, native=[])
    for item in answer.output:
        native = item.to_dict()
        native.pop("parsed_arguments", None)
        for part in native.get("content") or []:
            part.pop("parsed", None)
        got.native.append(native)
        if item.type == "message":
            got.text += "".join(part.text for part in item.content)
        if item.type == "function_call":
            got.calls.append(Call(item.call_id, item.name, json.loads(item.arguments)))
        if item.type == "reasoning":
            got.thinking += "".join(part.text for part in (item.summary or []) + (item.content or []))
            got.signature += item.encrypted_content or ""
    if answer.usage:
        got.input_tokens, got.output_tokens = answer.usage.input_tokens, answer.usage.output_tokens
    return got
