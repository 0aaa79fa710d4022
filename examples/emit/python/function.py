"""A Lambda function in Python that emits to the clients of a Nonstick stack. Lambda brings boto3 along."""

import json
import os

import boto3

client = boto3.client("lambda")


def emit(request):
    """Invokes the stack's emit function and returns its answer."""
    result = client.invoke(
        FunctionName=os.environ["NONSTICK_EMIT_FUNCTION"],
        Payload=json.dumps(request).encode(),
    )
    answer = json.load(result["Payload"])
    if "FunctionError" in result or not answer["ok"]:
        raise RuntimeError(f"emit: {answer}")
    return answer


def handler(event, context):
    return emit(
        {
            "rooms": ["lobby"],
            "event": "message",
            "args": [{"room": "lobby", "id": "python-1", "from": "python", "name": "Python", "text": event["text"], "at": 0}],
        }
    )
