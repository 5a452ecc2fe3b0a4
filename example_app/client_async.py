"""The async version of ``example_app.client``, with the same stored tokens."""

from __future__ import annotations

import asyncio
import sys

from flask_core_auth.client import AsyncCoreClient

from .client import store, stored


async def main() -> None:
    url, *login = sys.argv[1:]
    username, password = login or ("", "")
    tokens = stored()
    async with AsyncCoreClient(
        url,
        username=username,
        password=password,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        on_tokens=store,
    ) as client:
        responses = await asyncio.gather(*(client.get("/api/v3/profile") for _ in range(3)))
        for response in responses:
            response.raise_for_status()
            print(response.json())


if __name__ == "__main__":
    asyncio.run(main())
