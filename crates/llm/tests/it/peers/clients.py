"""Talks to a stand-in by the provider's own client, which checks what it reads against its types."""

import json
import sys
import urllib.request

kind, url = sys.argv[1:]
SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}}
CALL = {"reply": {"kind": "tool_call", "name": "find", "arguments": {"query": "two words"}}}
ASKED = [{"role": "user", "content": "Hi there"}]
SAID = "Answer to: Hi there"


def script(*behaviours):
    body = json.dumps(behaviours).encode()
    urllib.request.urlopen(urllib.request.Request(f"{url}/__behaviours", body, method="POST"))


def refused(error, code, ask, **fault):
    script({"fault": fault})
    try:
        ask()
    except error as refusal:
        assert refusal.status_code == code, refusal
    else:
        raise AssertionError(f"{fault} is no error")


def openai():
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)
    chunks = client.chat.completions.create(
        model="m", messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(chunks)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == SAID
    assert chunks[-1].usage.completion_tokens == 4
    with client.responses.stream(model="m", input=ASKED, store=False) as stream:
        stream.until_done()
        response = stream.get_final_response()
    assert response.output_text == SAID and response.usage.output_tokens == 4, response
    script(CALL)
    tool = {"type": "function", "name": "find", "parameters": SCHEMA, "strict": False}
    with client.responses.stream(model="m", input=ASKED, tools=[tool], store=False) as stream:
        stream.until_done()
        response = stream.get_final_response()
    assert json.loads(response.output[0].arguments) == {"query": "two words"}, response
    ask = lambda: client.responses.create(model="m", input="Hi")
    refused(openai.RateLimitError, 429, ask, kind="rate_limited", retry_after_seconds=3)
    refused(openai.InternalServerError, 503, ask, kind="overloaded")
    refused(openai.NotFoundError, 404, ask, kind="model_missing")
    script({"fault": {"kind": "error_in_stream", "after_chunks": 1}})
    events = list(client.responses.create(model="m", input="Hi there", stream=True))
    assert events[-1].response.error.code == "server_error", events
    assert client.models.list().data[0].id == "gpt-4o-mini"
    vectors = client.embeddings.create(model="text-embedding-3-small", input=["a"])
    assert len(vectors.data[0].embedding) == 1536


def anthropic():
    import anthropic

    client = anthropic.Anthropic(base_url=url, api_key="any", max_retries=0)
    base = {"model": "claude-haiku-5-5", "max_tokens": 10, "messages": ASKED}
    message = client.messages.create(**base)
    assert message.content[0].text == SAID, message
    with client.messages.stream(**base) as stream:
        message = stream.get_final_message()
    assert message.content[0].text == SAID and message.usage.output_tokens == 4, message
    script(CALL)
    with client.messages.stream(**base, tools=[{"name": "find", "input_schema": SCHEMA}]) as stream:
        message = stream.get_final_message()
    assert message.content[0].input == {"query": "two words"}, message
    assert message.stop_reason == "tool_use", message
    ask = lambda: client.messages.create(**base)
    refused(anthropic.AuthenticationError, 401, ask, kind="unauthorized")
    refused(anthropic.RateLimitError, 429, ask, kind="rate_limited", retry_after_seconds=3)
    refused(anthropic.APIStatusError, 529, ask, kind="overloaded")
    refused(anthropic.NotFoundError, 404, ask, kind="model_missing")
    refused(anthropic.BadRequestError, 400, ask, kind="context_too_long")
    script({"fault": {"kind": "error_in_stream", "after_chunks": 1}})
    try:
        with client.messages.stream(**base) as stream:
            stream.get_final_message()
    except anthropic.APIError as error:
        assert "Overloaded" in str(error), error
    else:
        raise AssertionError("an error in the stream is no error")
    assert [model.id for model in client.models.list()][1] == "claude-haiku-5-5"


def ollama():
    import ollama

    client = ollama.Client(url)
    lines = list(client.chat("llama3.2", ASKED, stream=True))
    assert "".join(line.message.content for line in lines) == SAID
    assert lines[-1].done_reason == "stop" and lines[-1].eval_count == 4, lines
    script(CALL)
    tool = {"type": "function", "function": {"name": "find", "parameters": SCHEMA}}
    line = next(client.chat("llama3.2", ASKED, tools=[tool], stream=True))
    assert line.message.tool_calls[0].function.arguments == {"query": "two words"}, line
    assert len(client.embed("nomic-embed-text", ["a", "b"]).embeddings[1]) == 768
    assert client.list().models[0].model == "llama3.2:latest"
    assert client.show("llava").capabilities == ["completion", "vision"]
    ask = lambda: client.chat("nobody", ASKED)
    refused(ollama.ResponseError, 404, ask, kind="model_missing")
    refused(ollama.ResponseError, 503, ask, kind="overloaded")
    script({"fault": {"kind": "error_in_stream", "after_chunks": 1}})
    try:
        list(client.chat("llama3.2", ASKED, stream=True))
    except ollama.ResponseError as error:
        assert "unexpected EOF" in error.error, error
    else:
        raise AssertionError("an error line is no error")


{"openai": openai, "anthropic": anthropic, "ollama": ollama}[kind]()
