"""boto3, invoke_model and invoke_model_with_response_stream with Anthropic's body."""

import json

from anthropic.types import Message

from conversation import Ask, Got

from . import anthropic_messages
from .bedrock_converse import FAULTS, connect, fault


class Client:
    name, dialect = "boto3", "bedrock-invoke"
    faults, fault = FAULTS, staticmethod(fault)

    def __init__(self, place):
        self.sdk = connect(place)

    def whole(self, ask: Ask) -> Got:
        answer = self.sdk.invoke_model(**parameters(ask))
        return anthropic_messages.read(Message.model_validate_json(answer["body"].read()))

    def streamed(self, ask: Ask) -> Got:
        message, arguments, kinds = None, {}, []
        for event in self.sdk.invoke_model_with_response_stream(**parameters(ask))["body"]:
            data = json.loads(event["chunk"]["bytes"])
            kinds.append(data["type"])
            match data:
                case {"type": "message_start"}:
                    message = data["message"]
                case {"type": "content_block_start", "index": i, "content_block": block}:
                    assert i == len(message["content"]), data
                    message["content"].append(block)
                case {"type": "content_block_delta", "index": i, "delta": delta}:
                    extend(message["content"][i], delta, i, arguments)
                case {"type": "content_block_stop", "index": i} if i in arguments:
                    message["content"][i]["input"] = json.loads(arguments[i] or "{}")
                case {"type": "message_delta", "delta": delta}:
                    message |= delta
                    message["usage"] |= data.get("usage") or {}
        assert kinds[0] == "message_start" and kinds[-1] == "message_stop", kinds
        got = anthropic_messages.read(Message.model_validate(message))
        got.events = len(kinds)
        return got


def extend(block: dict, delta: dict, i: int, arguments: dict) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = block.get("signature", "") + delta["signature"]
        case "input_json_delta":
            arguments[i] = arguments.get(i, "") + delta["partial_json"]


def parameters(ask: Ask) -> dict:
    body = anthropic_messages.parameters(ask)
    model = body.pop("model")
    body["anthropic_version"] = "bedrock-2023-05-31"
    return {"modelId": model, "body": json.dumps(body)}
