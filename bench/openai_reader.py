"""The openai client's own parsed stream, as a program would use it: the relay's baseline.

python -m bench.openai_reader URL: asks each model that stdin names and counts its tokens.
"""

import asyncio
import sys

import openai
import uvloop


async def read(client: openai.AsyncOpenAI, model: str) -> int:
    """Return how many tokens the reply had."""
    stream = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "hi"}], stream=True
    )
    tokens = 0
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            tokens += 1
    return tokens


def main() -> None:
    """Read until stdin closes."""
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    client = openai.AsyncOpenAI(base_url=sys.argv[1], api_key="none", http_client=http)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print("READY", flush=True)
        for line in sys.stdin:
            print(runner.run(read(client, line.strip())), flush=True)
        runner.run(client.close())


if __name__ == "__main__":
    main()
