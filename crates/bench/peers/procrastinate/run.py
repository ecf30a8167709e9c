"""Procrastinate's asynchronous worker. See ../README.md for the protocol."""

import asyncio
import json
import os
import sys
import time

import procrastinate
import psycopg

MODE, COUNT, SLOTS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
URL = os.environ["PEER_DATABASE_URL"]

connector = procrastinate.PsycopgConnector(conninfo=URL, min_size=2, max_size=10)
app = procrastinate.App(connector=connector)
ran = 0


@app.task(name="noop")
async def noop(n: int) -> None:
    global ran
    ran += 1


async def settle() -> None:
    connection = await psycopg.AsyncConnection.connect(URL, autocommit=True)
    async with connection:
        await connection.execute("VACUUM (ANALYZE)")
        try:
            await connection.execute("CHECKPOINT")
        except psycopg.errors.InsufficientPrivilege:
            pass


async def burn() -> dict:
    for first in range(0, COUNT, 1000):
        last = min(COUNT, first + 1000)
        await noop.batch_defer_async(*({"n": n} for n in range(first, last)))
    await settle()
    begun = time.perf_counter()
    worker = asyncio.create_task(
        app.run_worker_async(concurrency=SLOTS, install_signal_handlers=False)
    )
    while ran < COUNT:
        await asyncio.sleep(0.002)
    # A finished job is kept: all are done once none has another status.
    left = "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status <> 'succeeded') AS some"
    while (await connector.execute_query_one_async(left))["some"]:
        await asyncio.sleep(0.002)
    seconds = time.perf_counter() - begun
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    return {"jobs": ran, "seconds": seconds}


async def main() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        figures = await {"burn": burn}[MODE]()
    print(json.dumps(figures))


asyncio.run(main())
