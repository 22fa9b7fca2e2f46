"""google-genai, generate_content."""

import base64

from google import genai
from google.genai import errors, types

from conversation import Ask, Call, Fault, Got, Results, User

# The SDK has two classes only; the status word says the rest.
FAULTS = {
    "unauthenticated": "ClientError",  # Google itself says 400 INVALID_ARGUMENT
    "not_found": "ClientError NOT_FOUND",
    "rate_limited": "ClientError RESOURCE_EXHAUSTED",
    "rejected": "ClientError INVALID_ARGUMENT",
    "context_exceeded": "ClientError INVALID_ARGUMENT",
    "unavailable": "ServerError UNAVAILABLE",
    "auth": "ServerError INTERNAL",
    "interrupted": "APIError",
}


def fault(error):
    if isinstance(error, errors.APIError):
        return Fault(f"{type(error).__name__} {error.status}", error.code, str(error))
    return None


class Client:
    name, dialect = "google-genai", "gemini"
    faults, fault = FAULTS, staticmethod(fault)

    def __init__(self, place):
        options = types.HttpOptions(base_url=place.url + place.paths["gemini"], timeout=30_000)
        self.sdk = genai.Client(api_key=place.key, vertexai=False, http_options=options)

    def whole(self, ask: Ask) -> Got:
        answer = self.sdk.models.generate_content(**parameters(ask))
        return read(answer.candidates[0].content.parts, answer)

    def streamed(self, ask: Ask) -> Got:
        parts, last, events = [], None, 0
        for chunk in self.sdk.models.generate_content_stream(**parameters(ask)):
            events += 1
            last = chunk
            for candidate in chunk.candidates or []:
                if candidate.content:
                    parts += candidate.content.parts or []
        got = read(parts, last)
        got.events = events
        return got


def parameters(ask: Ask) -> dict:
    config = types.GenerateContentConfig(
        max_output_tokens=ask.max_tokens,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    if ask.system:
        config.system_instruction = ask.system
    if ask.tools:
        functions = [
            types.FunctionDeclaration(name=t.name, description=t.description, parameters_json_schema=t.schema)
            for t in ask.tools
        ]
        config.tools = [types.Tool(function_declarations=functions)]
    if ask.schema:
        config.response_mime_type = "application/json"
        config.response_json_schema = ask.schema
    if ask.thinking:
        config.thinking_config = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    return {"model": ask.model, "contents": contents(ask), "config": config}


def contents(ask: Ask) -> list:
    out = []
    for turn in ask.turns:
        match turn:
            case User(text, image):
                parts = [types.Part.from_bytes(data=image, mime_type="image/png")] if image else []
                out.append(types.Content(role="user", parts=[*parts, types.Part.from_text(text=text)]))
            case Got():
                out.append(types.Content(role="model", parts=turn.native))
            case Results(of):
                parts = [
                    types.Part(function_response=types.FunctionResponse(id=call.id or None, name=call.name, response={"result": text}))
                    for call, text in of
                ]
                out.append(types.Content(role="user", parts=parts))
    return out


def read(parts: list, answer) -> Got:
    got = Got(native=parts)
    for part in parts:
        if part.function_call:
            call = part.function_call
            got.calls.append(Call(call.id or "", call.name, call.args))
        elif part.text and part.thought:
            got.thinking += part.text
        elif part.text:
            got.text += part.text
        if part.thought_signature:
            got.signature += base64.b64encode(part.thought_signature).decode()
    finishes = [c.finish_reason for c in answer.candidates or [] if c.finish_reason]
    got.finish = finishes[0].value if finishes else ""
    if answer.usage_metadata:
        usage = answer.usage_metadata
        got.input_tokens = usage.prompt_token_count
        got.output_tokens = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return got
