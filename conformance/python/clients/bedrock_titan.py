"""boto3, invoke_model and invoke_model_with_response_stream with Titan's body."""

import json

from conversation import Ask, Got

from .bedrock_converse import FAULTS, connect, fault


class Client:
    name, dialect = "boto3", "bedrock-titan"
    faults, fault = FAULTS, staticmethod(fault)

    def __init__(self, place):
        self.sdk = connect(place)

    def whole(self, ask: Ask) -> Got:
        answer = json.loads(self.sdk.invoke_model(**parameters(ask))["body"].read())
        (result,) = answer["results"]
        return Got(
            text=result["outputText"],
            finish=result["completionReason"],
            input_tokens=answer["inputTextTokenCount"],
            output_tokens=result["tokenCount"],
        )

    def streamed(self, ask: Ask) -> Got:
        got = Got()
        for event in self.sdk.invoke_model_with_response_stream(**parameters(ask))["body"]:
            chunk = json.loads(event["chunk"]["bytes"])
            got.events += 1
            got.text += chunk["outputText"]
            if chunk["completionReason"]:
                got.finish = chunk["completionReason"]
                got.input_tokens, got.output_tokens = chunk["inputTextTokenCount"], chunk["totalOutputTextTokenCount"]
        return got


def parameters(ask: Ask) -> dict:
    body = {"inputText": ask.turns[-1].text, "textGenerationConfig": {"maxTokenCount": ask.max_tokens}}
    return {"modelId": ask.model, "body": json.dumps(body)}
