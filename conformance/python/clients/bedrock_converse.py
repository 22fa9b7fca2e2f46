"""boto3, converse and converse_stream."""

import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from conversation import Ask, Call, Fault, Got, Results, User

FAULTS = {
    "unauthenticated": "UnrecognizedClientException",
    "not_found": "ResourceNotFoundException",
    "rate_limited": "ThrottlingException",
    "rejected": "ValidationException",
    "context_exceeded": "ValidationException",
    "unavailable": "ServiceUnavailableException",
    "auth": "ModelErrorException",
    "interrupted": "EventStreamError",
}


def fault(error):
    if isinstance(error, EventStreamError):
        return Fault("EventStreamError", 200, str(error))
    if not isinstance(error, ClientError):
        return None
    return Fault(error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"], str(error))


def connect(place, service="bedrock-runtime"):
    """An AWS client; only its endpoint and its credentials are not Amazon's."""
    return boto3.client(
        service,
        endpoint_url=place.url + place.paths["bedrock"],
        region_name="us-east-1",
        aws_access_key_id=place.aws_id,
        aws_secret_access_key=place.aws_secret,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=30, connect_timeout=5),
    )


class Client:
    name, dialect = "boto3", "bedrock-converse"
    faults, fault = FAULTS, staticmethod(fault)

    def __init__(self, place):
        self.sdk = connect(place)

    def whole(self, ask: Ask) -> Got:
        answer = self.sdk.converse(**parameters(ask))
        return read(answer["output"]["message"], answer["stopReason"], answer["usage"])

    def streamed(self, ask: Ask) -> Got:
        message, stop, usage, events = {"role": "", "content": []}, "", None, 0
        blocks = message["content"]
        for event in self.sdk.converse_stream(**parameters(ask))["stream"]:
            events += 1
            match event:
                case {"messageStart": start}:
                    message["role"] = start["role"]
                case {"contentBlockStart": {"start": {"toolUse": use}, "contentBlockIndex": i}}:
                    assert i == len(blocks), event
                    blocks.append({"toolUse": {**use, "input": ""}})
                case {"contentBlockDelta": {"delta": delta, "contentBlockIndex": i}}:
                    assert i <= len(blocks), event
                    if i == len(blocks):
                        blocks.append({})
                    extend(blocks[i], delta)
                case {"contentBlockStop": {"contentBlockIndex": i}}:
                    if use := blocks[i].get("toolUse"):
                        use["input"] = json.loads(use["input"] or "{}")
                case {"messageStop": end}:
                    stop = end["stopReason"]
                case {"metadata": metadata}:
                    usage = metadata["usage"]
        assert stop, "the stream has no messageStop"
        got = read(message, stop, usage)
        got.events = events
        return got


def extend(block: dict, delta: dict) -> None:
    match delta:
        case {"text": text}:
            block["text"] = block.get("text", "") + text
        case {"toolUse": {"input": piece}}:
            block["toolUse"]["input"] += piece
        case {"reasoningContent": {"redactedContent": data}}:
            block["reasoningContent"] = {"redactedContent": data}
        case {"reasoningContent": piece}:
            text = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
            text["text"] += piece.get("text", "")
            if piece.get("signature"):
                text["signature"] = text.get("signature", "") + piece["signature"]


def parameters(ask: Ask) -> dict:
    out = {"modelId": ask.model, "messages": messages(ask), "inferenceConfig": {"maxTokens": ask.max_tokens}}
    if ask.system:
        out["system"] = [{"text": ask.system}]
    if ask.tools:
        out["toolConfig"] = {
            "tools": [
                {"toolSpec": {"name": t.name, "description": t.description, "inputSchema": {"json": t.schema}}}
                for t in ask.tools
            ]
        }
    if ask.schema:
        structure = {"jsonSchema": {"name": "answer", "schema": json.dumps(ask.schema)}}
        out["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": structure}}
    if ask.thinking:
        out["additionalModelRequestFields"] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    return out


def messages(ask: Ask) -> list:
    out = []
    for turn in ask.turns:
        match turn:
            case User(text, image):
                parts = [{"image": {"format": "png", "source": {"bytes": image}}}] if image else []
                out.append({"role": "user", "content": [*parts, {"text": text}]})
            case Got():
                out.append(turn.native)
            case Results(of):
                parts = [{"toolResult": {"toolUseId": call.id, "content": [{"text": text}]}} for call, text in of]
                out.append({"role": "user", "content": parts})
    return out


def read(message: dict, stop: str, usage: dict | None) -> Got:
    got = Got(finish=stop, native=message)
    for block in message["content"]:
        match block:
            case {"text": text}:
                got.text += text
            case {"toolUse": use}:
                got.calls.append(Call(use["toolUseId"], use["name"], use["input"]))
            case {"reasoningContent": {"reasoningText": reasoning}}:
                got.thinking += reasoning["text"]
                got.signature += reasoning.get("signature", "")
    if usage:
        got.input_tokens, got.output_tokens = usage["inputTokens"], usage["outputTokens"]
    return got
