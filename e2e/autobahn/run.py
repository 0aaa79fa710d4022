"""Runs the Autobahn cases against a WebSocket server that echoes.

    run.py URL PARALLEL CASES [WITHOUT]

CASES, and the cases that are to be left out, are ids and globs with commas between them. One line of JSON comes out for each case: its
id, whether it passed, the verdict on its messages, the code that the server closed with, and what was wrong.
"""

import asyncio
import json
import os
import sys

from kosoku import FailureError, run_fuzzingclient


async def results(url, parallel, cases, without):
    try:
        return await run_fuzzingclient(url, cases, without, concurrency=parallel)
    except FailureError as failure:
        return failure.results


async def main(url, parallel, cases, without=""):
    for r in await results(url, int(parallel), cases.split(","), [w for w in without.split(",") if w]):
        print(json.dumps({
            "id": r.case_id,
            "passed": r.passed,
            "behavior": r.behavior.value,
            "code": r.remote_close_code or 0,
            "why": f"{r.result} {r.result_close}",
        }))


asyncio.run(main(*sys.argv[1:]))
sys.stdout.flush()
os._exit(0)  # the threads of kosoku 0.1.0 abort the process at times when the interpreter ends in an orderly way
